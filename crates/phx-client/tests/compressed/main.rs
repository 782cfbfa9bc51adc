//! The WebSocket transport with compression: the tests of `tests/bytes` once more, and those of compression itself.

#![cfg(feature = "deflate")]
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking; the other tests use more of the peer"
)]

use phx_client::Attempt;
use phx_client::websocket::Compression;

#[path = "../common/mod.rs"]
mod common;
#[path = "../bytes/peer.rs"]
mod peer;

#[path = "../bytes/always_ready/frames.rs"]
mod frames;
#[path = "../bytes/always_ready/writing.rs"]
mod writing;

mod messages;

/// The answer of a server that compresses; the peer knows the key.
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\
                         Sec-WebSocket-Accept: {accept}\r\n\r\n";

/// An attempt with an offer. The messages of the tests of `tests/bytes` go as they are, so that their lengths are known.
fn offering(mut attempt: Attempt) -> Attempt {
    attempt.compression = Some(Compression::new().threshold(usize::MAX));
    attempt
}
