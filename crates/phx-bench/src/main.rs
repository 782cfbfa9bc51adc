//! What a message, a connection and a channel cost, beside the floors below which no client gets.
//!
//! `phx-bench client --runtime tokio|async-std|smol SCENARIO ARGS...` runs one scenario against a
//! server that is there already, and prints what it cost as lines of JSON.

use std::process::ExitCode;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

mod client;
mod measure;
mod sequence;

/// Counts what this program allocates.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const USAGE: &str = "\
usage:
  phx-bench client --runtime tokio|async-std|smol SCENARIO ARGS...

scenarios, against the server on 127.0.0.1:PERF_PORT (4900 if that isn't set):
  flood N SIZE [typed]  N messages with SIZE bytes of text, delivered to a task
  bin N SIZE            N binary broadcasts of SIZE bytes, delivered to a task
  echo N INFLIGHT       N pushes and their replies, INFLIGHT at a time
  chans C N             C channels on one socket, then N messages spread over them
  conns K SECS HB       K sockets with a channel each, then SECS s of heartbeats every HB ms
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["client", "--runtime", runtime, scenario @ ..] => client::run(runtime, scenario),
        _ => Err(anyhow::anyhow!("{USAGE}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            measure::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
