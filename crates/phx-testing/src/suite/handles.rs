//! Handles beside the story: pings, hooks, streams, drops, and many sockets.

use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc;
use futures::future::join_all;
use phx_client::{Backoff, CloseCause, ConnectionState, StreamItem, TransportKind};

use super::order::{End, Order, ServerKind};
use super::server::{Server, closes, joined};
use super::stage::Stage;

pub(super) async fn a_ping_measures_the_way<S: Stage>() {
    let server = Server::<S>::demo().await;
    let latency = Duration::from_millis(20);
    server.order(Order::Delay(latency)).await;
    let socket = server.client().connect().await.unwrap();
    assert!(socket.ping().await.unwrap() >= 2 * latency);
}

pub(super) async fn hooks_report_opening_and_closing<S: Stage>() {
    let server = Server::<S>::demo().await;
    let (sender, mut reports) = mpsc::unbounded();
    let note = move |what: &'static str| {
        let sender = sender.clone();
        move || drop(sender.unbounded_send(what))
    };
    let (opened, closed, errored) = (note("open"), note("close"), note("error"));
    let (joined, off) = (note("join"), note("off"));
    let builder = server.client().on_open(opened).on_close(move |_| closed());
    let socket = builder.on_error(move |_| errored()).connect().await.unwrap();
    let room = socket.channel("room:a").create().unwrap();
    let _hook = room.on_join(move |_, _| joined());
    socket.on_open(off).off();
    room.join().await.unwrap();
    server.lose_clients().await;
    // The poll that fails is an error before that of the end.
    let failed_poll = (S::TRANSPORT == TransportKind::LongPoll).then_some("error");
    let before = ["open", "join"].into_iter().chain(failed_poll);
    for expected in before.chain(["error", "close", "open", "join"]) {
        assert_eq!(reports.next().await, Some(expected));
    }
}

pub(super) async fn the_drop_of_the_last_handle_closes_the_connection<S: Stage>() {
    let server = Server::<S>::demo().await;
    let (builder, mut closes) = closes(server.client());
    let socket = builder.connect().await.unwrap();
    let channel = socket.channel("end:a").join().await.unwrap();
    drop(socket);
    // A channel keeps its socket.
    assert!(matches!(channel.state(), phx_client::ChannelState::Joined));
    drop(channel);
    assert!(matches!(server.next_end().await, End::Left | End::Closed));
    assert_eq!(closes.next().await.unwrap().cause, CloseCause::Disconnected);
    // The driver has ended and dropped its hooks.
    assert!(closes.next().await.is_none());
}

pub(super) async fn a_slow_stream_holds_back_and_loses_nothing<S: Stage>() {
    const MESSAGES: u32 = 2_000;
    let server = Server::<S>::demo().await;
    let (_, room) = joined::<S>(server.client().stream_capacity(8)).await;
    let mut numbers = room.on::<u32>("n");
    server.broadcast_numbers("n", 0, MESSAGES).await;
    for expected in 0..MESSAGES {
        match numbers.next().await {
            Some(StreamItem::Message(number)) => assert_eq!(number, expected),
            other => panic!("{other:?} instead of {expected}"),
        }
    }
}

pub(super) async fn a_forgotten_stream_frees_the_others_and_the_connection_lives<S: Stage>() {
    const MESSAGES: u32 = 200;
    // Longer than it takes to send all messages, so that the stream that is read doesn't stall either.
    const STALL_AFTER: Duration = Duration::from_secs(2);
    let server = Server::<S>::demo().await;
    let builder = server.client().stream_capacity(8);
    let builder = builder.stall_after(STALL_AFTER);
    let builder = builder.heartbeat_interval(Some(Duration::from_millis(50)));
    let (socket, room) = joined::<S>(builder).await;
    let mut forgotten = room.on::<u32>("n");
    let mut read = room.on::<u32>("n");
    let start = S::now();
    server.broadcast_numbers("n", 0, MESSAGES).await;
    for expected in 0..MESSAGES {
        match read.next().await {
            Some(StreamItem::Message(number)) => assert_eq!(number, expected),
            other => panic!("{other:?} instead of {expected}"),
        }
    }
    assert!(S::now().saturating_duration_since(start) >= STALL_AFTER / 2, "it was waited for");
    // The abandoned stream reports its losses, and holds the rest: no more than its capacity.
    match forgotten.next().await {
        Some(StreamItem::Lagged(lost)) => assert_eq!(lost, u64::from(MESSAGES) - 8),
        other => panic!("{other:?}"),
    }
    for expected in MESSAGES - 8..MESSAGES {
        let message = forgotten.next().await.and_then(StreamItem::message);
        assert_eq!(message, Some(expected));
    }
    socket.ping().await.unwrap();
    let counters = socket.counters();
    assert_eq!((counters.opened, counters.heartbeats_missed, counters.events_lost), (1, 0, 0));
}

pub(super) async fn many_sockets_share_a_runtime<S: Stage>() {
    const SOCKETS: u32 = 50;
    let server = Server::<S>::demo().await;
    let clients = (0..SOCKETS).map(async |number| {
        let (_, room) = joined::<S>(server.client()).await;
        assert_eq!(room.push::<u32>("echo", &number).await.unwrap(), number);
        room
    });
    let rooms = join_all(clients).await;
    let mut streams: Vec<_> = rooms.iter().map(|room| room.on::<u32>("shout").values()).collect();
    server.broadcast("shout", 1).await;
    for stream in &mut streams {
        assert_eq!(stream.next().await, Some(1));
    }
}

/// Times beyond the range of the clocks are no special case for any adapter.
pub(super) async fn the_longest_times_never_end<S: Stage>() {
    let server = Server::<S>::demo().await;
    for time in [Duration::MAX, Duration::MAX / 2] {
        let builder = server
            .client()
            .push_timeout(time)
            .join_timeout(time)
            .leave_timeout(time)
            .connect_timeout(time)
            .close_timeout(time)
            .heartbeat_interval(Some(time))
            .heartbeat_timeout(time)
            .credentials_timeout(time)
            .stable_after(time)
            .stall_after(time)
            .reconnect(Backoff::steps([time]).with_jitter_percent(100));
        let socket = builder.connect_with_timeout(time).await.unwrap();
        let room = socket.channel("room:a").join().await.unwrap();
        assert_eq!(room.push::<u32>("echo", &1).await.unwrap(), 1);
        assert_eq!(room.push_with_timeout::<u32>(time, "echo", &2).await.unwrap(), 2);
        socket.ping().await.unwrap();
        room.leave().await.unwrap();
        socket.disconnect().await;
        assert_eq!(socket.state(), ConnectionState::Closed);
    }
}

/// Often enough for threads to meet in every order.
const TIMES: u32 = 40;

pub(super) async fn hooks_of_a_disconnect_have_run_when_its_future_is_done<S: Stage>() {
    let server = Server::<S>::demo().await;
    for _ in 0..TIMES {
        let (builder, mut closes) = closes(server.client());
        builder.connect().await.unwrap().disconnect().await;
        assert!(closes.try_recv().is_ok());
    }
}

pub(super) async fn hooks_of_a_refused_connect_have_run_when_its_future_is_done<S: Stage>() {
    let server = Server::<S>::start(ServerKind::Refusing(403)).await;
    for _ in 0..TIMES {
        let (builder, mut closes) = closes(server.client());
        builder.connect().await.unwrap_err();
        assert!(closes.try_recv().is_ok());
    }
}
