//! A peer whose bytes are always ready doesn't keep the executor: a poll reads and writes so much,
//! and then it wakes itself and is pending.

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

mod driver;
mod frames;
mod heads;
mod writing;
