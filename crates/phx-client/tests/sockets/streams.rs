//! What streams yield: their event, all events, malformed messages, gaps, and the end.

use phx_client::{LogKind, LogRecord, Message, Payload, StreamItem};
use serde_json::{Value, json};

use crate::common::log::Log;
use crate::common::{Net, Notes, settle, soon};

#[tokio::test(start_paused = true)]
async fn a_stream_sees_its_own_event_and_the_one_of_all_sees_everything() {
    let (_socket, room, peer) = Net::new().joined().await;
    let mut all = room.messages();
    let mut ones = room.on::<u32>("one").values();
    let mut raw = room.on_raw("two");
    peer.broadcast("one", &json!(1));
    peer.send(&Message::new("room:a", "two", Payload::binary(vec![2])));
    assert_eq!(soon(ones.next()).await, Some(1));
    assert_eq!(soon(raw.next()).await.unwrap().message(), Some(Payload::binary(vec![2])));
    let first = soon(all.next()).await.unwrap().message().unwrap();
    assert_eq!((&*first.event, first.payload.as_json()), ("one", Some("1")));
    assert_eq!(&*soon(all.next()).await.unwrap().message().unwrap().event, "two");
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_a_prefix_sees_the_events_that_start_with_it() {
    let (_socket, room, peer) = Net::new().joined().await;
    let mut changes = room.on_prefix("row:");
    for event in ["row", "row:insert", "other", "row:delete"] {
        peer.broadcast(event, &json!(event));
    }
    for wanted in ["row:insert", "row:delete"] {
        let change = soon(changes.next()).await.unwrap().message().unwrap();
        assert_eq!(*change.event, *wanted);
        assert_eq!(change.payload.decode::<&str>().unwrap(), wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_malformed_message_is_an_item_and_not_the_end() {
    let (_socket, room, peer) = Net::new().joined().await;
    let mut numbers = room.on::<u32>("n");
    peer.broadcast("n", &json!("one"));
    peer.broadcast("n", &json!(2));
    assert!(matches!(soon(numbers.next()).await, Some(StreamItem::Malformed(_))));
    assert!(matches!(soon(numbers.next()).await, Some(StreamItem::Message(2))));
}

#[tokio::test(start_paused = true)]
async fn skipped_messages_are_logged_with_event_and_reason_but_not_their_contents() {
    let mut net = Net::new();
    let (notes, log) = (Notes::default(), Log::default());
    let _tracing = tracing::subscriber::set_default(log.clone());
    let noted = notes.clone();
    let logger = move |record: &LogRecord| {
        if record.kind == LogKind::Error {
            noted.note(format!("{} {:?}", record.message, record.data));
        }
    };
    let (socket, mut peer) = net.connected_with(net.builder().logger(logger)).await;
    let room = socket.channel("room:a").create().unwrap();
    let mut numbers = room.on::<u32>("n").values();
    let presence = room.presence::<u32>();
    peer.join(&room).await;
    peer.broadcast("n", &json!("s3cret"));
    peer.send(&Message::new("room:a", "n", Payload::binary(b"s3cret".to_vec())));
    peer.broadcast("n", &json!(1));
    assert_eq!(soon(numbers.next()).await, Some(1));
    assert_eq!(numbers.skipped(), 2);
    peer.broadcast("presence_state", &json!({ "s3cret": { "metas": [{ "phx_ref": "1" }] } }));
    settle().await;
    assert!(presence.is_empty());
    let shown = notes.taken();
    let expected = [
        "room:a n: skipped a message that isn't a `u32`: the payload has another type, at line 1 column 8",
        "room:a n: skipped a message that isn't a `u32`: the payload is binary, not JSON",
        "room:a presence_state: a presence payload was refused: the payload has another type, at line 1 column ",
    ];
    assert_eq!(shown.len(), expected.len(), "{shown:?}");
    for (shown, expected) in shown.iter().zip(expected) {
        assert!(shown.starts_with(expected), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    let traced = log.0.taken();
    let warned = |event: &str| {
        let is_about = |line: &&String| line.ends_with(event) && line.contains("the payload");
        traced.iter().filter(is_about).count()
    };
    assert_eq!((warned(" event=n"), warned(" event=presence_state")), (2, 1), "{traced:?}");
    assert!(!traced.iter().any(|line| line.contains("s3cret")), "{traced:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_made_before_the_join_misses_nothing() {
    let (socket, mut peer) = Net::new().connected().await;
    let room = socket.channel("room:a").create().unwrap();
    let mut numbers = room.on::<u32>("n").values();
    let join = room.join();
    let message = peer.receive().await;
    peer.reply(&message, "ok", &json!({"hello": true}));
    peer.broadcast("n", &json!(1));
    let response: Value = join.await.unwrap().decode().unwrap();
    assert_eq!(response, json!({"hello": true}));
    assert_eq!(soon(numbers.next()).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_after_what_it_holds_when_the_server_closes_the_channel() {
    let mut net = Net::new();
    let (_socket, room, mut peer) = net.unjoined().await;
    let mut numbers = room.on::<u32>("n");
    let join = room.join();
    let joined = peer.accept_join().await;
    join.await.unwrap();
    peer.broadcast("n", &json!(1));
    let close = Message::new("room:a", "phx_close", Payload::empty());
    peer.send(&close.with_join_ref(joined.join_ref.clone()).with_reference(joined.join_ref));
    assert!(matches!(soon(numbers.next()).await, Some(StreamItem::Message(1))));
    assert!(soon(numbers.next()).await.is_none());
    assert!(soon(room.on::<u32>("n").next()).await.is_none(), "a late stream has ended too");
}
