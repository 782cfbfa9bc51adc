//! A hostile server against every adapter, over real sockets: its effects on other tasks, heartbeats, times and
//! memory.
//!
//! Each case is a row of a table: the server's attack, the client's settings, and the limits. A case runs once for
//! each adapter, with a server and a client in separate processes, and the client has one thread for all its tasks.
//! So a case that kills its client affects no other, and all leaks are the case's.
//!
//! Each run asserts:
//!
//! - *other tasks*: the longest time that a task which wants to run every 10 ms didn't, at most 100 ms, and
//!   5 ms more for each MiB of a frame over 1 MiB. Only the processor time counts that the executor's thread
//!   has used in that time, so that a busy machine isn't taken for a busy client;
//! - *heartbeats*: while the connection is open the server sees one every 100 ms, unless it doesn't read;
//! - *times*: an attempt to connect ends within its timeout, a peer that doesn't answer a heartbeat counts
//!   as dead within interval and timeout, `disconnect` ends within the close timeout. A busy machine may
//!   add a second to each of these;
//! - *memory*: the most that was allocated at any time, with that of the runtime and the user, stays within
//!   the row's limit;
//! - *the end*: the cause that the row names, one outcome for each push and join, and no socket and no task
//!   left a moment after the last handle is gone.

#![expect(clippy::print_stdout, reason = "the table goes to standard output")]

use std::process::ExitCode;

use anyhow::Context as _;

use crate::adapters::ADAPTERS;
use crate::matrix::{self, Row};
use crate::process::Process;

mod case;
mod cases;
mod client;
mod oracle;
mod peer;
mod server;
mod ticker;
mod times;
mod users;
mod wire;

pub use client::{Args as ClientArgs, run as connect};
pub use server::{Args as ServerArgs, run as serve};

use case::Case;
use client::Outcome;

/// Cases to run.
#[derive(clap::Args, Clone, Debug)]
#[non_exhaustive]
pub struct Args {
    /// Only cases whose name holds one of these
    only: Vec<String>,
    /// With compression agreed on
    #[arg(long)]
    compress: bool,
}

/// Number of cases that run at the same time: they wait more than they work.
const AT_A_TIME: usize = 3;

/// Runs the cases on every adapter, and prints the table.
///
/// # Errors
///
/// None; a case that fails is reported in the table, and by the exit code.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let cases: Vec<_> = cases::all().filter(|it| matrix::is_wanted(&args.only, it.name)).collect();
    let results =
        matrix::run(&cases, AT_A_TIME, |case, adapter| run_one(case, adapter, args.compress));
    let all = || results.iter().flatten().filter_map(|result| result.as_ref().ok());
    let gap_us = all().map(|outcome| outcome.gap_us).max().unwrap_or_default();
    let peak_kib = all().map(|outcome| outcome.peak_kib).max().unwrap_or_default();
    let row = |(case, results): (&&Case, Vec<anyhow::Result<Outcome>>)| Row {
        name: case.name,
        limits: format!("{}/{:>7}", oracle::max_gap(case).as_millis(), case.peak_kib),
        cells: results.into_iter().map(|result| result.map(|outcome| cell(&outcome))).collect(),
    };
    let rows: Vec<_> = cases.iter().zip(results).map(row).collect();
    let (table, failed) = matrix::table("limits", &rows);
    println!(
        "Each cell: the longest that another task was kept from running in ms / the most that was allocated \
         in KiB.\nThe first column has the limits of both.\n\n{table}\n\
         hostile: cases={} adapters={} failed={failed} longest_gap_ms={} peak_kib={peak_kib}",
        rows.len(),
        ADAPTERS.len(),
        gap_us / 1000,
    );
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn cell(outcome: &Outcome) -> String {
    format!("{:.1}/{:>7}", outcome.gap_us as f64 / 1e3, outcome.peak_kib)
}

/// Runs a server and a client in separate processes.
fn run_one(case: &Case, adapter: usize, compress: bool) -> anyhow::Result<Outcome> {
    let adapter = ADAPTERS.get(adapter).context("no such adapter")?;
    let mut server = Process::start(&["hostile-server", case.name])?;
    let address = server.line().context("the server doesn't listen")?;
    let compress = (compress || case.compresses).then_some("--compress");
    let args: Vec<_> =
        ["hostile-client", adapter, case.name, &address].into_iter().chain(compress).collect();
    let mut client = Process::start(&args)?;
    let outcome = client.line().and_then(|line| Ok(serde_json::from_str(&line)?));
    let outcome = outcome.with_context(|| format!("the client's process: {}", client.end()))?;
    server.end_input();
    let report = server.line().and_then(|line| Ok(serde_json::from_str(&line)?));
    let report = report.context("the server has nothing to report")?;
    oracle::check(case, &outcome, Some(&report))?;
    Ok(outcome)
}
