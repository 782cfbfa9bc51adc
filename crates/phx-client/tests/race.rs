//! The race between the addresses of a host.

#![cfg(feature = "websocket")]

mod common;

use std::cell::RefCell;
use std::future::{self, Future};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use common::TestRuntime;
use phx_client::CloseCause;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

fn v4(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 80))
}

async fn race<S, F: Future<Output = io::Result<S>>>(
    addresses: impl IntoIterator<Item = SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<S, CloseCause> {
    phx_client::dial::race(addresses, connect, &TestRuntime::new()).await
}

fn refused() -> io::Error {
    io::ErrorKind::ConnectionRefused.into()
}

#[tokio::test(start_paused = true)]
async fn the_next_address_is_tried_at_once_when_one_fails() {
    let begun = tokio::time::Instant::now();
    let reached = race(
        [v4(1), v4(2)],
        async |address| {
            if address == v4(1) { Err(refused()) } else { Ok(address) }
        },
    );
    assert_eq!(reached.await, Ok(v4(2)));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_silent_has_a_head_start_of_250_ms() {
    let begun = tokio::time::Instant::now();
    let reached =
        race(
            [v4(1), v4(2)],
            async |address| {
                if address == v4(1) { future::pending().await } else { Ok(address) }
            },
        );
    assert_eq!(reached.await, Ok(v4(2)));
    assert_eq!(begun.elapsed(), Duration::from_millis(250));
}

#[tokio::test(start_paused = true)]
async fn a_slow_address_still_wins_if_the_next_one_fails() {
    let reached = race([v4(1), v4(2)], async |address| {
        if address == v4(2) {
            return Err(refused());
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok(address)
    });
    assert_eq!(reached.await, Ok(v4(1)));
}

#[tokio::test(start_paused = true)]
async fn every_address_is_tried_once_and_the_failures_are_told() {
    let tried = RefCell::new(Vec::new());
    let addresses: Vec<_> = (1..=6).map(v4).collect();
    let reached: Result<(), _> = race(addresses.clone(), async |address| {
        tried.borrow_mut().push(address);
        Err(refused())
    })
    .await;
    assert_eq!(tried.into_inner(), addresses);
    assert_eq!(
        reached.unwrap_err().to_string(),
        "connection lost: 192.0.2.1:80: connection refused; 192.0.2.2:80: connection refused; \
         192.0.2.3:80: connection refused; 192.0.2.4:80: connection refused; \
         and 2 more addresses"
    );
}

#[tokio::test]
async fn a_name_without_an_address_is_told() {
    let reached: Result<(), _> = race([], async |_| Err(refused())).await;
    assert_eq!(reached, Err(CloseCause::lost("the host has no address")));
}

#[tokio::test]
async fn a_closed_port_leads_to_the_next_address() {
    // The port stays taken, so that no other test comes to listen there.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = open.local_addr().unwrap();
    let stream = race([closed.local_addr().unwrap(), address], TcpStream::connect).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), address);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_64_addresses_are_tried() {
    let tried = RefCell::new(0);
    let addresses = (0..=u8::MAX).map(v4);
    let reached = race(addresses, async |_| {
        *tried.borrow_mut() += 1;
        Err::<(), _>(refused())
    });
    reached.await.unwrap_err();
    assert_eq!(*tried.borrow(), 64);
}
