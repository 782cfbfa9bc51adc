//! `phx` as a process, against a `phx serve` process, and in pseudo-terminals where that matters.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(unix)]

mod bench;
mod bench_compare;
mod bench_generator;
mod bench_machines;
mod bench_merge;
mod bench_results;
mod bench_rules;
mod canary;
mod connection;
mod ended;
mod generate;
mod hostile_text;
#[path = "../../../../examples/liveview/imitation.rs"]
mod imitation;
mod join;
mod lives;
mod liveview;
mod loadtest;
mod malformed;
mod official_client;
mod presence;
mod push;
mod raw;
mod readme;
mod repl;
mod replay;
mod replay_night;
mod scenario;
mod script;
mod serve;
mod supabase;
mod support;
mod terminal;
mod unjoined;
