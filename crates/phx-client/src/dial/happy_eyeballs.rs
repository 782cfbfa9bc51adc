//! Happy Eyeballs (RFC 8305): the race between the addresses of a host.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{self, Either};
use futures::stream::FuturesUnordered;
use phx_proto::CloseCause;

use super::SERVER_HINT;

/// The "connection attempt delay" that RFC 8305 recommends.
const HEAD_START: Duration = Duration::from_millis(250);

/// Largest number of addresses to try, however many the name server returns.
const MAX_ADDRESSES: usize = 64;

/// Number of failures quoted when no address could be reached.
const QUOTED: usize = 4;

/// Connects to the first of `addresses` that can be reached.
///
/// Addresses are tried in their order, with IPv6 and IPv4 taking turns. Each gets a head start of 250 ms, timed
/// with `sleep`, before the next one starts, or less if it fails sooner (RFC 8305). At most 64 are tried. Dropping
/// the future drops all attempts.
pub(super) async fn race<S, F, T>(
    addresses: impl Iterator<Item = SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
    sleep: impl Fn(Duration) -> T,
) -> Result<S, CloseCause>
where
    F: Future<Output = io::Result<S>>,
    T: Future<Output = ()>,
{
    let mut waiting = alternate(addresses.take(MAX_ADDRESSES));
    let mut failures = Vec::new();
    let mut attempts = FuturesUnordered::new();
    let start = |address: SocketAddr| {
        let attempt = connect(address);
        async move { (address, attempt.await) }
    };
    loop {
        if attempts.is_empty() {
            match waiting.pop_front() {
                Some(address) => attempts.push(start(address)),
                None => return Err(unreachable(&failures)),
            }
        }
        let finished = if waiting.is_empty() {
            attempts.next().await
        } else {
            match future::select(attempts.next(), pin!(sleep(HEAD_START))).await {
                Either::Left((finished, _)) => finished,
                Either::Right(_) => None,
            }
        };
        match finished {
            Some((_, Ok(stream))) => return Ok(stream),
            Some((address, Err(error))) => failures.push((address, error)),
            None => {}
        }
        // An attempt failed, or the latest has had its head start: start the next one.
        if let Some(address) = waiting.pop_front() {
            attempts.push(start(address));
        }
    }
}

/// Orders the addresses so that the two families take turns, beginning with the family of the first one: a broken
/// IPv6 then costs one head start and not one per address.
fn alternate(addresses: impl IntoIterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let addresses: Vec<_> = addresses.into_iter().collect();
    let first = addresses.first().map(SocketAddr::is_ipv6);
    let (mut ours, mut others): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| Some(address.is_ipv6()) == first);
    let mut alternating = VecDeque::new();
    while !ours.is_empty() || !others.is_empty() {
        alternating.extend(ours.pop_front());
        alternating.extend(others.pop_front());
    }
    alternating
}

fn unreachable(failures: &[(SocketAddr, io::Error)]) -> CloseCause {
    if failures.is_empty() {
        return CloseCause::io("the host has no address");
    }
    let mut text = String::new();
    for (address, error) in failures.iter().take(QUOTED) {
        let separator = if text.is_empty() { "" } else { "; " };
        let _ = write!(text, "{separator}{address}: {error}");
    }
    if failures.len() > QUOTED {
        let _ = write!(text, "; and {} more addresses", failures.len() - QUOTED);
    }
    if failures.iter().all(|(_, error)| error.kind() == io::ErrorKind::ConnectionRefused) {
        text.push_str(SERVER_HINT);
    }
    CloseCause::io(text)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::net::{TcpListener, TcpSocket, TcpStream};

    use super::*;

    fn v4(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 80))
    }

    fn v6(last: u16) -> SocketAddr {
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 80))
    }

    #[test]
    fn the_families_take_turns() {
        let order = alternate([v6(1), v6(2), v6(3), v4(1)]);
        assert_eq!(order, [v6(1), v4(1), v6(2), v6(3)]);
        let order = alternate([v4(1), v4(2), v6(1)]);
        assert_eq!(order, [v4(1), v6(1), v4(2)]);
    }

    async fn race<S, F: Future<Output = io::Result<S>>>(
        addresses: impl IntoIterator<Item = SocketAddr>,
        connect: impl Fn(SocketAddr) -> F,
    ) -> Result<S, CloseCause> {
        super::race(addresses.into_iter(), connect, tokio::time::sleep).await
    }

    fn refused() -> io::Error {
        io::ErrorKind::ConnectionRefused.into()
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_address_is_tried_at_once_when_one_fails() {
        let begun = tokio::time::Instant::now();
        let reached =
            race(
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
        let reached = race([v4(1), v4(2)], async |address| {
            if address == v4(1) { future::pending().await } else { Ok(address) }
        });
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
    async fn every_address_is_tried_once_and_the_failures_are_reported() {
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
             and 2 more addresses; is the server running?"
        );
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_reported() {
        let reached: Result<(), _> = race([], async |_| Err(refused())).await;
        assert_eq!(reached, Err(CloseCause::io("the host has no address")));
    }

    #[tokio::test]
    async fn a_closed_port_leads_to_the_next_address() {
        // The port stays taken, so that no other test comes to listen there.
        let closed = TcpSocket::new_v4().unwrap();
        closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = open.local_addr().unwrap();
        let stream =
            race([closed.local_addr().unwrap(), address], TcpStream::connect).await.unwrap();
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
}
