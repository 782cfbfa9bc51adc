//! Behaviour of recordings and their replay, by file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod another_build;
mod damaged;
mod files;
mod functions;
mod limits;
mod memory;
mod mutated;
mod parting;
mod random_sessions;
mod rings;
mod secrets;
mod session;
mod timeline;
