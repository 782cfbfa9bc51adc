//! Floods of messages.

use std::time::Duration;

use phx_client::{Channel, Payload, PushCause, PushError, Socket, SocketBuilder, StreamItem};

use super::order::{ACKNOWLEDGED, Flood, ServerKind};
use super::server::{Server, joined_to_script};
use super::stage::Stage;

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
pub(super) async fn a_flood_whose_heartbeats_are_answered_late_loses_nothing<S: Stage>() {
    const MESSAGES: u32 = 100_000;
    let flood = Flood {
        messages: MESSAGES,
        after: Duration::from_millis(2_500),
        batch: 1_000,
        every: Duration::from_millis(42),
        window: 2_000,
        late: Duration::from_millis(1_200),
    };
    let server = Server::<S>::start(ServerKind::Flooding(flood)).await;
    let (socket, room) = joined_to_script(ten_times_faster(server.client())).await;
    take_all(&room, MESSAGES, async |_| {}).await;
    assert_healthy(&socket);
}

/// A reader that pauses, and a reply that waits behind a backlog for longer than the timeout: frames held back are
/// no silence. The backlog of 6000 messages takes 3.6 s of pauses, longer than the timeout, which outlasts a stall
/// of either side of 2 s.
pub(super) async fn a_reader_that_pauses_loses_nothing<S: Stage>() {
    const MESSAGES: u32 = 12_000;
    let flood = Flood {
        messages: MESSAGES,
        after: Duration::from_millis(500),
        batch: 1_000,
        every: Duration::from_millis(1),
        window: 6_000,
        late: Duration::ZERO,
    };
    let server = Server::<S>::start(ServerKind::Flooding(flood)).await;
    let builder = server
        .client()
        .heartbeat_interval(Some(Duration::from_secs(1)))
        .heartbeat_timeout(Duration::from_millis(2_500));
    let (socket, room) = joined_to_script(builder).await;
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
