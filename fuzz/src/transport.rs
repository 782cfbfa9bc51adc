//! Bytes after the upgrade, in pieces, through the WebSocket library to the transport.
//!
//! Two digits are the sizes of the pieces in turns (`0` all at once, `1` one byte, larger digits more). The next digit is
//! the number of frames after which the client closes (`9` never). The one after it is `0` if the stream ends after the
//! last byte, `1` if it stalls. The rest are the server's bytes.
//!
//! Checks: no frame over the limit; limited reads and bytes in each poll, and an end; answers no longer than pongs and
//! a close frame; the same frames and the same end with any pieces.

use std::pin::pin;

use futures::Future as _;
use phx_client::websocket::{self, WebSocketConfig};
use phx_client::{Attempt, CloseCause, CloseCode, Frame, Received, Transport as _};
use phx_proto::Endpoint;

use crate::peer::{Peer, Timers, sizes};

const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                           Upgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n";

const MAX_FRAME: usize = 300;

/// Panics if the input shows a fault.
pub fn check(input: &[u8]) {
    let [first, second, close_after, ends, said @ ..] = input else {
        return;
    };
    let close_after = match close_after.wrapping_sub(b'0') {
        9 => usize::MAX,
        frames => usize::from(frames),
    };
    let ends = ends & 1 == 0;
    let at_once = received(said, &[usize::MAX], close_after, ends);
    for sizes in [vec![1], sizes(&[*first, *second])] {
        let in_pieces = received(said, &sizes, close_after, ends);
        assert_eq!(at_once, in_pieces, "in pieces of {sizes:?}");
    }
}

/// Returns the frames, and the end if there is one.
fn received(
    said: &[u8],
    sizes: &[usize],
    close_after: usize,
    ends: bool,
) -> (Vec<Frame>, Option<CloseCause>) {
    let peer = Peer::new([SWITCHING, said].concat(), sizes, ends);
    let mut config = WebSocketConfig::default();
    config.read_buffer_size = 64;
    let mut attempt = Attempt::new(Endpoint::default().request("2.0.0"), Timers::Never);
    attempt.max_frame_size = MAX_FRAME;

    let limit = 1_000 + said.len();
    let transport = {
        let mut upgrade = pin!(websocket::upgrade(peer.clone(), &attempt, &config));
        peer.run(limit, |cx| upgrade.as_mut().poll(cx)).expect("it is answered").unwrap()
    };
    let mut transport = pin!(transport);
    let asked = peer.heard();
    let mut frames = Vec::new();
    let end = loop {
        if frames.len() == close_after {
            let end =
                peer.run(limit, |cx| transport.as_mut().poll_close(cx, CloseCode::NORMAL, "bye"));
            break end;
        }
        match peer.run(limit, |cx| transport.as_mut().poll_receive(cx)) {
            Some(Ok(Received::Gap)) => panic!("a WebSocket has no gaps"),
            Some(Ok(Received::Frame(frame))) => {
                assert!(frame.len() <= MAX_FRAME, "{} bytes", frame.len());
                frames.push(frame);
            }
            Some(Err(cause)) => break Some(cause),
            None => break None,
        }
    };
    // A pong is longer than its ping by a mask; a close has at most 131 bytes.
    let answered = peer.heard() - asked;
    assert!(answered <= 3 * said.len() + 131, "{answered} bytes in answer to {}", said.len());
    (frames, end)
}
