//! Floods, from scripted servers.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use phx_client::{Channel, Payload, PushCause, PushError, Socket, SocketBuilder, StreamItem};

use super::host::{client, joined};
use super::raw::{Raw, Sent, serve};
use super::subject::Subject;

/// Divides all times of the default settings by ten.
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

/// Schedule of a flooding server.
#[derive(Clone, Copy)]
struct Flood {
    messages: u32,
    /// Start of the flood, counted from the join.
    after: Duration,
    /// Largest number of messages sent at once, one batch per `every`.
    batch: u32,
    every: Duration,
    /// Largest number of messages that the client hasn't acknowledged: the times are a tenth of the real ones, but
    /// the operating system's buffers aren't.
    window: u32,
    /// Delay of the replies to heartbeats.
    late: Duration,
}

/// Number of messages after which the client acknowledges them.
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
            while heartbeats.front().is_some_and(|(at, _)| at.elapsed() >= self.late)
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

/// Returns the messages until then; `None` if the client has gone.
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
/// A server that sends nothing for the timeout of 1 s counts as dead, so this case runs alone.
pub(super) async fn a_flood_whose_heartbeats_are_answered_late_loses_nothing<S: Subject>() {
    const MESSAGES: u32 = 100_000;
    let flood = Flood {
        messages: MESSAGES,
        after: Duration::from_millis(2_500),
        batch: 1_000,
        every: Duration::from_millis(42),
        window: 2_000,
        late: Duration::from_millis(1_200),
    };
    let url = serve(move |raw| flood.run(raw));
    let (socket, room) = joined(ten_times_faster(client::<S>(&url))).await;
    take_all(&room, MESSAGES, async |_| {}).await;
    assert_healthy(&socket);
}

/// A reader that pauses, and a reply that waits behind a backlog for longer than the timeout: frames held back are
/// no silence. The backlog of 6000 messages takes 3.6 s of pauses, longer than the timeout, which outlasts a stall
/// of either side of 2 s.
pub(super) async fn a_reader_that_pauses_loses_nothing<S: Subject>() {
    const MESSAGES: u32 = 12_000;
    let flood = Flood {
        messages: MESSAGES,
        after: Duration::from_millis(500),
        batch: 1_000,
        every: Duration::from_millis(1),
        window: 6_000,
        late: Duration::ZERO,
    };
    let url = serve(move |raw| flood.run(raw));
    let builder = client::<S>(&url)
        .heartbeat_interval(Some(Duration::from_secs(1)))
        .heartbeat_timeout(Duration::from_millis(2_500));
    let (socket, room) = joined(builder).await;
    take_all(&room, MESSAGES, async |number| {
        if number % 500 == 499 {
            // Each runtime has its own sleep function; this push waits 300 ms on all of them without taking
            // messages.
            let unanswered =
                room.push_with_timeout::<()>(Duration::from_millis(300), "pause", &()).await;
            assert!(
                matches!(unanswered, Err(PushError { cause: PushCause::TimedOut, .. })),
                "{unanswered:?}"
            );
        }
    })
    .await;
    assert_healthy(&socket);
}
