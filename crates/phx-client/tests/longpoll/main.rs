//! The long-poll transport with servers that say what the test says: in pipes under virtual time, and over TCP.

#![cfg(feature = "longpoll")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod server;

mod always_ready;
mod answers;
mod connections;
mod cookies;
mod memory;
mod refusals;
mod secrets;
mod sending;
mod single_requests;
mod slow_reader;
