//! An attempt to connect that is dropped at any poll drops its stream, and leaves nothing.

use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Waker};
use std::{fmt, io};

use allocation_counter::measure;
use phx_client::StreamConnector;
use phx_client::dial::{Dialer, TcpDialer};
use phx_client::websocket::{self, WebSocketConfig};
use phx_client::{Attempt, BoxFuture, CloseCause, Connector};

use crate::common::network::TestNetwork;
use crate::peer::{Peer, Stream, attempt};

const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Nope\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n";

/// Polls the future of `start` up to this number of times, and drops it. Returns true if it completed.
fn polled<F: Future>(start: impl FnOnce(Stream) -> F, polls: u32) -> bool {
    let peer = Peer::new(REFUSAL, "", 1);
    peer.ends();
    peer.is_slow();
    let mut done = false;
    {
        let mut future = pin!(start(peer.stream()));
        for _ in 0..polls {
            done = done || future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        }
    }
    TestNetwork::set(0, None);
    assert!(peer.is_dropped(), "the stream is still there");
    done
}

/// Drops the future after no poll, after one, and so on until its end.
fn dropped_at_every_poll<F: Future>(start: impl Fn(Stream) -> F) {
    polled(&start, u32::from(u8::MAX) * 8);
    let mut polls = 0;
    loop {
        let mut done = false;
        let left = measure(|| done = polled(&start, polls));
        assert_eq!((left.count_current, left.bytes_current), (0, 0), "after {polls} polls");
        if done {
            break;
        }
        polls += 1;
        assert!(polls < 2_000, "it doesn't end");
    }
    assert!(polls > 1);
}

#[tokio::test(start_paused = true)]
async fn an_upgrade() {
    let (attempt, config) = (attempt(), WebSocketConfig::default());
    dropped_at_every_poll(|stream| websocket::upgrade(stream, &attempt, &config));
}

/// Dialer with one stream.
struct OneStream(Mutex<Option<Stream>>);

impl fmt::Debug for OneStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneStream").finish_non_exhaustive()
    }
}

impl Dialer for OneStream {
    type Stream = Stream;

    fn dial(&self, _: &str, _: u16) -> BoxFuture<Result<Stream, CloseCause>> {
        let stream = self.0.lock().unwrap().take().unwrap();
        Box::pin(async { Ok(stream) })
    }
}

/// Connects with a connector over the stream.
fn connect(stream: Stream, attempt: Attempt) -> impl Future {
    StreamConnector::new(OneStream(Mutex::new(Some(stream)))).connect(attempt)
}

#[tokio::test(start_paused = true)]
async fn an_open() {
    let attempt = attempt();
    dropped_at_every_poll(|stream| connect(stream, attempt.clone()));
}

#[cfg(feature = "tls")]
#[tokio::test(start_paused = true)]
async fn a_handshake_of_tls() {
    let mut attempt = attempt();
    attempt.request =
        phx_client::Endpoint::parse("wss://server.test/socket").unwrap().request("2.0.0");
    dropped_at_every_poll(|stream| connect(stream, attempt.clone()));
}

#[tokio::test(start_paused = true)]
async fn a_race() {
    let dialer = TcpDialer::<TestNetwork>::new();
    dropped_at_every_poll(|stream| {
        let first = async move {
            let attempt = attempt();
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
