//! One adapter's sockets, their channels and their traffic.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, join, join_all, select};
use futures::stream::FuturesUnordered;
use phx_client::{Backoff, ByteString, Channel, Messages};

use super::stats::{Phase, Stats};
use crate::adapters::Adapter;
use crate::ledger::Ledger;
use crate::ledger::numbered::Numbered;
use crate::ledger::room::{JoinParams, Joined};

/// Pushes of one channel that wait for their outcomes, at the most.
const WINDOW: usize = 64;

/// The traffic that the clients make.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) url: String,
    pub(super) stats: Arc<Stats>,
    pub(super) ledger: Ledger,
    pub(super) sockets: usize,
    pub(super) channels: usize,
    /// From one message of a channel to the next, each way.
    pub(super) every: Duration,
}

/// Runs until the stats say that it is over.
pub(super) async fn run<A: Adapter>(scene: Scene) {
    join_all((0..scene.sockets).map(|number| socket::<A>(&scene, number))).await;
}

#[expect(
    clippy::expect_used,
    reason = "what is said at the start can only be wrong in the program"
)]
async fn socket<A: Adapter>(scene: &Scene, number: usize) {
    let delays = [50, 100, 200].map(Duration::from_millis);
    let backoff = Backoff::steps(delays).with_jitter_percent(25);
    let builder = A::socket(&scene.url)
        .heartbeat_interval(Some(Duration::from_secs(1)))
        .heartbeat_timeout(Duration::from_secs(2))
        .heartbeat_limit(Duration::from_secs(3))
        .connect_timeout(Duration::from_secs(2))
        .close_timeout(Duration::from_secs(1))
        .join_timeout(Duration::from_secs(2))
        .push_timeout(Duration::from_secs(5))
        .reconnect(backoff.clone())
        .rejoin(backoff);
    let stats = Arc::clone(&scene.stats);
    let builder = builder.on_close(move |closed| stats.lock().note_closed(closed));
    let socket = builder.connect().await.expect("a connection");
    let channels = (0..scene.channels).map(|at| {
        let topic = ByteString::from(format!("room:{}:{number}:{at}", A::NAME));
        let tick_ms = u64::try_from(scene.every.as_millis()).unwrap_or(u64::MAX);
        let params = JoinParams { tick_ms, ..JoinParams::default() };
        let room = socket.channel(topic.clone()).params(&params).create().expect("a channel");
        talk(room, scene.stats.open(topic), scene)
    });
    join_all(channels).await;
    scene.stats.lock().reconnects += socket.counters().opened.saturating_sub(1);
    socket.disconnect().await;
}

/// Joins, and pushes and listens until it is over.
async fn talk(room: Channel, page: usize, scene: &Scene) {
    let stats = Arc::clone(&scene.stats);
    let _stays = room.on_join(move |response, _| {
        if let Ok(Joined { life }) = response.decode() {
            stats.change(page, |page| page.life = life);
        }
    });
    let messages = room.on("pushed");
    // A join whose first attempt fails goes on by itself.
    drop(room.join());
    join(push(room, page, scene), listen(messages, page, scene)).await;
}

async fn push(room: Channel, page: usize, scene: &Scene) {
    let mut ticks = smol::Timer::interval(scene.every);
    let mut waiting = FuturesUnordered::new();
    let mut n = 0;
    loop {
        let phase = scene.stats.lock().phase;
        if phase == Phase::Over && waiting.is_empty() {
            break;
        }
        let outcome = if waiting.is_empty() {
            ticks.next().await;
            None
        } else {
            match select(ticks.next(), waiting.next()).await {
                Either::Left(_) => None,
                Either::Right((outcome, _)) => outcome,
            }
        };
        if let Some((n, outcome)) = outcome {
            scene.stats.change(page, |page| page.done(n, &outcome, &scene.ledger));
        } else if phase == Phase::Busy && waiting.len() < WINDOW {
            n += 1;
            let push = room.push::<()>("Echo", &Numbered::new(0, n));
            scene.stats.change(page, |page| {
                page.sent += 1;
                page.waiting += 1;
            });
            let number = n;
            waiting.push(async move { (number, push.await) });
        }
    }
    // It ends the stream; that the server confirms it is the client's business.
    let _ = room.leave().await;
}

async fn listen(mut messages: Messages<Numbered>, page: usize, scene: &Scene) {
    while let Some(item) = messages.next().await {
        let must_have_got = |life| scene.ledger.lock().must_have_got(life);
        scene.stats.change(page, |page| page.deliveries.take(&item, must_have_got));
    }
}
