//! Faults of the server's process. The client is connected to it without anything between.

use std::time::Instant;

use phx_client::CloseCause;

use super::settings::HEARTBEAT_TIMEOUT;
use super::stage::{Expect, Stage, Times, pass};

pub(super) async fn stopped_shortly(mut stage: Stage) -> anyhow::Result<Times> {
    stage.server.stop(true)?;
    stage.push(20, Expect::Reply);
    pass(HEARTBEAT_TIMEOUT / 4).await;
    stage.server.stop(false)?;
    stage.settle().await?;
    stage.unnoticed().await
}

/// The operating system still takes connections for the process, but nobody answers.
pub(super) async fn stopped(mut stage: Stage) -> anyhow::Result<Times> {
    let fault = Instant::now();
    stage.server.stop(true)?;
    stage.push(20, Expect::Anything);
    let noticed = stage.lost(fault, |cause| *cause == CloseCause::HeartbeatTimedOut).await?;
    stage.push(20, Expect::Reply);
    stage.attempt_failed(|cause| *cause == CloseCause::ConnectTimedOut).await?;
    stage.server.stop(false)?;
    stage.recover(noticed).await
}

pub(super) async fn killed(mut stage: Stage) -> anyhow::Result<Times> {
    let is_lost = |cause: &CloseCause| matches!(cause, CloseCause::Lost { .. });
    stage.push(20, Expect::Anything);
    let fault = Instant::now();
    stage.server.end();
    let noticed = stage.lost(fault, is_lost).await?;
    // The server that comes knows nothing of what was before.
    stage.settle().await?;
    stage.forget_acknowledged();
    stage.push(20, Expect::Reply);
    for _ in 0..2 {
        stage.attempt_failed(is_lost).await?;
    }
    stage.restart_server().await?;
    stage.recover(noticed).await
}
