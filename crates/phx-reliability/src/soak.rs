//! Traffic under faults for any length of time: many sockets and channels on all adapters, constant traffic both
//! ways, a fault every few seconds, and statistics.
//!
//! The last line has:
//!
//! - `sent`: pushes that the client accepted; `acked`: those that were answered with ok;
//! - `received`: messages that streams yielded;
//! - `lost`: pushes that were answered with ok although the server didn't handle them, and messages to a joined
//!   channel that its stream lacks without a marker in their place. Such a message is a number missing within a life,
//!   a new life without a gap before it, the end of a life that crashed on a connection that stayed open, or the end
//!   of the last life. A life is the time from a join to the end of that join;
//! - `doubled`: pushes that the server handled twice, and messages that were yielded twice, after a later one, or
//!   after the end of their life;
//! - `reconnects`: connections opened after the first one of each socket;
//! - `to_long_poll`, `to_websocket`, of a soak that switches: the times that the messages of a channel went on to come
//!   over the other transport. There a gap may also be within a life, and what is missing in its place isn't lost:
//!   long-poll loses messages that the server sends, and reports it;
//! - `rss_start_kib`, `rss_end_kib`: the memory of the process, which holds clients, server and proxy. Both are
//!   measured in the same state: a moment after all connections were replaced, with all channels joined and no frame
//!   on its way. The allocator gives free pages back. A warm-up before the first measurement has each fault twice,
//!   on all connections and at its worst, the second time in random order, so that buffers that keep their capacity
//!   have had their peak. The counts include the warm-up.

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

/// Length of the soak, amount of traffic, frequency of faults
#[derive(clap::Args, Clone, Debug)]
#[non_exhaustive]
pub struct Args {
    /// Minutes after the warm-up
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
    /// Sockets with the fallback to long-poll, behind a proxy that swallows WebSocket frames at times
    #[arg(long)]
    switching: bool,
    /// Seed of the faults; random by default
    #[arg(long)]
    seed: Option<u64>,
}

/// Largest accepted growth of resident memory and of memory in use, in percent.
const MAX_GROWTH: u64 = 5;

/// Runs the traffic and the faults, and prints the result.
///
/// # Errors
///
/// If the machine lacks ports, threads or `/proc`.
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
    let stats = Arc::new(Stats::default());
    let mut faults = Faults::new(host, seed, every, &args.only, (&stats, args.switching))?;
    let scene = clients::Scene {
        url: format!("ws://{}/socket", faults.address()),
        stats: Arc::clone(&stats),
        ledger: ledger.clone(),
        sockets: args.sockets,
        channels: args.channels,
        every: Duration::from_millis(args.every_ms.max(1)),
        switching: args.switching,
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
    let start_over_long_poll = stats.over_long_poll();
    stats.go_on(&ledger);
    faults.until(Instant::now() + whole)?;
    faults.settle()?;
    stats.quiet(&ledger)?;
    let (end_kib, end_in_use) = (memory::resident_kib()?, memory::allocated() / 1024);
    let end_over_long_poll = stats.over_long_poll();

    stats.finish();
    for thread in threads {
        ensure!(thread.join().is_ok(), "an adapter's thread panicked");
    }
    println!("{faults}");
    println!("in use: {start_in_use} KiB at the start, {end_in_use} KiB at the end");
    if args.switching {
        println!(
            "over long-poll: {start_over_long_poll} of {total} channels, then {end_over_long_poll}"
        );
    }
    let sum = stats.sum(&ledger);
    println!("{sum}");
    let clean = sum.lost == 0 && sum.doubled == 0 && sum.other_failures() == 0;
    // In short runs of a soak that switches the memory varies by more than this limit, both ways: it is only shown.
    let grown = !args.switching
        && (has_grown(start_kib, end_kib) || has_grown(start_in_use as u64, end_in_use as u64));
    let switches = match args.switching {
        true => format!("to_long_poll={} to_websocket={} ", sum.to_long_poll, sum.to_web_socket),
        false => String::new(),
    };
    println!(
        "soak: sent={} acked={} received={} lost={} doubled={} reconnects={} {switches}rss_start_kib={start_kib} \
         rss_end_kib={end_kib}",
        sum.sent,
        sum.acked(),
        sum.received,
        sum.lost,
        sum.doubled,
        sum.reconnects
    );
    let switched = !args.switching || (sum.to_long_poll > 0 && sum.to_web_socket > 0);
    Ok(if clean && switched && !grown { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn has_grown(start_kib: u64, end_kib: u64) -> bool {
    end_kib.saturating_mul(100) >= start_kib.saturating_mul(100 + MAX_GROWTH)
}

fn start<A: Adapter>(scene: clients::Scene) -> anyhow::Result<thread::JoinHandle<()>> {
    let thread = thread::Builder::new().name(A::NAME.to_owned());
    thread.spawn(move || A::block_on(clients::run::<A>(scene))).context("no thread")
}
