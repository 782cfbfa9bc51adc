//! Streams of bytes: the WebSocket transport and proxies, with peers that send any bytes.

#![cfg(feature = "websocket")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod peer;

use phx_client::Attempt;

/// The proper answer to an upgrade; the peer knows the key.
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                         Upgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n";

/// An attempt without more than its request. `tests/compressed` has the same tests with compression.
fn offering(attempt: Attempt) -> Attempt {
    attempt
}

mod always_ready;
mod attempts_can_be_dropped;
mod peaks;
mod proxies;
