//! Faults of an open connection.

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::future::join_all;
use phx_client::{CloseCause, Payload, PushFailed};

use super::settings::{HEARTBEAT_TIMEOUT, SLACK};
use super::stage::{Expect, Stage, Times, pass};

/// Pushes that are on their way when the fault comes, and some that come after it was noticed.
pub(super) const BURST: usize = 20;

/// How a connection ends of a fault.
#[derive(Clone, Copy)]
pub(super) struct Breach {
    /// Pushes before the fault; otherwise they come after it, before it is noticed.
    before: usize,
    is_right: fn(&CloseCause) -> bool,
}

impl Breach {
    pub(super) const fn new(is_right: fn(&CloseCause) -> bool) -> Self {
        Breach { before: 0, is_right }
    }

    pub(super) const fn before(mut self, pushes: usize) -> Self {
        self.before = pushes;
        self
    }

    /// Has the fault strike, and waits for the end that it brings, and for all to be well again.
    pub(super) async fn strikes(
        self,
        mut stage: Stage,
        fault: fn(&Stage),
    ) -> anyhow::Result<Times> {
        stage.push(self.before, Expect::Anything);
        let since = Instant::now();
        fault(&stage);
        stage.push(BURST - self.before, Expect::Anything);
        self.ends(stage, since).await
    }

    async fn ends(self, mut stage: Stage, since: Instant) -> anyhow::Result<Times> {
        let noticed = stage.lost(since, self.is_right).await?;
        stage.push(BURST, Expect::Reply);
        stage.recover(noticed).await
    }
}

pub(super) async fn delay(mut stage: Stage) -> anyhow::Result<Times> {
    let each_way = HEARTBEAT_TIMEOUT / 8;
    stage.proxy.all().set_latency(each_way);
    let began = Instant::now();
    // As long as it takes for two heartbeats to come and go.
    while began.elapsed() < HEARTBEAT_TIMEOUT * 3 {
        stage.push(BURST, Expect::Reply);
        stage.settle().await?;
    }
    ensure!(stage.socket.ping().await? >= each_way * 2, "there was no delay");
    stage.unnoticed().await
}

pub(super) async fn stall(mut stage: Stage) -> anyhow::Result<Times> {
    stage.proxy.all().stall();
    stage.push(BURST, Expect::Reply);
    pass(HEARTBEAT_TIMEOUT / 4).await;
    stage.proxy.all().resume();
    stage.settle().await?;
    stage.unnoticed().await
}

/// Nobody reads, so that soon nothing can be written, not even a heartbeat. Deadlines hold all the same.
pub(super) async fn full_send_buffer(stage: Stage, silent: &Breach) -> anyhow::Result<Times> {
    /// More than the operating system takes: its send buffers end at 4 MiB.
    const BLOBS: usize = 32;
    let blob = Payload::json(&"x".repeat(256 * 1024))?;
    let fault = Instant::now();
    stage.proxy.all().stall();
    let blobs: Vec<_> = (0..BLOBS).map(|_| stage.room.push("blob", blob.clone())).collect();
    let deadline = Duration::from_millis(300);
    let hasty = stage.room.push_within::<()>(deadline, "blob", &()).await;
    let took = fault.elapsed();
    ensure!(matches!(hasty, Err(PushFailed::NotSent)), "the hasty push: {hasty:?}");
    ensure!(took <= deadline + SLACK, "its deadline passed, and it took {took:?}");
    let times = silent.ends(stage, fault).await?;
    // The connection took some, and the others waited for the next one.
    let outcomes = join_all(blobs).await;
    for outcome in &outcomes {
        ensure!(matches!(outcome, Ok(()) | Err(PushFailed::Disconnected)), "a blob: {outcome:?}");
    }
    ensure!(outcomes.iter().any(Result::is_ok), "the buffers weren't full");
    Ok(times)
}
