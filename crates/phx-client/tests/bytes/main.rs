//! What is said over a stream of bytes, with peers that say what they like.

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

mod always_ready;
mod attempts_can_be_dropped;
mod peaks;
mod proxies;
