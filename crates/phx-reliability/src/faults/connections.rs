//! Faults of an open connection.

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::future::join_all;
use phx_client::{CloseCause, Payload, PushCause, PushError};

use super::fixture::{Expect, Fixture, Times, pass};
use super::settings::{HEARTBEAT_TIMEOUT, SLACK};

/// Pushes that are on their way when the fault comes, and some that come after it was noticed.
pub(super) const BURST: usize = 20;

/// Expected end of a connection by a fault.
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

    /// Strikes with the fault, and waits for the end that it causes, and for the recovery.
    pub(super) async fn strikes(
        self,
        mut fixture: Fixture,
        fault: fn(&Fixture),
    ) -> anyhow::Result<Times> {
        fixture.push(self.before, Expect::Anything);
        let since = Instant::now();
        fault(&fixture);
        fixture.push(BURST - self.before, Expect::Anything);
        self.ends(fixture, since).await
    }

    async fn ends(self, mut fixture: Fixture, since: Instant) -> anyhow::Result<Times> {
        let noticed = fixture.lost(since, self.is_right).await?;
        fixture.push(BURST, Expect::Reply);
        fixture.recover(noticed).await
    }
}

pub(super) async fn delay(mut fixture: Fixture) -> anyhow::Result<Times> {
    let each_way = HEARTBEAT_TIMEOUT / 8;
    fixture.proxy.all().set_latency(each_way);
    let began = Instant::now();
    // Long enough for two heartbeats and their replies.
    while began.elapsed() < HEARTBEAT_TIMEOUT * 3 {
        fixture.push(BURST, Expect::Reply);
        fixture.settle().await?;
    }
    ensure!(fixture.socket.ping().await? >= each_way * 2, "there was no delay");
    fixture.unnoticed().await
}

pub(super) async fn stall(mut fixture: Fixture) -> anyhow::Result<Times> {
    fixture.proxy.all().stall();
    fixture.push(BURST, Expect::Reply);
    pass(HEARTBEAT_TIMEOUT / 4).await;
    fixture.proxy.all().resume();
    fixture.settle().await?;
    fixture.unnoticed().await
}

/// Stops the server's reading, so that soon nothing can be written, not even a heartbeat. Deadlines still hold.
pub(super) async fn full_send_buffer(fixture: Fixture, silent: &Breach) -> anyhow::Result<Times> {
    /// More than the operating system buffers: its send buffers end at 4 MiB.
    const BLOBS: usize = 32;
    let blob = Payload::json(&"x".repeat(256 * 1024))?;
    let fault = Instant::now();
    fixture.proxy.all().stall();
    let blobs: Vec<_> = (0..BLOBS).map(|_| fixture.room.push("blob", blob.clone())).collect();
    let deadline = Duration::from_millis(300);
    let hasty = fixture.room.push_with_timeout::<()>(deadline, "blob", &()).await;
    let took = fault.elapsed();
    ensure!(
        matches!(hasty, Err(PushError { cause: PushCause::NotSent, .. })),
        "the hasty push: {hasty:?}"
    );
    ensure!(took <= deadline + SLACK, "its deadline passed, and it took {took:?}");
    let times = silent.ends(fixture, fault).await?;
    // The connection took some, and the others waited for the next connection.
    let outcomes = join_all(blobs).await;
    for outcome in &outcomes {
        ensure!(
            matches!(outcome, Ok(()) | Err(PushError { cause: PushCause::Disconnected, .. })),
            "a blob: {outcome:?}"
        );
    }
    ensure!(outcomes.iter().any(Result::is_ok), "the buffers weren't full");
    Ok(times)
}
