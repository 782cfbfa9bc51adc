//! Suspend as a process sees it: when the process continues, `CLOCK_BOOTTIME` has jumped, and the clock of timers,
//! `CLOCK_MONOTONIC`, hasn't.
//!
//! On Linux one process can see that without a suspended machine: it moves into a time namespace whose
//! `CLOCK_BOOTTIME` is ahead. The process must have a single thread, so this tests phx-tokio on a current-thread
//! runtime, and needs `CAP_SYS_ADMIN`.

#![expect(clippy::print_stdout, reason = "what is shown goes to standard output")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::StreamExt as _;
use futures::channel::mpsc;
use phx_client::CloseCause;

use crate::ledger::numbered::Numbered;
use crate::port::Port;
use crate::serve;

mod later;

use later::Later;

/// Let the machine of a client seem to sleep
#[derive(clap::Args, Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Args {
    /// Seconds of sleep; with the default settings a connection is given up after 70
    #[arg(long, default_value_t = 3600)]
    seconds: u32,
}

/// Promised time: with the default settings the client checks the clock that often.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);

/// Largest delay with which a busy machine may run a due task.
const LATE: Duration = Duration::from_millis(500);

/// Time limit of waits without a promised time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lets a connected client sleep and wake, and prints its times.
///
/// # Errors
///
/// If the operating system refuses the namespace, or the client breaks the promise.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let later = Later::by(args.seconds)?;
    let port = Port::take()?;
    let _server = serve::spawn(port.address().port())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let url = format!("ws://{}/socket", port.address());
    let (noticed, well) = runtime.block_on(sleep_and_wake(&url, &later))?;
    println!(
        "suspend: slept {} s, noticed {} ms after waking, joined again after {} ms",
        args.seconds,
        noticed.as_millis(),
        well.as_millis()
    );
    ensure!(noticed < NOTICED_WITHIN + LATE, "it was noticed too late");
    Ok(ExitCode::SUCCESS)
}

/// Returns the time from waking until the client noticed, and until a push was answered again.
async fn sleep_and_wake(url: &str, later: &Later) -> anyhow::Result<(Duration, Duration)> {
    let (sender, mut closes) = mpsc::unbounded();
    let builder = phx_tokio::socket(url).on_close(move |closed| {
        // The receiver lives until the end.
        let _ = sender.unbounded_send(closed.cause.clone());
    });
    let socket = builder.connect().await?;
    let room = socket.channel("room:lobby").join().await?;
    room.push::<Numbered>("Echo", &Numbered::new(0, 1)).await?;
    let woken = Instant::now();
    later.enter()?;
    let cause = tokio::time::timeout(PATIENCE, closes.next()).await.context("it isn't noticed")?;
    let noticed = woken.elapsed();
    ensure!(cause == Some(CloseCause::Suspended), "another end than sleep: {cause:?}");
    let second = Numbered::new(0, 2);
    let echo = tokio::time::timeout(PATIENCE, room.push::<Numbered>("Echo", &second)).await;
    ensure!(echo.context("it doesn't come back")?? == second, "another's answer");
    let well = woken.elapsed();
    let counters = socket.counters();
    ensure!(
        (counters.opened, counters.joins_sent) == (2, 2),
        "one attempt and one join are promised: {counters:?}"
    );
    Ok((noticed, well))
}
