//! Faults of the server's process. The client is connected to it without anything between.

use std::time::Instant;

use anyhow::ensure;
use phx_client::CloseCause;

use super::Times;
use super::settings::HEARTBEAT_TIMEOUT;
use super::stage::{Expect, Stage, pass};
use crate::adapters::Adapter;

pub(super) async fn server_stopped_within_the_timeout<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set_without_proxy::<A>().await?;
    stage.server.stop()?;
    stage.push(20, Expect::Reply);
    pass(HEARTBEAT_TIMEOUT / 4).await;
    stage.server.go_on()?;
    stage.settle().await?;
    stage.unnoticed().await
}

/// The operating system still takes connections for the process, but nobody answers.
pub(super) async fn server_stopped<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set_without_proxy::<A>().await?;
    let fault = Instant::now();
    stage.server.stop()?;
    stage.push(20, Expect::Anything);
    let (noticed, cause) = stage.lost(fault).await?;
    ensure!(cause == CloseCause::HeartbeatTimedOut, "it was {cause}");
    stage.push(20, Expect::Reply);
    let (_, cause) = stage.attempt_failed().await?;
    ensure!(cause == CloseCause::ConnectTimedOut, "the attempt failed otherwise: {cause}");
    stage.server.go_on()?;
    stage.recover(noticed).await
}

pub(super) async fn server_killed_and_restarted<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set_without_proxy::<A>().await?;
    stage.push(20, Expect::Anything);
    let fault = Instant::now();
    stage.server.kill()?;
    let (noticed, cause) = stage.lost(fault).await?;
    ensure!(matches!(cause, CloseCause::Lost { .. }), "it was {cause}");
    // The server that comes knows nothing of what was before.
    stage.settle().await?;
    stage.forget_acknowledged();
    stage.push(20, Expect::Reply);
    for _ in 0..2 {
        let (_, cause) = stage.attempt_failed().await?;
        ensure!(matches!(cause, CloseCause::Lost { .. }), "it was {cause}");
    }
    stage.server.restart().await?;
    stage.recover(noticed).await
}
