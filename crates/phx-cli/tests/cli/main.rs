//! `phx` as its users meet it: real processes against a real `phx serve`, and terminals where it
//! matters.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(unix)]

mod bench;
mod canary;
mod connection;
mod ended;
mod generate;
mod hostile_text;
mod join;
mod lives;
mod malformed;
mod presence;
mod push;
mod raw;
mod readme;
mod repl;
mod script;
mod serve;
mod support;
mod terminal;
mod unjoined;
