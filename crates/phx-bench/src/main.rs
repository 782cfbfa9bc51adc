//! Costs of a message, a connection and a channel, beside floors: the same jobs with the WebSocket library alone.
//!
//! `run` measures all scenarios side by side. The processes that it starts can be started alone: a server, a client or
//! a floor in one scenario, a single operation. `counts` compares the figures that are the same on every run, for CI.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

mod client;
mod counts;
mod floor;
mod measure;
mod operations;
#[cfg(feature = "recorder")]
mod recorder;
mod runtime;
mod scenario;
mod sequence;
mod server;
mod suite;

/// Allocator that counts this program's allocations.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const USAGE: &str = "\
usage:
  phx-bench run [SCENARIO] [--json] [--rounds N] [--full]
                                        everything side by side, and the goals
  phx-bench scale                       how costs grow with sockets, channels and pushes
  phx-bench recorder [ROUNDS]           what a recorder costs, with the feature `recorder`
  phx-bench recorder-counts             its instructions in a flood, and whether they are few enough
  phx-bench longpoll-counts             instructions of a message over long-poll beside WebSocket, and the goals
  phx-bench client --runtime tokio|async-std|smol SCENARIO ARGS...
  phx-bench floor none|decode|task|each|batch[@RUNTIME] SCENARIO ARGS...
                                        one scenario, against the server on PERF_PORT
  phx-bench server                      a server, which prints its port
  phx-bench counts                      instructions and allocations of operations, beside the stored
  phx-bench counts-accept               stores them
  phx-bench repeat OPERATION N          an operation, N times

scenarios:
  flood N SIZE [typed]  N messages with SIZE bytes of text, delivered to a task
  bin N SIZE            N binary broadcasts of SIZE bytes, delivered to a task
  echo N INFLIGHT       N pushes and their replies, INFLIGHT at a time
  polled N SIZE         a flood over long-poll, in answers of 100 (only the client)
  posted N INFLIGHT     an echo over long-poll (only the client)
  inflight N            N pushes at once, and then their replies (only the client)
  chans C N             C channels on one socket, then N messages spread over them
  conns K SECS HB       K sockets with a channel each, then SECS s of heartbeats every HB ms
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["run" | "bench", options @ ..] => suite::run(options),
        ["scale"] => suite::scale::run(),
        ["longpoll-counts"] => suite::longpoll::instructions()
            .and_then(|table| Ok(writeln!(std::io::stdout(), "{table}")?)),
        ["counted", scenario, size, times] => client::run("tokio", &[scenario, times, size]),
        #[cfg(feature = "recorder")]
        ["recorder", rounds @ ..] => recorded(rounds.first()),
        #[cfg(feature = "recorder")]
        ["recorder-counts"] => suite::recorded::instructions()
            .and_then(|table| Ok(writeln!(std::io::stdout(), "{table}")?)),
        #[cfg(feature = "recorder")]
        ["recorded-flood", mode, messages] => {
            recorder::set(mode).and_then(|()| client::run("tokio", &["flood", messages, "80"]))
        }
        #[cfg(feature = "recorder")]
        ["client", "--record", mode, scenario @ ..] => {
            recorder::set(mode).and_then(|()| client::run("tokio", scenario))
        }
        ["client", "--runtime", runtime, scenario @ ..] => client::run(runtime, scenario),
        ["floor", floor, scenario @ ..] => floor::run(floor, scenario),
        ["server"] => server::run(),
        ["counts"] => counts::check(),
        ["counts-accept"] => counts::accept(),
        ["repeat", operation, times] => repeat(operation, times),
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

fn repeat(operation: &str, times: &str) -> anyhow::Result<()> {
    counts::repeat(operation, times.parse().with_context(|| format!("`{times}` isn't a number"))?)
}

#[cfg(feature = "recorder")]
fn recorded(rounds: Option<&&str>) -> anyhow::Result<()> {
    let rounds = rounds.map_or(Ok(9), |rounds| rounds.parse())?;
    writeln!(std::io::stdout(), "{}", suite::recorded::ratios(&recorder::MODES, rounds)?)?;
    recorder::million()
}
