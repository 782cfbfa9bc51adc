//! Faults of attempts to connect. The first connection is cut, so that there are any.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use phx_client::dial::{ByteStream, Dialer};
use phx_client::websocket::WebSocketConnector;
use phx_client::{BoxFuture, CloseCause};
use phx_testing::Connectivity;
use phx_testing::fault_proxy::Direction;

use super::Times;
use super::stage::{Expect, Stage};
use crate::adapters::Adapter;

/// Attempts that fail before the fault is over.
const ATTEMPTS: usize = 3;

pub(super) async fn port_closed<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set::<A>().await?;
    stage.proxy.set_connectivity(Connectivity::Offline)?;
    stage.proxy.all().cut();
    let noticed = fails(&mut stage, |cause| matches!(cause, CloseCause::Lost { .. })).await?;
    stage.proxy.set_connectivity(Connectivity::Online)?;
    stage.recover(noticed).await
}

pub(super) async fn handshake_unanswered<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set::<A>().await?;
    stage.proxy.set_connectivity(Connectivity::Silent)?;
    stage.proxy.all().cut();
    let noticed = fails(&mut stage, |cause| *cause == CloseCause::ConnectTimedOut).await?;
    stage.proxy.set_connectivity(Connectivity::Online)?;
    stage.recover(noticed).await
}

/// In the request and in the answer, at their first byte and further in.
pub(super) async fn handshake_cut<A: Adapter>() -> anyhow::Result<Times> {
    let mut stage = Stage::set::<A>().await?;
    let places = [
        (Direction::ToServer, 0),
        (Direction::ToServer, 30),
        (Direction::ToClient, 0),
        (Direction::ToClient, 1),
        (Direction::ToClient, 60),
    ];
    let is_lost = |cause: &CloseCause| matches!(cause, CloseCause::Lost { .. });
    let noticed = cut_at_each(&mut stage, &places, is_lost).await?;
    stage.recover(noticed).await
}

/// The name can't be looked up, and then it can.
pub(super) async fn dns_fails<A: Adapter>() -> anyhow::Result<Times> {
    let fails_now = Arc::new(AtomicBool::new(false));
    let dialer = FlakyName { tcp: A::tcp(), fails_now: Arc::clone(&fails_now) };
    let mut stage = Stage::set_with(|proxy| {
        let builder = A::socket(&format!("ws://localhost:{}/socket", proxy.port()));
        builder.connector(WebSocketConnector::new(dialer))
    })
    .await?;
    fails_now.store(true, Ordering::Relaxed);
    stage.proxy.all().cut();
    // A resolver without a network may take longer than an attempt.
    let expected = |cause: &CloseCause| match cause {
        CloseCause::Lost { error, .. } => error.contains("look up"),
        cause => *cause == CloseCause::ConnectTimedOut,
    };
    let noticed = fails(&mut stage, expected).await?;
    fails_now.store(false, Ordering::Relaxed);
    stage.recover(noticed).await
}

/// The connection is lost, and attempts fail: the longest of them is told.
pub(super) async fn fails(
    stage: &mut Stage,
    expected: impl Fn(&CloseCause) -> bool,
) -> anyhow::Result<Duration> {
    stage.lost(Instant::now()).await?;
    stage.push(20, Expect::Reply);
    let mut longest = Duration::ZERO;
    for _ in 0..ATTEMPTS {
        let (took, cause) = stage.attempt_failed().await?;
        ensure!(expected(&cause), "the attempt failed otherwise: {cause}");
        longest = longest.max(took);
    }
    Ok(longest)
}

/// Cuts the connection, and each attempt after it in its turn: the longest of them is told.
pub(super) async fn cut_at_each(
    stage: &mut Stage,
    places: &[(Direction, u64)],
    expected: impl Fn(&CloseCause) -> bool,
) -> anyhow::Result<Duration> {
    let mut longest = Duration::ZERO;
    let mut places = places.iter();
    if let Some((direction, bytes)) = places.next() {
        stage.proxy.next().cut_after(*direction, *bytes);
    }
    stage.proxy.all().cut();
    stage.lost(Instant::now()).await?;
    stage.push(20, Expect::Reply);
    loop {
        let (took, cause) = stage.attempt_failed().await?;
        ensure!(expected(&cause), "the attempt failed otherwise: {cause}");
        longest = longest.max(took);
        match places.next() {
            Some((direction, bytes)) => stage.proxy.next().cut_after(*direction, *bytes),
            None => return Ok(longest),
        }
    }
}

/// Looks up a name that there is, or one that there can't be (RFC 6761), with the adapter's own
/// dialer.
#[derive(Debug)]
struct FlakyName<D> {
    tcp: D,
    fails_now: Arc<AtomicBool>,
}

impl<D: Dialer<Stream = ByteStream>> Dialer for FlakyName<D> {
    type Stream = ByteStream;

    fn dial(&self, host: &str, port: u16) -> BoxFuture<Result<ByteStream, CloseCause>> {
        let fails = self.fails_now.load(Ordering::Relaxed);
        self.tcp.dial(if fails { "phoenix.invalid" } else { host }, port)
    }
}
