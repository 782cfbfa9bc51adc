//! Streams of topics without a channel: the receivers of a message, and reconnects.

use std::time::Duration;

use futures::FutureExt as _;
use phx_client::{
    CloseCause, Frame, Message, Messages, Payload, StreamItem, TopicFilter, TopicMessage,
};
use serde_json::json;

use crate::common::{Net, Peer, settle, soon};

fn send(peer: &Peer, topic: &str, number: u32) {
    let payload = Payload::json(&number).unwrap();
    peer.send(&Message::new(topic.to_owned(), "subscription:data", payload));
}

/// Returns the next item as text.
async fn next(stream: &mut Messages<TopicMessage>) -> String {
    match soon(stream.next()).await {
        Some(StreamItem::Message(message)) => {
            format!(
                "{} {} {:?}",
                message.topic,
                message.event,
                message.payload.decode::<u32>().unwrap()
            )
        }
        Some(StreamItem::Lagged(count)) => format!("lagged {count}"),
        Some(StreamItem::Gap) => "gap".to_owned(),
        other => format!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_prefix_misses_nothing_that_comes_right_behind_the_reply() {
    let (socket, control, mut peer) = Net::new().joined().await;
    let mut data = socket.topic_messages(TopicFilter::prefix("__absinthe__:"));
    let subscribe = control.push("doc", &json!({ "query": "subscription" }));
    let push = peer.receive().await;
    peer.reply(&push, "ok", &json!({ "subscriptionId": "__absinthe__:doc:1" }));
    for number in 0..3 {
        send(&peer, "__absinthe__:doc:1", number);
    }
    send(&peer, "another", 9);
    subscribe.acknowledged().await.unwrap();
    for number in 0..3 {
        assert_eq!(next(&mut data).await, format!("__absinthe__:doc:1 subscription:data {number}"));
    }
    settle().await;
    assert!(data.next().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_topic_go_to_its_channel_alone_while_it_has_one() {
    let (socket, room, mut peer) = Net::new().joined().await;
    let mut topic = socket.topic_messages(TopicFilter::topic("room:a"));
    let mut messages = room.messages();
    send(&peer, "room:a", 1);
    assert!(matches!(soon(messages.next()).await, Some(StreamItem::Message(_))));
    peer.leave(&room).await;
    send(&peer, "room:a", 2);
    assert_eq!(next(&mut topic).await, "room:a subscription:data 2");
    assert!(soon(messages.next()).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_marks_a_gap_in_streams_that_saw_the_connection_before() {
    let mut net = Net::new();
    let socket = net.builder().spawn().unwrap();
    let mut early = socket.topic_messages(TopicFilter::topic("t"));
    let connecting = socket.connect();
    let mut peer = net.attempt().await.accept();
    connecting.await.unwrap();
    send(&peer, "t", 1);
    assert_eq!(next(&mut early).await, "t subscription:data 1", "no gap at the first connection");
    peer.close(CloseCause::io("cable"));
    settle().await;
    let mut late = socket.topic_messages(TopicFilter::prefix("t"));
    let peer = net.attempt().await.accept();
    settle().await;
    send(&peer, "t", 2);
    assert_eq!(next(&mut early).await, "gap");
    assert_eq!(next(&mut early).await, "t subscription:data 2");
    assert_eq!(next(&mut late).await, "t subscription:data 2");
}

#[tokio::test(start_paused = true)]
async fn a_malformed_frame_marks_a_gap_in_the_streams_of_its_topic() {
    let (socket, room, peer) = Net::new().joined().await;
    let mut room = room.messages();
    let mut own = socket.topic_messages(TopicFilter::topic("t"));
    let mut other = socket.topic_messages(TopicFilter::topic("u"));
    peer.send_frame(Frame::text(r#"[null,null,"t","event"]"#));
    peer.send_frame(Frame::text(r#"[null,null,"room:a","event",{"a":}]"#));
    send(&peer, "u", 1);
    assert_eq!(next(&mut other).await, "u subscription:data 1");
    assert_eq!(next(&mut own).await, "gap");
    assert!(matches!(soon(room.next()).await, Some(StreamItem::Gap)));
}

#[tokio::test(start_paused = true)]
async fn a_full_stream_of_topics_holds_back_reading_and_loses_nothing() {
    let mut net = Net::new();
    let builder = net.builder().stream_capacity(8);
    let (socket, peer) = net.connected_with(builder).await;
    let mut stream = socket.topic_messages(TopicFilter::prefix(""));
    for number in 0..500 {
        send(&peer, "t", number);
    }
    for number in 0..500 {
        assert_eq!(next(&mut stream).await, format!("t subscription:data {number}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_stream_of_topics_loses_its_oldest() {
    let mut net = Net::new();
    let builder = net.builder().stream_capacity(4);
    let (socket, peer) = net.connected_with(builder).await;
    let mut stream = socket.topic_messages(TopicFilter::prefix(""));
    for number in 0..100 {
        send(&peer, "t", number);
    }
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(next(&mut stream).await, "lagged 96");
    assert_eq!(next(&mut stream).await, "t subscription:data 96");
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_topics_keeps_the_socket_and_its_drop_is_its_end() {
    let mut net = Net::new();
    let (socket, mut peer) = net.connected().await;
    let mut stream = socket.topic_messages(TopicFilter::topic("t"));
    drop(socket);
    send(&peer, "t", 1);
    assert_eq!(next(&mut stream).await, "t subscription:data 1");
    drop(stream);
    peer.receive_close().await;
}
