//! Scripted servers: one behaviour for each file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../server/wire.rs"]
mod wire;

mod answers;
#[cfg(feature = "listener")]
mod both_ways;
mod deadlines;
mod forgotten;
mod mismatches;
mod nonsense;
mod payloads;
mod sequels;
mod settings;
