//! The client against the server kit, in memory and under virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod better;
mod broadcasts;
mod common;
mod control_characters;
mod frames;
mod logs;
mod postgres;
mod presence;
mod project;
mod retries;
mod tokens;
