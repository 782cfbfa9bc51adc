//! Faults of an open connection.

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::future::join_all;
use phx_client::{CloseCause, CloseCode, Payload, PushFailed};
use phx_testing::fault_proxy::Direction;
use serde_json::json;

use super::Times;
use super::settings::{HEARTBEAT_TIMEOUT, SLACK};
use super::stage::{Expect, Stage, pass};
use crate::adapters::Adapter;

/// Pushes that are on their way when the fault comes, and some that come after it was noticed.
const BURST: usize = 20;

pub(super) async fn reset<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set::<A>().await?;
    stage.push(BURST, Expect::Anything);
    let fault = Instant::now();
    stage.proxy.all().cut();
    is_lost(stage, fault).await
}

pub(super) async fn end_without_a_close_frame<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set::<A>().await?;
    stage.push(BURST, Expect::Anything);
    let fault = Instant::now();
    stage.proxy.all().end();
    is_lost(stage, fault).await
}

pub(super) async fn half_open<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set::<A>().await?;
    let fault = Instant::now();
    stage.proxy.all().half_open();
    stage.push(BURST, Expect::Anything);
    is_silent(stage, fault).await
}

pub(super) async fn nothing_arrives<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set::<A>().await?;
    let fault = Instant::now();
    // What the server sends still comes: it is alive, which is no sign that it hears anything.
    stage.proxy.all().swallow(Direction::ToServer);
    stage.push(BURST, Expect::Anything);
    is_silent(stage, fault).await
}

pub(super) async fn nothing_comes<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set::<A>().await?;
    let fault = Instant::now();
    stage.proxy.all().swallow(Direction::ToClient);
    stage.push(BURST, Expect::Anything);
    is_silent(stage, fault).await
}

pub(super) async fn delay_within_the_timeout<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set::<A>().await?;
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

pub(super) async fn delay_beyond_the_timeout<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set::<A>().await?;
    let fault = Instant::now();
    // Nothing comes for so long, and then all of it, late.
    stage.proxy.all().set_latency(HEARTBEAT_TIMEOUT * 3);
    stage.push(BURST, Expect::Anything);
    is_silent(stage, fault).await
}

pub(super) async fn stall_within_the_timeout<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set::<A>().await?;
    stage.proxy.all().stall();
    stage.push(BURST, Expect::Reply);
    pass(HEARTBEAT_TIMEOUT / 4).await;
    stage.proxy.all().resume();
    stage.settle().await?;
    stage.unnoticed().await
}

/// Nobody reads, so that soon nothing can be written, not even a heartbeat. Deadlines hold all the same.
pub(super) async fn full_send_buffer<A: Adapter>() -> anyhow::Result<Times> {
    /// More than the operating system takes: its send buffers end at 4 MiB.
    const BLOBS: usize = 32;
    let stage = Stage::set::<A>().await?;
    let blob = Payload::json(&"x".repeat(256 * 1024))?;
    let fault = Instant::now();
    stage.proxy.all().stall();
    let blobs: Vec<_> = (0..BLOBS).map(|_| stage.room.push("blob", blob.clone())).collect();
    let deadline = Duration::from_millis(300);
    let hasty = stage.room.push_within::<()>(deadline, "blob", &()).await;
    let took = fault.elapsed();
    ensure!(matches!(hasty, Err(PushFailed::NotSent)), "the hasty push: {hasty:?}");
    ensure!(took <= deadline + SLACK, "its deadline passed, and it took {took:?}");
    let times = is_silent(stage, fault).await?;
    // The connection took some, and the others waited for the next one.
    let outcomes = join_all(blobs).await;
    for outcome in &outcomes {
        ensure!(matches!(outcome, Ok(()) | Err(PushFailed::Disconnected)), "a blob: {outcome:?}");
    }
    ensure!(outcomes.iter().any(Result::is_ok), "the buffers weren't full");
    Ok(times)
}

pub(super) async fn reset_mid_frame<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set::<A>().await?;
    stage.proxy.all().cut_after(Direction::ToClient, 50_000);
    let fault = Instant::now();
    stage.room.push("big", &json!({ "bytes": 100_000 })).detach()?;
    stage.push(BURST, Expect::Anything);
    is_lost(stage, fault).await
}

pub(super) async fn garbled_frame_from_the_server<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set::<A>().await?;
    let fault = Instant::now();
    // In the text of the next frame, not in its header.
    stage.proxy.all().alter_after(Direction::ToClient, 10);
    stage.push(BURST, Expect::Anything);
    is_lost(stage, fault).await
}

pub(super) async fn garbled_frame_to_the_server<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set::<A>().await?;
    let fault = Instant::now();
    stage.proxy.all().alter_after(Direction::ToServer, 20);
    stage.push(BURST, Expect::Anything);
    let (noticed, cause) = stage.lost(fault).await?;
    // It isn't text any more, and the server says so.
    let expected = CloseCause::frame(CloseCode::from_u16(1007), "");
    ensure!(cause == expected, "it was {cause}");
    stage.push(BURST, Expect::Reply);
    stage.recover(noticed).await
}

/// The operating system or the bytes tell that the connection is lost.
async fn is_lost(mut stage: Stage, fault: Instant) -> anyhow::Result<Times> {
    let (noticed, cause) = stage.lost(fault).await?;
    ensure!(matches!(cause, CloseCause::Lost { .. }), "it was {cause}");
    stage.push(BURST, Expect::Reply);
    stage.recover(noticed).await
}

/// Only a heartbeat tells.
async fn is_silent(mut stage: Stage, fault: Instant) -> anyhow::Result<Times> {
    let (noticed, cause) = stage.lost(fault).await?;
    ensure!(cause == CloseCause::HeartbeatTimedOut, "it was {cause}");
    stage.push(BURST, Expect::Reply);
    stage.recover(noticed).await
}
