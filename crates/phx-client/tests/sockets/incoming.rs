//! The stream of messages and replies in the order of the wire.

use phx_client::{Incoming, Messages, Payload, Status, StreamItem};
use serde_json::json;

use crate::common::{Net, soon};

/// Returns the next item as text.
async fn next(stream: &mut Messages<Incoming>) -> String {
    match soon(stream.next()).await {
        Some(StreamItem::Message(Incoming::Message(message))) => {
            format!("{} {}", message.event, text(&message.payload))
        }
        Some(StreamItem::Message(Incoming::Reply { push, status, response, .. })) => {
            format!("reply {} {status} {}", push.as_u64(), text(&response.unwrap()))
        }
        Some(StreamItem::Message(Incoming::Joined { response, rejoined, .. })) => {
            format!("joined {rejoined} {}", text(&response.unwrap()))
        }
        Some(StreamItem::Gap) => "gap".to_owned(),
        other => format!("{other:?}"),
    }
}

fn text(payload: &Payload) -> String {
    String::from_utf8(payload.as_bytes().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn messages_and_replies_come_in_the_order_of_the_wire() {
    let (_socket, room, mut peer) = Net::new().unjoined().await;
    let mut incoming = room.incoming();
    let mut only_messages = room.messages();
    peer.join(&room).await;
    let first = room.push("click", &json!(1));
    let second = room.push("click", &json!(2));
    let (id_1, id_2) = (first.id().unwrap().as_u64(), second.id().unwrap().as_u64());
    let messages = [peer.receive().await, peer.receive().await];
    peer.broadcast("diff", &json!(1));
    peer.reply(&messages[1], "ok", &json!({ "diff": 2 }));
    peer.broadcast("diff", &json!(3));
    peer.reply(&messages[0], "error", &json!({ "diff": 4 }));
    peer.broadcast("diff", &json!(5));
    second.reply().await.unwrap();
    assert_eq!(first.reply().await.unwrap().status, Status::Error);
    assert_eq!(next(&mut incoming).await, "joined false {}");
    assert_eq!(next(&mut incoming).await, "diff 1");
    assert_eq!(next(&mut incoming).await, format!(r#"reply {id_2} ok {{"diff":2}}"#));
    assert_eq!(next(&mut incoming).await, "diff 3");
    assert_eq!(next(&mut incoming).await, format!(r#"reply {id_1} error {{"diff":4}}"#));
    assert_eq!(next(&mut incoming).await, "diff 5");
    for number in [1, 3, 5] {
        match soon(only_messages.next()).await {
            Some(StreamItem::Message(message)) => {
                assert_eq!(text(&message.payload), number.to_string());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn replies_hold_back_reading_as_messages_do() {
    let mut net = Net::new();
    let builder = net.builder().stream_capacity(4);
    let (_socket, room, mut peer) = net.joined_with(builder).await;
    let mut incoming = room.incoming();
    let pushes: Vec<_> = (0..100).map(|number| room.push::<()>("click", &json!(number))).collect();
    for _ in 0..100 {
        let push = peer.receive().await;
        peer.reply(&push, "ok", &json!({}));
    }
    for push in &pushes {
        let id = push.id().unwrap().as_u64();
        assert_eq!(next(&mut incoming).await, format!("reply {id} ok {{}}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_whose_future_was_dropped_comes_all_the_same() {
    let (_socket, room, mut peer) = Net::new().joined().await;
    let mut incoming = room.incoming();
    room.push("click", &json!({})).detach().unwrap();
    let push = peer.receive().await;
    peer.reply(&push, "ok", &json!({ "diff": 1 }));
    assert!(next(&mut incoming).await.ends_with(r#"ok {"diff":1}"#));
}
