//! Faults of connections and servers, and how a client recovers.

use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc;
use phx_client::{
    ChannelState, CloseCause, ConnectCause, ConnectError, Frame, Payload, PushCause, PushError,
    SocketError, StreamItem,
};
use serde_json::json;

use super::Adapter;
use super::host::{Host, at_once, client, closes, first_end, joined};
use crate::{Connectivity, UpgradeRejection, demo_server};

pub(super) async fn after_a_cut_the_channel_rejoins_and_streams_have_a_gap<A: Adapter>() {
    let host = Host::start(demo_server().build());
    let (builder, mut closes) = closes(client::<A>(host.url()));
    let (socket, room) = joined(builder).await;
    let mut shouts = room.on::<u32>("shout");
    host.all().cut();
    let closed = closes.next().await.unwrap();
    assert!(matches!(closed.cause, CloseCause::Io { .. }), "{closed:?}");
    assert!(closed.was_open);
    room.push("shout", &1).detach().unwrap();
    assert!(matches!(shouts.next().await, Some(StreamItem::Gap)));
    assert!(matches!(shouts.next().await, Some(StreamItem::Message(1))));
    assert_eq!(socket.counters().opened, 2);
}

pub(super) async fn a_push_made_without_a_connection_is_sent_after_the_rejoin<A: Adapter>() {
    let host = Host::start(demo_server().build());
    let (builder, mut closes) = closes(client::<A>(host.url()));
    let (_, room) = joined(builder).await;
    host.set_connectivity(Connectivity::Offline);
    host.all().cut();
    // The cut, and an attempt that failed.
    assert!(closes.next().await.unwrap().was_open);
    assert!(!closes.next().await.unwrap().was_open);
    let pushes: Vec<_> = (0..10).map(|number| room.push::<u32>("echo", &number)).collect();
    host.set_connectivity(Connectivity::Online);
    for (number, push) in (0..10).zip(pushes) {
        assert_eq!(push.await.unwrap(), number);
    }
}

pub(super) async fn a_sent_push_fails_when_the_connection_is_lost<A: Adapter>() {
    let host = Host::start(demo_server().build());
    let (_, room) = joined(client::<A>(host.url())).await;
    // A whisper has no reply; the echo's reply shows that both were sent.
    let push = room.push("whisper", &1).acknowledged();
    room.push::<u32>("echo", &1).await.unwrap();
    host.all().cut();
    assert!(matches!(push.await, Err(PushError { cause: PushCause::Disconnected, .. })));
}

pub(super) async fn a_server_that_restarts_is_found_again<A: Adapter>() {
    let host = Host::start(demo_server().build());
    let address = host.address();
    let (builder, mut closes) = closes(client::<A>(host.url()));
    let (_, room) = joined(builder).await;
    let mut shouts = room.on::<u32>("shout");
    host.stop().await;
    assert!(closes.next().await.unwrap().was_open);
    let host = Host::start_at(address, demo_server().build());
    assert!(matches!(shouts.next().await, Some(StreamItem::Gap)));
    host.broadcast("room:a", "shout", Payload::json(&1).unwrap());
    assert!(matches!(shouts.next().await, Some(StreamItem::Message(1))));
}

pub(super) async fn a_crashed_channel_rejoins<A: Adapter>() {
    let host = Host::start(demo_server().build());
    let (socket, room) = joined(client::<A>(host.url())).await;
    let mut states = room.status();
    assert_eq!(states.next().await, Some(ChannelState::Joined));
    let mut shouts = room.on::<u32>("shout");
    room.push("crash", &json!({})).detach().unwrap();
    assert!(matches!(shouts.next().await, Some(StreamItem::Gap)));
    assert_eq!(room.push::<u32>("echo", &1).await.unwrap(), 1);
    assert_eq!(socket.counters().opened, 1);
}

pub(super) async fn a_half_open_connection_is_noticed_by_the_heartbeat<A: Adapter>() {
    let host = Host::start(demo_server().build());
    let builder = client::<A>(host.url())
        .heartbeat_interval(Some(Duration::from_millis(50)))
        .heartbeat_timeout(Duration::from_secs(1))
        .close_timeout(Duration::from_millis(50));
    let (builder, mut closes) = closes(builder);
    let (_, room) = joined(builder).await;
    let mut shouts = room.on::<u32>("shout");
    host.all().half_open();
    assert_eq!(closes.next().await.unwrap().cause, CloseCause::HeartbeatTimedOut);
    assert!(matches!(shouts.next().await, Some(StreamItem::Gap)));
    assert_eq!(room.push::<u32>("echo", &1).await.unwrap(), 1);
}

pub(super) async fn garbage_does_no_harm<A: Adapter>() {
    let host = Host::start(demo_server().build());
    let (sender, mut errors) = mpsc::unbounded();
    let builder = client::<A>(host.url());
    let builder = builder.on_error(move |error| drop(sender.unbounded_send(error.clone())));
    let (socket, room) = joined(builder).await;
    for frame in [Frame::text("[garbage"), Frame::binary(vec![9, 9, 9])] {
        host.all().inject(&frame);
        assert!(matches!(errors.next().await, Some(SocketError::Malformed(_))));
    }
    assert_eq!(room.push::<u32>("echo", &1).await.unwrap(), 1);
    assert_eq!((socket.counters().malformed, socket.counters().opened), (2, 1));
}

pub(super) async fn nobody_listens<A: Adapter>() {
    // The port stays taken, so that no other test listens there.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("ws://{}/socket", taken.local_addr().unwrap());
    let (builder, mut closes) = closes(client::<A>(&url).reconnect(at_once()));
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

pub(super) async fn a_refusal_for_good_is_the_error_of_connect<A: Adapter>() {
    for status in [401, 403, 404] {
        let refuse = move |_: &_| Err(UpgradeRejection::new(status).with_body("banned"));
        let host = Host::start(demo_server().connect(refuse).build());
        match client::<A>(host.url()).connect().await {
            Err(ConnectError {
                cause: ConnectCause::Closed(CloseCause::UpgradeRejected(refusal)),
                ..
            }) => {
                assert_eq!((refusal.status, &*refusal.body), (status, &b"banned"[..]));
            }
            other => panic!("{status}: {other:?}"),
        }
    }
}

pub(super) async fn a_server_that_says_nothing_is_given_up<A: Adapter>() {
    let host = Host::start(demo_server().build());
    host.set_connectivity(Connectivity::Silent);
    let builder = client::<A>(host.url()).connect_timeout(Duration::from_millis(200));
    assert_eq!(first_end(builder).await.cause, CloseCause::ConnectTimedOut);
}
