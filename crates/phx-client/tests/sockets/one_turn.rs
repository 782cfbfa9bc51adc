//! A turn of the driver wakes all futures and streams that it concerns, in every case.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use phx_client::proto::{EncodeError, V2};
use phx_client::{Message, Payload, Serializer, StreamItem, StreamOptions};
use serde_json::{Value, json};

use crate::common::{Net, settle, soon};
use crate::custom::Custom;

#[tokio::test(start_paused = true)]
async fn an_unsendable_push_is_reported_at_once() {
    let mut net = Net::new();
    let has_tried = Arc::new(AtomicBool::new(false));
    let tried = Arc::clone(&has_tried);
    // Passes the check, and fails to encode.
    let moody = Custom {
        encode: move |message: &Message| {
            if message.event == "bad" {
                tried.store(true, Ordering::SeqCst);
                return Err(EncodeError::Custom("no".into()));
            }
            V2.encode(message)
        },
        decode: |frame| V2.decode(frame),
    };
    let builder = net.builder().serializer(moody);
    let (_socket, room, _peer) = net.joined_with(builder).await;
    settle().await;
    let push = room.push("bad", &json!({})).reply();
    let began = tokio::time::Instant::now();
    settle().await;
    assert!(has_tried.load(Ordering::SeqCst), "it was to be encoded");
    let outcome = soon(push).await;
    assert!(outcome.is_err());
    assert_eq!(began.elapsed(), Duration::ZERO, "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_hooks_have_seen_comes_before_the_end() {
    let mut net = Net::new();
    let (socket, room, mut peer) = net.joined().await;
    let slow = room.on_with::<Value>("n", StreamOptions::new().capacity(4));
    let mut other = room.on_raw("last");
    for n in 0..4 {
        peer.send(&Message::new("room:a", "n", Payload::json(&n).unwrap()));
    }
    settle().await;
    tokio::time::advance(Duration::from_secs(6)).await;
    settle().await;
    let slow = Arc::new(Mutex::new(slow));
    let in_hook = Arc::clone(&slow);
    drop(socket.on_message(move |message: &Message| {
        if message.event == "last" {
            let _ = in_hook.lock().unwrap().next().now_or_never();
        }
    }));
    peer.send(&Message::new("room:a", "last", Payload::json(&1).unwrap()));
    peer.close(phx_client::CloseCause::io("cable"));
    settle().await;
    for _ in 0..3 {
        let _ = slow.lock().unwrap().next().now_or_never();
    }
    settle().await;
    let item = other.next().now_or_never();
    assert!(matches!(item, Some(Some(StreamItem::Message(_)))), "{item:?}");
}

#[tokio::test(start_paused = true)]
async fn a_status_shows_a_failure_once() {
    let mut net = Net::new();
    let (socket, room, mut peer) = net.unjoined().await;
    let join = room.join();
    let mut status = room.status();
    let message = peer.receive().await;
    // The join crashes, and is tried again.
    let error = Message::new("room:a", "phx_error", Payload::empty());
    peer.send(&error.with_join_ref(message.join_ref.clone()));
    settle().await;
    let _again = peer.receive().await;
    settle().await;
    while status.next().now_or_never().is_some() {}
    let first = status.failure().map(ToString::to_string);
    socket.reconnect_now();
    let mut seen = vec![format!("{:?} {:?}", room.state(), first)];
    for _ in 0..2 {
        while let Some(state) = status.next().now_or_never() {
            seen.push(format!("{state:?} {:?}", status.failure().map(ToString::to_string)));
        }
        settle().await;
    }
    drop(join);
    assert_eq!(seen.len(), 2, "{seen:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_second_disconnect_waits_for_the_hooks_too() {
    let mut net = Net::new();
    let (socket, _peer) = net.connected().await;
    soon(socket.disconnect()).await;
    settle().await;
    let hooks = Arc::new(AtomicBool::new(false));
    let ran = Arc::clone(&hooks);
    drop(socket.on_close(move |_| ran.store(true, Ordering::SeqCst)));
    let _connecting = socket.connect();
    let _first = socket.disconnect();
    let mut second = socket.disconnect();
    let early = (&mut second).now_or_never().is_some();
    let before = hooks.load(Ordering::SeqCst);
    settle().await;
    assert!(!early || before);
    assert!(hooks.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn hooks_without_end_leave_room_for_facts() {
    let mut net = Net::new();
    let (socket, room, mut peer) = net.joined().await;
    let other = socket.channel("room:b").create().unwrap();
    peer.close(phx_client::CloseCause::io("cable"));
    let attempt = net.attempt().await;
    let again = other.clone();
    drop(other.on_close(move |_| {
        drop(again.join());
        drop(again.leave());
    }));
    drop(other.join());
    drop(other.leave());
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let _peer = attempt.accept();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(socket.state(), phx_client::ConnectionState::Open);
    drop(room);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_slow_from_when_it_was_filled_not_from_before_a_slow_hook() {
    let mut net = Net::new();
    let (_socket, room, peer) = net.joined().await;
    let mut stream = room.on_raw_with("n", StreamOptions::new().capacity(1));
    drop(room.on_message(|_, payload| {
        // Longer than a stream may stay unread.
        let _ = tokio::time::advance(Duration::from_secs(6)).now_or_never();
        payload
    }));
    peer.broadcast("n", &json!(1));
    peer.broadcast("n", &json!(2));
    settle().await;
    for n in ["1", "2"] {
        let item = stream.next().now_or_never();
        settle().await;
        let Some(Some(StreamItem::Message(payload))) = item else { panic!("{n}: {item:?}") };
        assert_eq!(payload.as_json(), Some(n));
    }
}
