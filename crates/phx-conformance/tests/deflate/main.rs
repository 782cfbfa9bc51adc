//! Compression, judged by WebSocket libraries that others wrote: npm's `ws` and Python's `websockets`.
//!
//! `PHX_DEFLATE_MESSAGES` sets the number of random messages for each of their offers; 200 is the default.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod codec;
mod judge;
mod kit;
mod sizes;
