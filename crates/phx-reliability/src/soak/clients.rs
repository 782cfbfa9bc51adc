//! Sockets of one adapter, their channels and their traffic.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, join, join_all, select};
use futures::stream::FuturesUnordered;
use phx_client::{Backoff, ByteString, Channel, LongPollFallback, Messages, Socket};

use super::stats::{Phase, Stats};
use crate::adapters::Adapter;
use crate::ledger::Ledger;
use crate::ledger::deliveries::Deliveries;
use crate::ledger::numbered::Numbered;
use crate::ledger::room::{JoinParams, Joined};

/// Largest number of pushes of one channel without an outcome.
const WINDOW: usize = 64;

/// Time after which long-poll takes the place of a WebSocket.
const LONG_POLL_AFTER: Duration = Duration::from_millis(500);

/// Time after which every second socket tries a WebSocket again. The others wait until they are asked.
const WEB_SOCKET_AFTER: Duration = Duration::from_secs(8);

/// Traffic of the clients.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) url: String,
    pub(super) stats: Arc<Stats>,
    pub(super) ledger: Ledger,
    pub(super) sockets: usize,
    pub(super) channels: usize,
    /// Time between two messages of a channel, each way.
    pub(super) every: Duration,
    /// True if the sockets have the fallback to long-poll.
    pub(super) switching: bool,
}

/// Runs until the phase is [`Phase::Over`].
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
    let mut builder = A::socket(&scene.url)
        .heartbeat_interval(Some(Duration::from_secs(1)))
        .heartbeat_timeout(Duration::from_secs(2))
        .heartbeat_limit(Duration::from_secs(3))
        .connect_timeout(Duration::from_secs(2))
        .close_timeout(Duration::from_secs(1))
        .join_timeout(Duration::from_secs(2))
        .push_timeout(Duration::from_secs(5))
        .reconnect(backoff.clone())
        .rejoin(backoff);
    let waits_to_be_asked = number % 2 == 1;
    if scene.switching {
        let fallback = LongPollFallback::after(LONG_POLL_AFTER);
        builder = builder.long_poll_fallback(match waits_to_be_asked {
            true => fallback,
            false => fallback.web_socket_after(WEB_SOCKET_AFTER),
        });
    }
    let stats = Arc::clone(&scene.stats);
    let builder = builder.on_close(move |closed| stats.lock().note_closed(closed));
    let socket = builder.connect().await.expect("a connection");
    let channels = (0..scene.channels).map(|at| {
        let topic = ByteString::from(format!("room:{}:{number}:{at}", A::NAME));
        let tick_ms = u64::try_from(scene.every.as_millis()).unwrap_or(u64::MAX);
        let params = JoinParams { tick_ms, ..JoinParams::default() };
        let room = socket.channel(topic.clone()).params(&params).create().expect("a channel");
        let deliveries = match scene.switching {
            true => Deliveries::with_gaps_within_lives(),
            false => Deliveries::default(),
        };
        talk(&socket, room, scene.stats.open(topic, deliveries), scene)
    });
    let asked = async {
        if scene.switching && waits_to_be_asked {
            retry_when_asked(&socket, scene).await;
        }
    };
    join(join_all(channels), asked).await;
    scene.stats.lock().reconnects += socket.counters().opened.saturating_sub(1);
    socket.disconnect().await;
}

/// Tries a WebSocket whenever the sockets are asked to, until the phase is [`Phase::Over`].
async fn retry_when_asked(socket: &Socket, scene: &Scene) {
    let mut ticks = smol::Timer::interval(scene.every);
    let mut done = 0;
    loop {
        let (phase, asked) = {
            let state = scene.stats.lock();
            (state.phase, state.retries)
        };
        if phase == Phase::Over {
            return;
        }
        if std::mem::replace(&mut done, asked) != asked {
            socket.retry_web_socket();
        }
        ticks.next().await;
    }
}

/// Joins, pushes and listens until the phase is [`Phase::Over`].
async fn talk(socket: &Socket, room: Channel, page: usize, scene: &Scene) {
    let stats = Arc::clone(&scene.stats);
    let _stays = room.on_join(move |response, _| {
        if let Ok(Joined { life }) = response.decode() {
            stats.change(page, |page| page.life = life);
        }
    });
    let messages = room.on("pushed");
    // If the first attempt fails, the client repeats the join without this future.
    drop(room.join());
    join(push(room, page, scene), listen(socket, messages, page, scene)).await;
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
    // The leave ends the stream, whether or not the server confirms it.
    let _ = room.leave().await;
}

async fn listen(socket: &Socket, mut messages: Messages<Numbered>, page: usize, scene: &Scene) {
    while let Some(item) = messages.next().await {
        let must_have_got = |life| scene.ledger.lock().must_have_got(life);
        let transport = socket.transport();
        scene.stats.change(page, |page| {
            let before = page.deliveries.life();
            page.deliveries.take(&item, must_have_got);
            if let Some(kind) = transport.filter(|_| page.deliveries.life() != before) {
                page.heard_over(kind);
            }
        });
    }
}
