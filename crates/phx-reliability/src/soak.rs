//! Traffic under faults for as long as you like: many sockets and channels on all adapters, constant
//! traffic both ways, a fault every few seconds, and stats of everything.
//!
//! The last line has:
//!
//! - `sent`: pushes that the client accepted, `acked`: those that were answered with ok;
//! - `received`: messages that streams yielded;
//! - `lost`: pushes that were answered with ok although the server didn't handle them; and messages to
//!   a joined channel that its stream doesn't have, without a marker in their place: a number missing
//!   within a life, a new life without a gap before it, the end of a life that crashed on a connection
//!   that went on, the end of the last life once all is quiet. A life is the time from one join to the
//!   end of that join;
//! - `doubled`: pushes that the server handled twice, and messages that came again, after a later one,
//!   or of a life that was over;
//! - `reconnects`: connections that opened after the first of each socket;
//! - `rss_start_kib`, `rss_end_kib`: the memory of the process, which holds clients, server and proxy.
//!   Both are taken in the same state: a moment after all connections were made anew, with all channels
//!   joined and nothing on its way. The allocator gives back what is free. Before the first comes a
//!   warm-up, in which each fault comes twice, to everybody and as bad as it gets, the second time in
//!   random order, so that what keeps room for a peak has had one. The counts are of the warm-up too.

#![expect(clippy::print_stdout, reason = "the line goes to standard output")]

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::adapters::{Adapter, AsyncStd, Smol, Tokio};
use crate::ledger::Ledger;
use crate::memory;

mod clients;
mod faults;
mod host;
mod stats;

use faults::Faults;
use host::Host;
use stats::Stats;

/// How long, how much, how often.
#[derive(clap::Args, Clone, Debug)]
#[non_exhaustive]
pub struct Args {
    /// How long, in minutes, after the warm-up
    #[arg(long, default_value_t = 0.5)]
    minutes: f64,
    /// Sockets of each of the three adapters
    #[arg(long, default_value_t = 8)]
    sockets: usize,
    /// Channels of each socket
    #[arg(long, default_value_t = 4)]
    channels: usize,
    /// Milliseconds between two messages of a channel, each way
    #[arg(long, default_value_t = 50)]
    every_ms: u64,
    /// Milliseconds between two faults
    #[arg(long, default_value_t = 3000)]
    fault_every_ms: u64,
    /// Only faults whose name holds one of these, after the warm-up
    #[arg(long)]
    only: Vec<String>,
    /// The seed of the faults; random, unless it is given
    #[arg(long)]
    seed: Option<u64>,
}

/// Growth that resident memory and memory in use may have, in percent.
const MAX_GROWTH: u64 = 5;

/// Runs the traffic and the faults, and prints the result.
///
/// # Errors
///
/// If the machine doesn't have what it takes: ports, threads, `/proc`.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!(args.minutes > 0.0 && args.minutes.is_finite(), "no time to run");
    memory::resident_kib()?;
    if let Some(code) = memory::with_settings()? {
        return Ok(code);
    }
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("soak: seed {seed}");
    let ledger = Ledger::endless();
    let host = Host::start(&ledger)?;
    let every = Duration::from_millis(args.fault_every_ms);
    let mut faults = Faults::new(host, seed, every, &args.only)?;
    let stats = Arc::new(Stats::default());
    let scene = clients::Scene {
        url: format!("ws://{}/socket", faults.address()),
        stats: Arc::clone(&stats),
        ledger: ledger.clone(),
        sockets: args.sockets,
        channels: args.channels,
        every: Duration::from_millis(args.every_ms.max(1)),
    };
    let threads =
        [start::<Tokio>(scene.clone())?, start::<Smol>(scene.clone())?, start::<AsyncStd>(scene)?];
    let total = threads.len() * args.sockets * args.channels;
    stats.wait_for_channels(total)?;

    let whole = Duration::try_from_secs_f64(args.minutes * 60.0)?;
    faults.warm_up()?;
    faults.settle()?;
    stats.quiet(&ledger)?;
    let (start_kib, start_in_use) = (memory::resident_kib()?, memory::allocated() / 1024);
    stats.go_on(&ledger);
    faults.until(Instant::now() + whole)?;
    faults.settle()?;
    stats.quiet(&ledger)?;
    let (end_kib, end_in_use) = (memory::resident_kib()?, memory::allocated() / 1024);

    stats.finish();
    for thread in threads {
        ensure!(thread.join().is_ok(), "an adapter's thread panicked");
    }
    println!("{faults}");
    println!("in use: {start_in_use} KiB at the start, {end_in_use} KiB at the end");
    let sum = stats.sum(&ledger);
    println!("{sum}");
    let clean = sum.lost == 0 && sum.doubled == 0 && sum.other_failures() == 0;
    let grown = has_grown(start_kib, end_kib) || has_grown(start_in_use as u64, end_in_use as u64);
    println!(
        "soak: sent={} acked={} received={} lost={} doubled={} reconnects={} rss_start_kib={start_kib} \
         rss_end_kib={end_kib}",
        sum.sent,
        sum.acked(),
        sum.received,
        sum.lost,
        sum.doubled,
        sum.reconnects
    );
    Ok(if clean && !grown { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn has_grown(start_kib: u64, end_kib: u64) -> bool {
    end_kib.saturating_mul(100) >= start_kib.saturating_mul(100 + MAX_GROWTH)
}

fn start<A: Adapter>(scene: clients::Scene) -> anyhow::Result<thread::JoinHandle<()>> {
    let thread = thread::Builder::new().name(A::NAME.to_owned());
    thread.spawn(move || A::block_on(clients::run::<A>(scene))).context("no thread")
}
