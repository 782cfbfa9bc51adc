//! Faults of connections and servers, and how a client recovers.

use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc;
use phx_client::{
    ChannelState, CloseCause, ConnectCause, ConnectError, PushCause, PushError, SocketError,
    StreamItem, TransportKind,
};
use serde_json::json;

use super::order::{Order, ServerKind};
use super::server::{Server, closes, first_end, joined};
use super::stage::Stage;

pub(super) async fn after_a_cut_the_channel_rejoins_and_streams_have_a_gap<S: Stage>() {
    let server = Server::<S>::demo().await;
    let (builder, mut closes) = closes(server.client());
    let (socket, room) = joined::<S>(builder).await;
    let mut shouts = room.on::<u32>("shout");
    server.order(Order::Cut).await;
    if S::TRANSPORT == TransportKind::WebSocket {
        let closed = closes.next().await.unwrap();
        assert!(matches!(closed.cause, CloseCause::Io { .. }), "{closed:?}");
        assert!(closed.was_open);
        room.push("shout", &1).detach().unwrap();
        assert!(matches!(shouts.next().await, Some(StreamItem::Gap)));
        assert!(matches!(shouts.next().await, Some(StreamItem::Message(1))));
        assert_eq!(socket.counters().opened, 2);
        return;
    }
    assert!(matches!(shouts.next().await, Some(StreamItem::Gap)));
    // A lost poll leaves the session alone. But the cut may also have taken the answer to the join's POST: then the
    // session ends, and so does a push that was sent on it. The rejoin is another gap.
    while room.push::<u32>("echo", &1).await.is_err() {}
    room.push("shout", &1).detach().unwrap();
    let mut next = shouts.next().await;
    while matches!(next, Some(StreamItem::Gap)) {
        next = shouts.next().await;
    }
    assert!(matches!(next, Some(StreamItem::Message(1))));
}

pub(super) async fn a_push_made_without_a_connection_is_sent_after_the_rejoin<S: Stage>() {
    let server = Server::<S>::demo().await;
    let (builder, mut closes) = closes(server.client());
    let (_, room) = joined::<S>(builder).await;
    server.order(Order::GoOffline).await;
    server.order(Order::Cut).await;
    // The cut, and an attempt that failed.
    assert!(closes.next().await.unwrap().was_open);
    assert!(!closes.next().await.unwrap().was_open);
    let pushes: Vec<_> = (0..10).map(|number| room.push::<u32>("echo", &number)).collect();
    server.order(Order::GoOnline).await;
    for (number, push) in (0..10).zip(pushes) {
        assert_eq!(push.await.unwrap(), number);
    }
}

pub(super) async fn a_sent_push_fails_when_the_connection_is_lost<S: Stage>() {
    let server = Server::<S>::demo().await;
    let (_, room) = joined::<S>(server.client()).await;
    // A whisper has no reply; the echo's reply shows that both were sent.
    let long = Duration::from_secs(30);
    let push = room.push_with_timeout(long, "whisper", &1).acknowledged();
    room.push::<u32>("echo", &1).await.unwrap();
    server.lose_clients().await;
    assert!(matches!(push.await, Err(PushError { cause: PushCause::Disconnected, .. })));
}

pub(super) async fn a_server_that_restarts_is_found_again<S: Stage>() {
    let server = Server::<S>::demo().await;
    let (builder, mut closes) = closes(server.client());
    let (_, room) = joined::<S>(builder).await;
    let mut shouts = room.on::<u32>("shout");
    server.order(Order::Stop).await;
    assert!(closes.next().await.unwrap().was_open);
    let mut states = room.status();
    server.order(Order::Restart).await;
    assert!(matches!(shouts.next().await, Some(StreamItem::Gap)));
    while states.next().await.unwrap() != ChannelState::Joined {}
    server.broadcast("shout", 1).await;
    // Over long-poll there was a gap before the session's end, for the poll that failed.
    let mut next = shouts.next().await;
    while S::TRANSPORT == TransportKind::LongPoll && matches!(next, Some(StreamItem::Gap)) {
        next = shouts.next().await;
    }
    assert!(matches!(next, Some(StreamItem::Message(1))), "{next:?}");
}

pub(super) async fn a_crashed_channel_rejoins<S: Stage>() {
    let server = Server::<S>::demo().await;
    let (socket, room) = joined::<S>(server.client()).await;
    let mut states = room.status();
    assert_eq!(states.next().await, Some(ChannelState::Joined));
    let mut shouts = room.on::<u32>("shout");
    room.push("crash", &json!({})).detach().unwrap();
    assert!(matches!(shouts.next().await, Some(StreamItem::Gap)));
    assert_eq!(room.push::<u32>("echo", &1).await.unwrap(), 1);
    assert_eq!(socket.counters().opened, 1);
}

pub(super) async fn a_half_open_connection_is_noticed_by_the_heartbeat<S: Stage>() {
    let server = Server::<S>::demo().await;
    let builder = server
        .client()
        .heartbeat_interval(Some(Duration::from_millis(50)))
        .heartbeat_timeout(Duration::from_secs(1))
        .close_timeout(Duration::from_millis(50));
    let (builder, mut closes) = closes(builder);
    let (_, room) = joined::<S>(builder).await;
    let mut shouts = room.on::<u32>("shout");
    server.order(Order::HalfOpen).await;
    assert_eq!(closes.next().await.unwrap().cause, CloseCause::HeartbeatTimedOut);
    assert!(matches!(shouts.next().await, Some(StreamItem::Gap)));
    assert_eq!(room.push::<u32>("echo", &1).await.unwrap(), 1);
}

pub(super) async fn garbage_does_no_harm<S: Stage>() {
    let server = Server::<S>::demo().await;
    let (sender, mut errors) = mpsc::unbounded();
    let builder = server.client();
    let builder = builder.on_error(move |error| drop(sender.unbounded_send(error.clone())));
    let (socket, room) = joined::<S>(builder).await;
    for garbage in [Order::InjectText("[garbage".to_owned()), Order::InjectBinary(vec![9, 9, 9])] {
        server.order(garbage).await;
        assert!(matches!(errors.next().await, Some(SocketError::Malformed(_))));
    }
    assert_eq!(room.push::<u32>("echo", &1).await.unwrap(), 1);
    assert_eq!((socket.counters().malformed, socket.counters().opened), (2, 1));
}

pub(super) async fn nobody_listens<S: Stage>() {
    let server = Server::<S>::start(ServerKind::Nobody).await;
    let (builder, mut closes) = closes(server.client());
    let connecting = builder.connect_with_timeout(Duration::from_millis(500));
    match connecting.await {
        Err(ConnectError {
            cause: ConnectCause::TimedOut { last: Some(CloseCause::ConnectFailed { .. }), .. },
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
    let closed = closes.next().await.unwrap();
    assert!(closed.retry_in.is_some() && !closed.was_open, "{closed:?}");
}

pub(super) async fn a_refusal_for_good_is_the_error_of_connect<S: Stage>() {
    // Over long-poll all refusals of Phoenix are one, which has no text.
    let (statuses, expected) = match S::TRANSPORT {
        TransportKind::LongPoll => (&[403][..], r#"{"status":403}"#),
        _ => (&[401, 403, 404][..], "banned"),
    };
    for &status in statuses {
        let server = Server::<S>::start(ServerKind::Refusing(status)).await;
        match server.client().connect().await {
            Err(ConnectError {
                cause: ConnectCause::Closed(CloseCause::UpgradeRejected(refusal)),
                ..
            }) => {
                assert_eq!((refusal.status, &*refusal.body), (status, expected.as_bytes()));
            }
            other => panic!("{status}: {other:?}"),
        }
    }
}

pub(super) async fn a_server_that_says_nothing_is_given_up<S: Stage>() {
    let server = Server::<S>::demo().await;
    server.order(Order::FallSilent).await;
    let builder = server.client().connect_timeout(Duration::from_millis(200));
    assert_eq!(first_end(builder).await.cause, CloseCause::ConnectTimedOut);
}
