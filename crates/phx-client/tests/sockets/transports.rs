//! Transports of other kinds: what is asked of the connector, gaps, limits, and preparing to send.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use phx_client::{
    Attempt, BoxFuture, CloseCause, ConnectCause, Connector, JoinCause, PushCause, SocketError,
    StreamItem, TopicFilter, Transport, TransportKind,
};
use serde_json::{Value, json};

use crate::common::{Net, Notes, settle, soon};

/// Opens nothing.
#[derive(Debug)]
pub(crate) struct WebSocketsOnly;

impl Connector for WebSocketsOnly {
    fn connect(&self, _: Attempt) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_cannot_is_an_error_of_the_builder() {
    let net = Net::new();
    let builder = || net.builder().connector(WebSocketsOnly);
    let error = builder().transport(TransportKind::LongPoll).spawn().unwrap_err();
    let ConnectCause::Config(error) = error.cause else { panic!("{error}") };
    assert_eq!(error.setting, "transport");
    assert!(builder().transport(TransportKind::WebSocket).spawn().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_gap_reaches_every_stream_in_its_place() {
    let mut net = Net::new();
    let notes = Notes::default();
    let (socket, room, mut peer) = net.joined().await;
    let other = socket.channel("room:b").create().unwrap();
    peer.join(&other).await;
    let noted = notes.clone();
    let _on_error = socket.on_error(move |error| {
        assert!(matches!(error, SocketError::MessagesLost), "{error}");
        noted.note(error.to_string());
    });
    let mut numbers = room.on::<u32>("n");
    let mut all = room.messages();
    let (mut others, mut topics) =
        (other.messages(), socket.topic_messages(TopicFilter::prefix("doc:")));
    peer.broadcast("n", &json!(1));
    peer.gap();
    peer.broadcast("n", &json!(2));
    assert!(matches!(soon(numbers.next()).await, Some(StreamItem::Message(1))));
    assert!(matches!(soon(numbers.next()).await, Some(StreamItem::Gap)));
    assert!(matches!(soon(numbers.next()).await, Some(StreamItem::Message(2))));
    assert!(matches!(soon(all.next()).await, Some(StreamItem::Message(_))));
    assert!(matches!(soon(all.next()).await, Some(StreamItem::Gap)));
    assert!(matches!(soon(others.next()).await, Some(StreamItem::Gap)));
    assert!(matches!(soon(topics.next()).await, Some(StreamItem::Gap)));
    assert_eq!(notes.taken(), ["the transport lost messages of the server"]);
    assert!(socket.is_connected());
}

#[tokio::test(start_paused = true)]
async fn what_the_transport_cannot_send_fails_before_it_is_sent() {
    let mut net = Net::new();
    let builder = net.builder().transport(TransportKind::LongPoll);
    let (socket, room, mut peer) = net.joined_with(builder).await;
    let large = json!("x".repeat(7_900_000));
    let pushed = soon(room.push::<Value>("n", &large)).await.unwrap_err();
    let PushCause::TooLarge { len, max: 7_900_000, .. } = pushed.cause else { panic!("{pushed}") };
    assert!(len > 7_900_000, "{len}");
    let wide = socket.channel("room:b").params(&large).create().unwrap();
    let joined = soon(wide.join()).await.unwrap_err();
    let JoinCause::TooLarge { max: 7_900_000, .. } = joined.cause else { panic!("{joined}") };
    assert!(joined.to_string().ends_with("bytes, and the transport takes 7900000"), "{joined}");
    let (small, ()) = tokio::join!(room.push::<Value>("n", &json!(1)), async {
        let push = peer.receive().await;
        peer.reply(&push, "ok", &json!(2));
    });
    assert_eq!(small.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_transport_is_prepared_only_when_a_frame_waits_for_it() {
    let mut net = Net::new();
    let (socket, room, mut peer) = net.joined().await;
    let prepared = || peer.gate.prepared.load(Ordering::SeqCst);
    assert_eq!(prepared(), 0, "it took the join at once");
    peer.takes_frames(false);
    settle().await;
    assert_eq!(prepared(), 0, "nothing waits");
    room.push("a", &json!({})).detach().unwrap();
    settle().await;
    assert_eq!(prepared(), 1);
    peer.broadcast("n", &json!(1));
    settle().await;
    assert_eq!(prepared(), 2, "the transport may have to do it once more");
    peer.takes_frames(true);
    settle().await;
    assert_eq!(prepared(), 2);
    assert_eq!(peer.receive().await.event, "a");
    assert!(socket.is_connected());
}

#[tokio::test(start_paused = true)]
async fn a_slow_stream_never_costs_the_session() {
    let mut net = Net::new();
    let builder = net
        .builder()
        .transport(TransportKind::LongPoll)
        .stream_capacity(4)
        .stall_after(Duration::from_secs(3600));
    let (_socket, room, peer) = net.joined_with(builder).await;
    let _forgotten = room.on::<u32>("n");
    let mut read = room.on::<u32>("n");
    (0..8).for_each(|number| peer.broadcast("n", &json!(number)));
    let start = tokio::time::Instant::now();
    for number in 0..8 {
        let next = soon(read.next()).await;
        assert!(matches!(next, Some(StreamItem::Message(next)) if next == number));
    }
    assert_eq!(
        start.elapsed(),
        Duration::from_secs(10),
        "a session dies after 15 s without a poll"
    );
}

#[tokio::test(start_paused = true)]
async fn long_poll_sends_no_heartbeats() {
    let mut net = Net::new();
    let builder = net.builder().transport(TransportKind::LongPoll);
    let (socket, room, mut peer) = net.joined_with(builder).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(socket.is_connected());
    room.push("a", &json!({})).detach().unwrap();
    assert_eq!(peer.receive_or_close().await.unwrap().event, "a", "the first frame in an hour");
}
