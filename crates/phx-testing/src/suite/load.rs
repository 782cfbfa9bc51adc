//! Much at once: floods, bursts of pushes, and many joins. The servers are scripts.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use futures::StreamExt;
use phx_client::{
    Backoff, Channel, ChannelState, CloseCause, Payload, PushFailed, RejoinPolicy, Socket,
    SocketBuilder, StreamItem,
};

use super::Adapter;
use super::host::{client, closes, joined};
use super::raw::{Raw, Sent, serve};

/// The default settings, with all times divided by ten.
fn ten_times_faster(builder: SocketBuilder) -> SocketBuilder {
    builder
        .heartbeat_interval(Some(INTERVAL))
        .heartbeat_timeout(TIMEOUT)
        .heartbeat_limit(LIMIT)
        .stall_after(Duration::from_millis(500))
        .close_timeout(Duration::from_millis(500))
}

const INTERVAL: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(3);

/// How a server floods.
#[derive(Clone, Copy)]
struct Flood {
    messages: u32,
    /// When it begins, counted from the join.
    after: Duration,
    /// At the most so many at a time, and these so far apart.
    batch: u32,
    every: Duration,
    /// Messages that the client hasn't acknowledged, at the most: the times are a tenth of the real ones, but
    /// what the operating system's buffers hold isn't.
    window: u32,
    /// How late heartbeats are answered; `None` if never.
    late: Option<Duration>,
}

/// The client acknowledges every so many messages.
const ACKNOWLEDGED: u32 = 500;

impl Flood {
    /// Answers joins at once and heartbeats late, and sends numbered messages of 1 kB.
    fn run(self, mut raw: Raw) {
        let Some(join) = raw.receive() else { return };
        raw.send([join.reply("ok", "{}")]);
        let mut next = Instant::now() + self.after;
        let (report, heard) = channel();
        let mut sender = raw.sender();
        thread::spawn(move || {
            while let Some(sent) = raw.receive() {
                if report.send((Instant::now(), sent)).is_err() {
                    break;
                }
            }
        });
        let mut heartbeats = VecDeque::new();
        let (mut sent, mut acknowledged) = (0, 0);
        while let Some(came) = until(next, &heard) {
            for (at, what) in came {
                match &*what.event {
                    "heartbeat" => heartbeats.push_back((at, what)),
                    "got" => acknowledged += ACKNOWLEDGED,
                    _ => {}
                }
            }
            while let Some(late) = self.late
                && heartbeats.front().is_some_and(|(at, _)| at.elapsed() >= late)
                && let Some((_, heartbeat)) = heartbeats.pop_front()
            {
                sender.send([heartbeat.reply("ok", "{}")]);
            }
            let most = self.messages.min(acknowledged.saturating_add(self.window));
            let batch = sent..(sent + self.batch).min(most);
            sent = batch.end.max(sent);
            let message = |number| format!(r#"[null,null,"room:a","n","{number:0>968}"]"#);
            if !sender.send(batch.map(message)) {
                return;
            }
            next += self.every;
        }
    }
}

/// What comes until then; `None` if the client has gone.
fn until(then: Instant, heard: &Receiver<(Instant, Sent)>) -> Option<Vec<(Instant, Sent)>> {
    let mut came = Vec::new();
    loop {
        match heard.recv_timeout(then.saturating_duration_since(Instant::now())) {
            Ok(sent) => came.push(sent),
            Err(RecvTimeoutError::Timeout) => return Some(came),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// Takes all messages of a flood, acknowledges them, and does something after each.
async fn take_all(room: &Channel, messages: u32, mut after: impl AsyncFnMut(u32)) {
    let mut stream = room.on_raw("n");
    for expected in 0..messages {
        match stream.next().await {
            Some(StreamItem::Message(payload)) => assert_eq!(number(&payload), expected),
            other => panic!("{other:?} instead of {expected}"),
        }
        if expected % ACKNOWLEDGED == ACKNOWLEDGED - 1 {
            room.push("got", &()).detach().unwrap();
        }
        after(expected).await;
    }
}

fn number(payload: &Payload) -> u32 {
    payload.as_json().unwrap().trim_matches('"').parse().unwrap()
}

fn assert_healthy(socket: &Socket) {
    let counters = socket.counters();
    assert_eq!((counters.opened, counters.heartbeats_missed), (1, 0));
    assert!(socket.is_connected());
}

/// As Phoenix 1.7 to 1.9 on Bandit and Cowboy under a backlog, a tenth of the times: a flood begins in second
/// 25, and the heartbeat of second 30 is answered 12 s later.
///
/// A server that sends nothing for the timeout of 1 s is rightly given up, so this case runs alone.
pub(super) async fn a_flood_whose_heartbeats_are_answered_late_loses_nothing<A: Adapter>() {
    const MESSAGES: u32 = 100_000;
    let flood = Flood {
        messages: MESSAGES,
        after: Duration::from_millis(2_500),
        batch: 1_000,
        every: Duration::from_millis(42),
        window: 2_000,
        late: Some(Duration::from_millis(1_200)),
    };
    let url = serve(move |raw| flood.run(raw));
    let (socket, room) = joined(ten_times_faster(client::<A>(&url))).await;
    take_all(&room, MESSAGES, async |_| {}).await;
    assert_healthy(&socket);
}

/// A reader that pauses, and a reply that waits behind a backlog for longer than the timeout: what is held
/// back is no silence. The backlog of 6000 messages takes 3.6 s of pauses, longer than the timeout, which
/// outlasts a stall of either side of 2 s.
pub(super) async fn a_reader_that_pauses_loses_nothing<A: Adapter>() {
    const MESSAGES: u32 = 12_000;
    let flood = Flood {
        messages: MESSAGES,
        after: Duration::from_millis(500),
        batch: 1_000,
        every: Duration::from_millis(1),
        window: 6_000,
        late: Some(Duration::ZERO),
    };
    let url = serve(move |raw| flood.run(raw));
    let builder = client::<A>(&url)
        .heartbeat_interval(Some(Duration::from_secs(1)))
        .heartbeat_timeout(Duration::from_millis(2_500));
    let (socket, room) = joined(builder).await;
    take_all(&room, MESSAGES, async |number| {
        if number % 500 == 499 {
            // Runtimes wait in ways of their own; this takes nothing for 300 ms on all of them.
            let unanswered =
                room.push_with_timeout::<()>(Duration::from_millis(300), "pause", &()).await;
            assert!(matches!(unanswered, Err(PushFailed::TimedOut)), "{unanswered:?}");
        }
    })
    .await;
    assert_healthy(&socket);
}

/// With these a stall of either side of 2 s is no silence, and timeout and limit are told apart.
const NOTICING_INTERVAL: Duration = Duration::from_millis(500);
const NOTICING_TIMEOUT: Duration = Duration::from_secs(3);
const NOTICING_LIMIT: Duration = Duration::from_secs(8);

/// How long a client takes to notice that this server answers no heartbeat, from before it connects.
async fn noticed<A: Adapter>(messages: u32) -> Duration {
    let flood = Flood {
        messages,
        after: Duration::ZERO,
        batch: 1,
        every: Duration::from_millis(20),
        window: u32::MAX,
        late: None,
    };
    let url = serve(move |raw| flood.run(raw));
    let builder = client::<A>(&url)
        .heartbeat_interval(Some(NOTICING_INTERVAL))
        .heartbeat_timeout(NOTICING_TIMEOUT)
        .heartbeat_limit(NOTICING_LIMIT);
    let (builder, mut closes) = closes(builder);
    let start = Instant::now();
    let (_, room) = joined(builder).await;
    let _values = room.on_raw("n").values();
    assert_eq!(closes.next().await.unwrap().cause, CloseCause::HeartbeatTimedOut);
    start.elapsed()
}

pub(super) async fn a_link_on_which_nothing_comes_is_noticed_by_the_timeout<A: Adapter>() {
    let took = noticed::<A>(0).await;
    assert!(took >= NOTICING_INTERVAL + NOTICING_TIMEOUT, "{took:?}");
    assert!(took < NOTICING_INTERVAL + NOTICING_LIMIT, "the limit isn't waited for: {took:?}");
}

pub(super) async fn one_that_is_heard_and_never_answers_is_noticed_by_the_limit<A: Adapter>() {
    let took = noticed::<A>(u32::MAX).await;
    // The test's own time limit is the upper bound.
    assert!(took >= NOTICING_INTERVAL + NOTICING_LIMIT, "frames prove that it is alive: {took:?}");
}

/// phoenix.js 1.8 sends them all.
pub(super) async fn five_thousand_pushes_in_a_row_are_all_sent<A: Adapter>() {
    const PUSHES: usize = 5_000;
    let url = serve(|mut raw| {
        let Some(join) = raw.receive() else { return };
        raw.send([join.reply("ok", "{}")]);
        for _ in 0..PUSHES {
            assert_eq!(raw.receive().unwrap().event, "post");
        }
        raw.send([r#"[null,null,"room:a","all",{}]"#]);
        // Until the client has gone.
        while raw.receive().is_some() {}
    });
    let (_, room) = joined(client::<A>(&url)).await;
    let mut all = room.on_raw("all").values();
    let payload = "x".repeat(98);
    for _ in 0..PUSHES {
        room.push("post", &payload).detach().unwrap();
    }
    all.next().await.unwrap();
}

/// What a server does with a join beyond the twentieth within a second.
#[derive(Clone, Copy)]
enum TooMany {
    Reject,
    Close,
}

/// Answers joins, but not too many a second, those that it rejects among them.
fn limited(mut raw: Raw, joins: &Mutex<VecDeque<Instant>>, too_many: TooMany) {
    while let Some(sent) = raw.receive() {
        let now = Instant::now();
        let mut joins = joins.lock().unwrap();
        joins.push_back(now);
        joins.retain(|at| now.saturating_duration_since(*at) < Duration::from_secs(1));
        if joins.len() <= 20 {
            raw.send([sent.reply("ok", "{}")]);
            continue;
        }
        match too_many {
            TooMany::Reject => {
                raw.send([sent.reply("error", r#"{"reason":"too many joins"}"#)]);
            }
            TooMany::Close => {
                joins.clear();
                drop(joins);
                return raw.close(1008);
            }
        }
    }
}

/// Returns the socket once all are joined. How long that takes at the most is the test's own time limit.
async fn fifty_channels<A: Adapter>(too_many: TooMany) -> Socket {
    let joins = Mutex::new(VecDeque::new());
    let url = serve(move |raw| limited(raw, &joins, too_many));
    let socket = client::<A>(&url)
        .reconnect(Backoff::default())
        .rejoin(Backoff::default())
        .rejoin_policy(RejoinPolicy::always());
    let socket = socket.connect().await.unwrap();
    let rooms: Vec<_> = (0..50)
        .map(|number| {
            let room = socket.channel(format!("room:{number}")).create().unwrap();
            // What the first attempt comes to isn't the end of it.
            drop(room.join());
            room
        })
        .collect();
    loop {
        for room in &rooms {
            let mut states = room.status();
            while states.next().await != Some(ChannelState::Joined) {}
        }
        // One connection may have ended meanwhile, and all of its channels with it.
        if rooms.iter().all(|room| room.state() == ChannelState::Joined) {
            return socket;
        }
    }
}

pub(super) async fn fifty_channels_join_where_twenty_a_second_are_accepted<A: Adapter>() {
    let counters = fifty_channels::<A>(TooMany::Reject).await.counters();
    assert_eq!(counters.opened, 1);
    assert!(counters.joins_sent > 50, "some were rejected: {}", counters.joins_sent);
}

pub(super) async fn fifty_channels_join_where_more_than_twenty_a_second_cost_the_connection<
    A: Adapter,
>() {
    let counters = fifty_channels::<A>(TooMany::Close).await.counters();
    assert!(counters.opened > 1, "some cost their connection");
}
