//! The real listener: one file for each side of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "listener")]

mod client;

mod connections;
mod faults;
mod limits;
mod upgrade;
