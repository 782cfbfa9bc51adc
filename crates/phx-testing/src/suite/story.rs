//! The whole story of a client: connect, join, push, listen, leave, disconnect.

use std::time::Duration;

use futures::StreamExt;
use phx_client::{
    Bytes, ChannelState, CloseCause, CloseCode, JoinCause, JoinError, Payload, PresenceChanges,
    PushCause, PushError, Status, TransportKind, V1,
};
use serde_json::{Value, json};

use super::order::End;
use super::server::{Server, closes, joined};
use super::stage::Stage;

pub(super) async fn a_push_has_its_reply<S: Stage>() {
    let server = Server::<S>::demo().await;
    let (_, room) = joined::<S>(server.client()).await;
    let echoed: Value = room.push("echo", &json!({ "n": [1, 2.5, "\u{e9}"] })).await.unwrap();
    assert_eq!(echoed, json!({ "n": [1, 2.5, "\u{e9}"] }));
    // The order of the calls is the order on the wire, regardless of when they are awaited.
    let pushes: Vec<_> = (0..100).map(|n| room.push::<u32>("echo", &n)).collect();
    for (n, push) in (0..100).zip(pushes) {
        assert_eq!(push.await.unwrap(), n);
    }
}

pub(super) async fn an_error_reply_has_its_response<S: Stage>() {
    let server = Server::<S>::demo().await;
    let (_, room) = joined::<S>(server.client()).await;
    match room.push("fail", &json!({ "why": "muted" })).acknowledged().await {
        Err(PushError {
            cause: PushCause::Rejected { status: Status::Error, response, .. },
            ..
        }) => {
            assert_eq!(response.decode::<Value>().unwrap(), json!({ "why": "muted" }));
        }
        other => panic!("not rejected: {other:?}"),
    }
}

pub(super) async fn a_push_without_a_reply_times_out<S: Stage>() {
    let server = Server::<S>::demo().await;
    let (_, room) = joined::<S>(server.client()).await;
    // Long enough to be written on a busy machine: a push that wasn't has another outcome.
    let timeout = Duration::from_millis(500);
    let push = room.push_with_timeout(timeout, "whisper", &1).acknowledged();
    assert!(matches!(push.await, Err(PushError { cause: PushCause::TimedOut, .. })));
    assert_eq!(room.state(), ChannelState::Joined);
}

pub(super) async fn a_broadcast_reaches_everybody<S: Stage>() {
    let server = Server::<S>::demo().await;
    let ann = server.client().connect().await.unwrap();
    let bob = server.client().connect().await.unwrap();
    let ann = ann.channel("room:a").join().await.unwrap();
    let bob = bob.channel("room:a").join().await.unwrap();
    let (mut to_ann, mut to_bob) =
        (ann.on::<u32>("shout").values(), bob.on::<u32>("shout").values());
    let mut whispers = bob.on::<u32>("whisper").values();
    ann.push("whisper", &1).detach().unwrap();
    ann.push("shout", &2).detach().unwrap();
    assert_eq!(whispers.next().await, Some(1));
    assert_eq!((to_ann.next().await, to_bob.next().await), (Some(2), Some(2)));
    server.broadcast("shout", 3).await;
    assert_eq!((to_ann.next().await, to_bob.next().await), (Some(3), Some(3)));
}

pub(super) async fn binary_payloads_go_both_ways<S: Stage>() {
    let server = Server::<S>::demo().await;
    let (_, room) = joined::<S>(server.client()).await;
    let mut shouts = room.on_raw("shout").values();
    // Phoenix's long-poll loses binary messages that aren't UTF-8.
    let last = if S::TRANSPORT == TransportKind::LongPoll { 0x7f } else { 0xff };
    // Larger than every buffer on the way.
    let large: Vec<u8> = (0..=last).cycle().take(1 << 20).collect();
    for data in [Vec::new(), vec![0, last, 10], large] {
        let data = Bytes::from(data);
        let payload = Payload::binary(data.clone());
        let reply = room.push("echo", payload.clone()).reply().await.unwrap();
        assert!(reply.response.is_binary());
        assert!(*reply.response.as_bytes() == data);
        room.push("shout", payload).detach().unwrap();
        assert!(*shouts.next().await.unwrap().as_bytes() == data);
    }
}

pub(super) async fn presences_come_and_go<S: Stage>() {
    let server = Server::<S>::demo().await;
    let ann = server.client().connect().await.unwrap();
    let room = ann.channel("room:a").params(&json!({ "name": "ann" })).create().unwrap();
    let presence = room.presence::<Value>();
    let mut changes = presence.changes();
    room.join().await.unwrap();
    until_listed(&mut changes, || presence.entry("ann").is_some()).await;

    let bob = server.client().connect().await.unwrap();
    let bobs = bob.channel("room:a").params(&json!({ "name": "bob" })).join().await.unwrap();
    until_listed(&mut changes, || presence.entry("bob").is_some()).await;
    assert_eq!(presence.list_by(|key, _| key.to_owned()), ["ann", "bob"]);
    assert!(presence.entry("bob").unwrap().metas().next().is_some());

    bobs.leave().await.unwrap();
    until_listed(&mut changes, || presence.entry("bob").is_none()).await;
    assert_eq!(presence.list_by(|key, _| key.to_owned()), ["ann"]);
}

/// Takes changes until the list is as it should be.
async fn until_listed<M, E>(changes: &mut PresenceChanges<M, E>, listed: impl Fn() -> bool) {
    while !listed() {
        match changes.next().await {
            Some(_) => {}
            None => panic!("the changes ended"),
        }
    }
}

pub(super) async fn a_rejected_join_has_its_response<S: Stage>() {
    let server = Server::<S>::demo().await;
    let socket = server.client().connect().await.unwrap();
    match socket.channel("room:a").params(&json!({ "reject": true })).join().await {
        Err(JoinError {
            cause: JoinCause::Rejected { status: Status::Error, response, .. },
            ..
        }) => {
            assert_eq!(response.decode::<Value>().unwrap(), json!({ "reason": "unauthorized" }));
        }
        other => panic!("not rejected: {other:?}"),
    }
    // The topic is free again.
    socket.channel("room:a").join().await.unwrap();
    match socket.channel("hall").join().await {
        Err(JoinError { cause: JoinCause::Rejected { response, .. }, .. }) => {
            assert_eq!(response.decode::<Value>().unwrap()["reason"], "unmatched topic");
        }
        other => panic!("not rejected: {other:?}"),
    }
}

pub(super) async fn a_left_channel_ends_its_streams<S: Stage>() {
    let server = Server::<S>::demo().await;
    let socket = server.client().connect().await.unwrap();
    let channel = socket.channel("end:a").join().await.unwrap();
    let mut messages = channel.messages();
    channel.leave().await.unwrap();
    assert_eq!(server.next_end().await, End::Left);
    assert!(messages.next().await.is_none());
    assert_eq!(channel.state(), ChannelState::Closed);
    assert!(channel.push("any", &1).detach().is_err());
    // Dropping a handle leaves as well.
    drop(socket.channel("end:b").join().await.unwrap());
    assert_eq!(server.next_end().await, End::Left);
    assert!(socket.is_connected());
}

pub(super) async fn a_disconnect_has_its_code_and_reason<S: Stage>() {
    let server = Server::<S>::demo().await;
    let (builder, mut closes) = closes(server.client());
    let socket = builder.connect().await.unwrap();
    let channel = socket.channel("end:a").join().await.unwrap();
    let code = CloseCode::from_u16(4321);
    socket.disconnect_with(code, "good night").unwrap().await;
    let closed = closes.next().await.unwrap();
    assert_eq!((closed.cause, closed.retry_in), (CloseCause::Disconnected, None));
    // Of a session that was left, the server hears after 15 to 30 s.
    if S::TRANSPORT != TransportKind::LongPoll {
        assert_eq!(server.next_end().await, End::Closed);
    }
    assert!(!socket.is_connected());
    assert!(socket.disconnect_with(CloseCode::GOING_AWAY, "").is_err());
    // The channel is still known.
    let mut status = channel.status();
    socket.connect().await.unwrap();
    while status.next().await.unwrap() != ChannelState::Joined {}
}

pub(super) async fn a_close_by_the_server_has_its_code_and_reason<S: Stage>() {
    let server = Server::<S>::demo().await;
    let (builder, mut closes) = closes(server.client());
    let (socket, _room) = joined::<S>(builder).await;
    server.close_because(CloseCode::from_u16(4001), "too loud").await;
    let closed = closes.next().await.unwrap();
    assert_eq!(closed.cause, CloseCause::frame(CloseCode::from_u16(4001), "too loud"));
    assert!(closed.was_open && closed.retry_in.is_some(), "{closed:?}");
    socket.wait_connected().await.unwrap();
}

pub(super) async fn the_first_serializer_works_too<S: Stage>() {
    let server = Server::<S>::demo().await;
    let (_, room) = joined::<S>(server.client().serializer(V1)).await;
    let mut shouts = room.on::<u32>("shout").values();
    assert_eq!(room.push::<u32>("echo", &7).await.unwrap(), 7);
    room.push("shout", &8).detach().unwrap();
    assert_eq!(shouts.next().await, Some(8));
    room.leave().await.unwrap();
}

pub(super) async fn params_and_token_reach_the_server<S: Stage>() {
    let server = Server::<S>::demo().await;
    // A header of long-poll holds ASCII alone.
    let sign = if S::TRANSPORT == TransportKind::LongPoll { "~" } else { "\u{e9}" };
    let token = &format!("t/o+k=en {sign}");
    let builder = server
        .client()
        .param("name", "ann & b\u{e9}a")
        .params(&json!({ "device": { "kind": "phone" } }))
        .auth_token(token);
    let socket = builder.connect().await.unwrap();
    let connects = server.take_connects().await;
    let [connect] = &*connects else { panic!("{connects:?}") };
    assert_eq!(connect.params["name"], json!("ann & b\u{e9}a"));
    assert_eq!(connect.params["device"], json!({ "kind": "phone" }));
    assert_eq!(connect.auth_token.as_ref(), Some(token));
    socket.channel("room:a").join().await.unwrap();
}

pub(super) async fn headers_reach_the_server<S: Stage>() {
    let server = Server::<S>::demo().await;
    let builder = server.client().header("x-trace", "4711").auth_token("token");
    let _socket = builder.connect().await.unwrap();
    let connects = server.take_connects().await;
    let [connect] = &*connects else { panic!("{connects:?}") };
    // The token of long-poll is such a header.
    let headers: Vec<_> =
        connect.x_headers.iter().filter(|(name, _)| name != "x-phoenix-authtoken").collect();
    assert_eq!(headers, [&("x-trace".to_owned(), "4711".to_owned())]);
}
