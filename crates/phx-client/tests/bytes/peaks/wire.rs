//! Limits of the WebSocket transport and of the HTTP before it, with a peer that never stops.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use phx_client::dial::{Dialer, HttpProxy};
use phx_client::websocket::{self, WebSocketConfig, WebSocketTransport};
use phx_client::{Frame, Transport};

use super::{MIB, OFFERED_BYTES, PIECE, peak};
use crate::common::paused;
use crate::peer::{Peer, SWITCHING, Stream, attempt};

/// Polls until all offered bytes are read, or until there is an output. A poll reads 16 KiB, or 32 pieces.
fn polled<T>(peer: &Peer, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    (0..OFFERED_BYTES >> 12).find_map(|_| {
        peer.count_anew();
        match poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    })
}

/// Returns the peak of an attempt to connect, and true if it failed.
fn upgrading(peer: &Peer, config: &WebSocketConfig) -> (usize, bool) {
    paused().block_on(async {
        let attempt = attempt();
        let mut ended = false;
        let peak = peak(|| {
            let mut upgrading = pin!(websocket::upgrade(peer.stream(), &attempt, config));
            let upgraded = polled(peer, |cx| upgrading.as_mut().poll(cx));
            ended = upgraded.inspect(|upgraded| assert!(upgraded.is_err())).is_some();
        });
        (peak, ended)
    })
}

/// Returns the peak of `test` with a transport, including the making of the transport.
fn with_transport(
    peer: &Peer,
    config: &WebSocketConfig,
    max_frame_size: usize,
    test: impl Fn(Pin<&mut WebSocketTransport<Stream>>),
) -> usize {
    paused().block_on(async {
        let mut attempt = attempt();
        attempt.max_frame_size = max_frame_size;
        peak(|| {
            let mut upgrading = Box::pin(websocket::upgrade(peer.stream(), &attempt, config));
            let client = polled(peer, |cx| upgrading.as_mut().poll(cx)).expect("it is answered");
            drop(upgrading);
            peer.stalls();
            test(pin!(client.unwrap()));
        })
    })
}

/// Returns a frame's head with an eight-byte length, and `bytes` bytes of payload.
fn frame(kind: u8, length: usize, bytes: usize) -> Vec<u8> {
    let length = u64::try_from(length).unwrap().to_be_bytes();
    [&[kind, 127][..], &length, &vec![b'x'; bytes]].concat()
}

/// Reads all offered bytes, and drops the messages.
fn reading(peer: &Peer, config: &WebSocketConfig, max_frame_size: usize) -> usize {
    with_transport(peer, config, max_frame_size, |mut client| {
        polled(peer, |cx| {
            for _ in 0..100 {
                if let Err(closed) = std::task::ready!(client.as_mut().poll_receive(cx)) {
                    return Poll::Ready(closed);
                }
            }
            Poll::Pending
        });
    })
}

/// One frame of 12 MiB.
pub(crate) fn long_frame(max_frame_size: usize) -> usize {
    let peer = Peer::websocket(&frame(0x82, 12 * MIB, 0), b"x", usize::MAX);
    reading(&peer, &WebSocketConfig::default(), max_frame_size)
}

pub(crate) fn long_fragments(max_frame_size: usize) -> usize {
    let peer = Peer::websocket(&[0x02, 0], &frame(0x00, PIECE, PIECE), usize::MAX);
    reading(&peer, &WebSocketConfig::default(), max_frame_size)
}

/// Returns a peer with endless messages of 80 bytes, 4 MiB at a time.
fn short_messages() -> Peer {
    let message = [&[0x82, 80][..], &[7; 80]].concat();
    Peer::websocket(b"", &message.repeat(4 * MIB / message.len()), usize::MAX)
}

pub(crate) fn read_buffer(read_buffer_size: usize) -> usize {
    let mut config = WebSocketConfig::default();
    config.read_buffer_size = read_buffer_size;
    reading(&short_messages(), &config, MIB)
}

pub(crate) fn read_ahead() -> usize {
    reading(&short_messages(), &WebSocketConfig::default(), MIB)
}

/// Sends frames to a peer that reads nothing, until the buffer is full.
pub(crate) fn write_buffer(write_buffer_size: usize) -> usize {
    let mut config = WebSocketConfig::default();
    config.write_buffer_size = write_buffer_size;
    with_transport(&Peer::websocket(b"", b"", usize::MAX), &config, MIB, |mut client| {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..OFFERED_BYTES / PIECE {
            match client.as_mut().poll_ready(&mut cx) {
                Poll::Ready(ready) => ready.unwrap(),
                Poll::Pending => return,
            }
            client.as_mut().start_send(Frame::text("x".repeat(PIECE))).unwrap();
        }
    })
}

/// Sends pings of 125 bytes to a client, and doesn't read its pongs.
pub(crate) fn pongs() -> usize {
    let ping = [&[0x89, 125][..], &[7; 125]].concat();
    let peer = Peer::websocket(b"", &ping, usize::MAX);
    reading(&peer, &WebSocketConfig::default(), MIB)
}

const REFUSED: &str = "HTTP/1.1 503 Nope\r\n";

fn attempt_fails(once: &str, again: &str) -> usize {
    let peer = Peer::new(once, again, usize::MAX);
    let (peak, ended) = upgrading(&peer, &WebSocketConfig::default());
    assert!(ended, "{once}{again}");
    peak
}

pub(crate) fn long_line() -> usize {
    attempt_fails("HTTP/1.1 200 OK\r\nX: ", "x")
}

pub(crate) fn empty_lines() -> usize {
    attempt_fails("", "\r\n")
}

pub(crate) fn many_headers() -> usize {
    attempt_fails("HTTP/1.1 200 OK\r\n", "X:\r\n")
}

/// Headers that are kept with the connection.
pub(crate) fn kept_headers() -> usize {
    let head = SWITCHING.strip_suffix("\r\n").expect("it has no headers to come");
    let value = "x".repeat(32_000);
    let peer = Peer::new(format!("{head}X: {value}\r\n\r\n"), "", usize::MAX);
    with_transport(&peer, &WebSocketConfig::default(), MIB, |client| {
        assert_eq!(client.response_headers().get("x"), Some(value.as_bytes()));
    })
}

pub(crate) fn a_proxys_head() -> usize {
    let peer = Peer::new("HTTP/1.1 200 OK\r\nX: ", "x", usize::MAX);
    paused().block_on(async {
        peak(|| {
            let mut dialing = HttpProxy::new(peer.clone(), "proxy.test", 3128).dial("a.test", 443);
            assert!(polled(&peer, |cx| dialing.as_mut().poll(cx)).expect("it ends").is_err());
        })
    })
}

pub(crate) fn chunk_line() -> usize {
    attempt_fails(&format!("{REFUSED}Transfer-Encoding: chunked\r\n\r\n1;"), "y")
}

fn refusal(headers: &str, again: &str, max_refusal_body: usize) -> usize {
    let mut config = WebSocketConfig::default();
    config.max_refusal_body = max_refusal_body;
    config.refusal_timeout = Duration::from_secs(3_600);
    let peer = Peer::new(format!("{REFUSED}{headers}\r\n"), again, usize::MAX);
    upgrading(&peer, &config).0
}

pub(crate) fn body(max_refusal_body: usize) -> usize {
    refusal("", "x", max_refusal_body)
}

pub(crate) fn body_of_known_length(max_refusal_body: usize) -> usize {
    refusal("Content-Length: 1000000000\r\n", "x", max_refusal_body)
}

pub(crate) fn body_in_chunks(max_refusal_body: usize) -> usize {
    let chunk = format!("2000\r\n{}\r\n", "x".repeat(PIECE));
    refusal("Transfer-Encoding: chunked\r\n", &chunk, max_refusal_body)
}
