//! A channel that was left or closed by the server can be joined again: its hooks stay, its streams have ended, its
//! params are made again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use phx_client::{
    CallError, ChannelCloseCause, ChannelState, ClosePolicy, JoinCause, JoinError, Message,
    Payload, Rejoin, StreamItem,
};
use serde_json::json;

use crate::common::{Net, Notes, Peer, settle, soon};

fn close(peer: &Peer, join: &Message) {
    let close = Message::new("room:a", "phx_close", Payload::empty());
    peer.send(&close.with_join_ref(join.join_ref.clone()));
}

#[tokio::test(start_paused = true)]
async fn hooks_stay_streams_have_ended_and_params_are_made_anew() {
    let mut net = Net::new();
    let (socket, mut peer) = net.connected().await;
    let made = Arc::new(AtomicU32::new(0));
    let room = socket
        .channel("room:a")
        .params_with(move || {
            let number = made.fetch_add(1, Ordering::SeqCst);
            async move { Ok(Payload::json(&number)?) }
        })
        .create()
        .unwrap();
    let notes = Notes::default();
    let (joins, events, closes) = (notes.clone(), notes.clone(), notes.clone());
    drop(room.on_join(move |_, rejoined| joins.note(format!("joined {rejoined}"))));
    drop(room.on_event("n", move |payload| events.note(payload.as_json().unwrap())));
    drop(room.on_close(move |cause| closes.note(format!("{cause:?}"))));
    let presence = room.presence::<serde_json::Value>();
    for life in 0..3_u32 {
        let join = room.join();
        let mut stream = room.on::<u32>("n");
        let request = peer.accept_join().await;
        join.await.unwrap();
        assert_eq!(request.payload.decode::<u32>().unwrap(), life);
        assert_eq!(room.close_cause(), None);
        peer.broadcast("n", &json!(life));
        peer.broadcast("presence_state", &json!({"ann": {"metas": [{"phx_ref": "1"}]}}));
        let item = soon(stream.next()).await;
        assert!(matches!(item, Some(StreamItem::Message(n)) if n == life), "no gap: {item:?}");
        settle().await;
        assert_eq!(presence.len(), 1);
        if life == 1 {
            close(&peer, &request);
        } else {
            peer.leave(&room).await;
        }
        assert!(soon(stream.next()).await.is_none());
        assert!(room.on::<u32>("n").next().await.is_none(), "made between two lives");
        settle().await;
        let cause = if life == 1 { "ByServer(Ok(Payload::Json(2 bytes)))" } else { "Left" };
        assert_eq!(notes.taken(), ["joined false", &life.to_string(), cause]);
    }
}

#[tokio::test(start_paused = true)]
async fn one_status_stream_ends_with_the_life_and_a_new_one_shows_the_next() {
    let (_socket, room, mut peer) = Net::new().joined().await;
    let mut status = room.status();
    peer.leave(&room).await;
    assert_eq!(soon(status.next()).await, Some(ChannelState::Closed));
    assert_eq!(soon(status.next()).await, None);
    peer.join(&room).await;
    assert_eq!(soon(status.next()).await, None);
    assert_eq!(soon(room.status().next()).await, Some(ChannelState::Joined));
}

/// The driver reports the end of the previous life, and the user may join again before that.
#[tokio::test(start_paused = true)]
async fn a_join_right_behind_the_end_loses_nothing_of_the_new_life() {
    let (_socket, room, mut peer) = Net::new().unjoined().await;
    let mut before = room.on::<u32>("n");
    let notes = Notes::default();
    let closes = notes.clone();
    drop(room.on_close(move |cause| closes.note(format!("{cause:?}"))));
    // The server doesn't know the channel, so it is closed at once.
    drop(room.leave());
    let join = room.join();
    let mut after = room.on::<u32>("n");
    let mut status = room.status();
    peer.accept_join().await;
    join.await.unwrap();
    peer.broadcast("n", &json!(7));
    assert_eq!(soon(after.next()).await.and_then(StreamItem::message), Some(7));
    assert!(soon(before.next()).await.is_none());
    assert_eq!(soon(status.next()).await, Some(ChannelState::Joined));
    assert_eq!(room.close_cause(), None);
    assert_eq!(notes.taken(), ["Left"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_replaced_or_removed_or_lost_its_topic_cannot_be_joined_again() {
    let (socket, room, mut peer) = Net::new().joined().await;
    let other = socket.channel("room:a").replace().create().unwrap();
    let refused = room.join().await;
    assert!(
        matches!(
            refused,
            Err(JoinError { cause: JoinCause::InvalidState(CallError::Leaving), .. })
        ),
        "{refused:?}"
    );
    let leave_request = peer.receive().await;
    peer.reply(&leave_request, "ok", &json!({}));
    settle().await;
    assert_eq!(room.close_cause(), Some(ChannelCloseCause::Replaced));
    let refused = room.join().await;
    assert!(
        matches!(
            refused,
            Err(JoinError { cause: JoinCause::InvalidState(CallError::Replaced), .. })
        ),
        "{refused:?}"
    );
    peer.join(&other).await;
    peer.leave(&other).await;
    let third = socket.channel("room:a").create().unwrap();
    let refused = other.join().await;
    let Err(JoinError { cause: JoinCause::InvalidState(taken), .. }) = refused else {
        panic!("{refused:?}")
    };
    assert!(matches!(taken, CallError::TopicTaken { .. }));
    socket.remove(&third);
    let refused = third.join().await;
    assert!(
        matches!(
            refused,
            Err(JoinError { cause: JoinCause::InvalidState(CallError::UnknownChannel), .. })
        ),
        "{refused:?}"
    );
    peer.join(&other).await;
    assert_eq!(other.state(), ChannelState::Joined);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_joins_again_gives_the_streams_a_gap_and_no_end() {
    let mut net = Net::new();
    let builder = net.builder().close_policy(ClosePolicy::function(|payload| {
        if payload.is_binary() { Rejoin::Stop } else { Rejoin::Backoff }
    }));
    let (socket, mut peer) = net.connected_with(builder).await;
    let room = socket.channel("room:a").create().unwrap();
    let mut stream = room.on::<u32>("n");
    let notes = Notes::default();
    let (errors, closes) = (notes.clone(), notes.clone());
    drop(room.on_error(move |failure| errors.note(failure.cause.to_string())));
    drop(room.on_close(move |cause| closes.note(format!("{cause:?}"))));
    let join = room.join();
    let request = peer.accept_join().await;
    join.await.unwrap();
    close(&peer, &request);
    peer.accept_join().await;
    peer.broadcast("n", &json!(1));
    assert!(matches!(soon(stream.next()).await, Some(StreamItem::Gap)));
    assert!(matches!(soon(stream.next()).await, Some(StreamItem::Message(1))));
    assert_eq!(notes.taken(), ["the server closed the channel"]);
}
