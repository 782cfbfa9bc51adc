//! One owner per topic: a second channel is refused, shares the first one, or replaces it.

use phx_client::{CallError, ChannelCloseCause, JoinCause, JoinError};
use serde_json::json;

use crate::common::{Net, settle, soon};

#[tokio::test(start_paused = true)]
async fn a_taken_topic_is_refused() {
    let (socket, _room, _peer) = Net::new().joined().await;
    match socket.channel("room:a").join().await.unwrap_err() {
        JoinError { topic, cause: JoinCause::InvalidState(reason), .. } => {
            assert_eq!(&*topic, "room:a");
            assert!(matches!(reason, CallError::TopicTaken { .. }));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_taken_topic_can_be_shared() {
    let (socket, room, peer) = Net::new().joined().await;
    let same = socket.get_channel("room:a").unwrap();
    let mut here = room.on::<u32>("n").values();
    let mut there = same.on::<u32>("n").values();
    peer.broadcast("n", &json!(1));
    assert_eq!(soon(here.next()).await, Some(1));
    assert_eq!(soon(there.next()).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_taken_topic_can_be_taken_over() {
    let (socket, room, mut peer) = Net::new().joined().await;
    let mut old = room.on::<u32>("n");
    let (new, ()) = tokio::join!(socket.channel("room:a").replace().join(), async {
        let leave = peer.receive().await;
        assert_eq!(&*leave.event, "phx_leave");
        peer.accept_join().await;
        peer.reply(&leave, "ok", &json!({}));
    });
    let new = new.unwrap();
    assert!(soon(old.next()).await.is_none());
    settle().await;
    assert_eq!(room.close_cause(), Some(ChannelCloseCause::Replaced));
    let mut numbers = new.on::<u32>("n").values();
    peer.broadcast("n", &json!(1));
    assert_eq!(soon(numbers.next()).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_channel_gives_its_topic_back_to_nobody() {
    let (socket, _peer) = Net::new().connected().await;
    let empty = socket.channel("").create().unwrap_err();
    assert!(matches!(empty.cause, JoinCause::InvalidState(CallError::EmptyTopic)));
    let unwritable = std::collections::HashMap::from([((1, 2), 3)]);
    let params = socket.channel("room:a").params(&unwritable).create().unwrap_err();
    assert!(matches!(params, JoinError { cause: JoinCause::Params(_), .. }));
    assert!(socket.get_channel("room:a").is_none());
}
