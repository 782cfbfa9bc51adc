//! An attempt to connect that is dropped at any poll takes its stream with it, and leaves nothing.

#![cfg(feature = "websocket")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use common::TestRuntime;
use common::network::TestNetwork;
use futures::{AsyncRead, AsyncWrite};
use phx_client::dial::{Dialer, TcpDialer};
use phx_client::websocket::{self, WebSocketConfig};
use phx_client::{Attempt, Endpoint};

const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Nope\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n";

/// A server that says its lines a byte at a time, and makes its client wait before each.
struct Slow {
    says: &'static [u8],
    ready: bool,
    _held: Arc<()>,
}

impl AsyncRead for Slow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.ready = !self.ready;
        if self.ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some((first, rest)) = self.says.split_first() else { return Poll::Ready(Ok(0)) };
        self.says = rest;
        buffer[0] = *first;
        Poll::Ready(Ok(1))
    }
}

impl AsyncWrite for Slow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.ready = !self.ready;
        if self.ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(bytes.len().min(16)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls what `start` makes of a stream so many times, and drops it; true if it got to its end.
fn polled<F: Future>(start: impl FnOnce(Slow) -> F, polls: u32) -> bool {
    let held = Arc::new(());
    let stream = Slow { says: REFUSAL, ready: false, _held: Arc::clone(&held) };
    let mut done = false;
    {
        let mut future = pin!(start(stream));
        for _ in 0..polls {
            done = done || future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        }
    }
    TestNetwork::set(0, None);
    assert_eq!(Arc::strong_count(&held), 1, "the stream is still there");
    done
}

/// Drops the future after no poll, after one, and so on until its end.
fn dropped_at_every_poll<F: Future>(start: impl Fn(Slow) -> F) {
    polled(&start, u32::from(u8::MAX) * 4);
    let mut polls = 0;
    loop {
        let mut done = false;
        let left = measure(|| done = polled(&start, polls));
        assert_eq!((left.count_current, left.bytes_current), (0, 0), "after {polls} polls");
        if done {
            break;
        }
        polls += 1;
        assert!(polls < 1_000, "it doesn't end");
    }
    assert!(polls > 1);
}

fn attempt(url: &str) -> Attempt {
    let request = Endpoint::parse(url).unwrap().request("2.0.0");
    Attempt::new(request, TestRuntime::new())
}

#[tokio::test(start_paused = true)]
async fn an_upgrade() {
    let (attempt, config) = (attempt("ws://server.test/socket"), WebSocketConfig::default());
    dropped_at_every_poll(|stream| websocket::upgrade(stream, &attempt, &config));
}

#[tokio::test(start_paused = true)]
async fn an_open() {
    let (attempt, config) = (attempt("ws://server.test/socket"), WebSocketConfig::default());
    dropped_at_every_poll(|stream| websocket::open(stream, &attempt, &config));
}

#[cfg(feature = "tls")]
#[tokio::test(start_paused = true)]
async fn a_handshake_of_tls() {
    let config = phx_client::tls::client_config();
    dropped_at_every_poll(|stream| {
        phx_client::tls::connect(stream, "server.test", Arc::clone(&config))
    });
}

#[tokio::test(start_paused = true)]
async fn a_race() {
    let dialer = TcpDialer::<TestNetwork>::new();
    dropped_at_every_poll(|stream| {
        let first = async move {
            let attempt = attempt("ws://server.test/socket");
            let upgraded = websocket::upgrade(stream, &attempt, &WebSocketConfig::default()).await;
            assert!(upgraded.is_err());
            Err(io::ErrorKind::ConnectionRefused.into())
        };
        TestNetwork::set(3, Some(Box::pin(first)));
        let reached = dialer.dial("server.test", 80);
        async move {
            let reached = reached.await;
            assert!(reached.is_err());
        }
    });
}
