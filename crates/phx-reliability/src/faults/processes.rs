//! Faults of the server's process, to which the client connects directly.

use std::time::Instant;

use phx_client::CloseCause;

use super::fixture::{Expect, Fixture, Times, pass};
use super::settings::HEARTBEAT_TIMEOUT;

pub(super) async fn stopped_shortly(mut fixture: Fixture) -> anyhow::Result<Times> {
    fixture.server.stop(true)?;
    fixture.push(20, Expect::Reply);
    pass(HEARTBEAT_TIMEOUT / 4).await;
    fixture.server.stop(false)?;
    fixture.settle().await?;
    fixture.unnoticed().await
}

/// Stops the process: the operating system still accepts connections for it, but it doesn't answer.
pub(super) async fn stopped(mut fixture: Fixture) -> anyhow::Result<Times> {
    let fault = Instant::now();
    fixture.server.stop(true)?;
    fixture.push(20, Expect::Anything);
    let noticed = fixture.lost(fault, |cause| *cause == CloseCause::HeartbeatTimedOut).await?;
    fixture.push(20, Expect::Reply);
    fixture.attempt_failed(|cause| *cause == CloseCause::ConnectTimedOut).await?;
    fixture.server.stop(false)?;
    fixture.recover(noticed).await
}

pub(super) async fn killed(mut fixture: Fixture) -> anyhow::Result<Times> {
    let is_lost = |cause: &CloseCause| {
        matches!(cause, CloseCause::Io { .. } | CloseCause::ConnectFailed { .. })
    };
    fixture.push(20, Expect::Anything);
    let fault = Instant::now();
    fixture.server.end();
    let noticed = fixture.lost(fault, is_lost).await?;
    // The new server has no state of the old one.
    fixture.settle().await?;
    fixture.forget_acknowledged();
    fixture.push(20, Expect::Reply);
    for _ in 0..2 {
        fixture.attempt_failed(is_lost).await?;
    }
    fixture.restart_server().await?;
    fixture.recover(noticed).await
}
