//! Sockets with a server in memory, under virtual time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod capacity;
mod connection;
mod credentials;
mod custom;
mod driver_ends;
mod drop_and_cancel;
mod every_setting;
mod fallback;
mod flood;
mod foreign_code;
mod hooks;
mod incoming;
mod lifecycle;
mod limits;
mod lives;
mod one_turn;
mod order;
mod presence;
mod presence_locks;
mod push_outcomes;
#[cfg(feature = "recorder")]
mod recording;
mod reentry;
mod rejections;
#[cfg(feature = "websocket")]
mod settings;
mod sleep_and_wake;
mod slow_consumer;
mod slow_hooks;
mod status;
mod streams;
mod threads;
mod topic_streams;
mod topics;
mod transports;
mod wakers;
mod yields;
