//! Every failure of a channel is reported with its reason and the time of the next attempt: to hooks, in the status and
//! the log, and by the pushes that couldn't be sent.

use std::time::Duration;

use phx_client::{
    Backoff, ChannelErrorCause, ChannelState, CloseCause, JoinCause, JoinError, LogKind, PushCause,
    PushError,
};
use serde_json::json;

use crate::common::{Net, Notes, settle, soon};

fn exact() -> Backoff {
    Backoff::steps([1, 2, 5].map(Duration::from_secs))
}

#[tokio::test(start_paused = true)]
async fn a_rejected_rejoin_is_reported_everywhere() {
    let mut net = Net::new();
    let notes = Notes::default();
    let log = notes.clone();
    let builder = net.builder().rejoin(exact()).logger(move |record| {
        if record.kind == LogKind::Channel {
            log.note(format!("log: {}", record.message));
        }
    });
    let (_socket, room, mut peer) = net.joined_with(builder).await;
    let errors = notes.clone();
    drop(room.on_error(move |failure| errors.note(format!("hook: {failure}"))));
    let mut status = room.status();
    assert_eq!(soon(status.next()).await, Some(ChannelState::Joined));
    assert_eq!((status.failure(), room.failure()), (None, None));
    peer.broadcast("phx_error", &json!({"reason": "channel_crash"}));
    assert_eq!(soon(status.next()).await, Some(ChannelState::Errored));
    let failure = status.failure().unwrap().clone();
    assert_eq!(failure.retry_in, Some(Duration::from_secs(1)));
    assert_eq!(room.failure(), Some(failure));
    for _ in 0..2 {
        let join = peer.receive().await;
        peer.reply(&join, "error", &json!({"reason": "full"}));
        while soon(status.next()).await != Some(ChannelState::Errored) {}
        let cause = &status.failure().unwrap().cause;
        let ChannelErrorCause::Rejected(rejection) = cause else {
            panic!("{cause:?}");
        };
        assert_eq!(rejection.reason().as_deref(), Some("full"));
    }
    let lines = [
        "the channel crashed on the server: channel_crash; next attempt in 1.0s",
        "the server rejected the join with the status `error`: full; next attempt in 2.0s",
        "the server rejected the join with the status `error`: full; next attempt in 5.0s",
    ];
    let mut expected = vec!["log: room:a joined".to_owned()];
    for line in lines {
        expected.extend([format!("log: room:a not joined: {line}"), format!("hook: {line}")]);
    }
    assert_eq!(notes.taken(), expected);
    peer.accept_join().await;
    settle().await;
    assert_eq!(room.failure(), None);
}

/// A reader that sleeps through the attempt in between sees that there was another failure.
#[tokio::test(start_paused = true)]
async fn a_status_shows_every_failure_to_who_is_quick_enough() {
    let mut net = Net::new();
    let builder = net.builder().rejoin(exact());
    let (_socket, room, mut peer) = net.joined_with(builder).await;
    peer.broadcast("phx_error", &json!({}));
    settle().await;
    let mut status = room.status();
    assert_eq!(soon(status.next()).await, Some(ChannelState::Errored));
    let join = peer.receive().await;
    peer.reply(&join, "error", &json!({}));
    settle().await;
    assert_eq!(soon(status.next()).await, Some(ChannelState::Errored));
    assert_eq!(status.failure().unwrap().retry_in, Some(Duration::from_secs(2)));
}

#[tokio::test(start_paused = true)]
async fn a_join_that_ends_with_its_connection_is_reported() {
    let mut net = Net::new();
    let (_socket, room, mut peer) = net.unjoined().await;
    let notes = Notes::default();
    let errors = notes.clone();
    drop(room.on_error(move |failure| {
        errors.note(format!("{} {failure}", failure.is_disconnect()));
    }));
    drop(room.join());
    peer.receive().await;
    peer.close(CloseCause::io("cable"));
    settle().await;
    let line = "true join failed: the connection ended; next attempt when the socket is connected";
    assert_eq!(notes.taken(), [line]);
}

#[tokio::test(start_paused = true)]
async fn a_push_that_could_not_be_sent_says_so() {
    let (_socket, room, peer) = Net::new().joined().await;
    peer.broadcast("phx_error", &json!({}));
    settle().await;
    let push = room.push_with_timeout(Duration::from_millis(10), "late", &json!({})).acknowledged();
    assert!(matches!(soon(push).await, Err(PushError { cause: PushCause::NotSent, .. })));
}

#[tokio::test(start_paused = true)]
async fn a_push_in_flight_when_its_channel_crashes_fails_at_once() {
    let (socket, room, mut peer) = Net::new().joined().await;
    let push = room.push("post", &json!({})).acknowledged();
    let message = peer.receive().await;
    let before = tokio::time::Instant::now();
    peer.broadcast("phx_error", &json!({}));
    assert!(matches!(soon(push).await, Err(PushError { cause: PushCause::ChannelCrashed, .. })));
    assert_eq!(before.elapsed(), Duration::ZERO);
    peer.reply(&message, "ok", &json!({}));
    settle().await;
    assert_eq!(socket.counters().unmatched_replies, 1, "the reply was late");
}

#[tokio::test(start_paused = true)]
async fn a_join_that_only_crashes_fails_at_its_own_deadline_with_what_the_server_said() {
    let mut net = Net::new();
    let builder = net.builder().rejoin(exact());
    let (socket, mut peer) = net.connected_with(builder).await;
    let room = socket.channel("room:a").create().unwrap();
    let before = tokio::time::Instant::now();
    let join = room.join_with_timeout(Duration::from_secs(4));
    let crashes = async {
        for _ in 0..2 {
            let join = peer.receive().await;
            peer.reply(&join, "error", &json!({"reason": "join crashed"}));
        }
        peer.receive().await
    };
    let (joined, third) = tokio::join!(join, crashes);
    assert!(matches!(joined, Err(JoinError { cause: JoinCause::Crashed, .. })), "{joined:?}");
    let said = room.failure();
    assert_eq!(
        said.unwrap().cause.to_string(),
        "the server rejected the join with the status `error`: join crashed"
    );
    assert_eq!(third.event, "phx_join");
    assert_eq!(before.elapsed(), Duration::from_secs(4));
    peer.reply(&third, "ok", &json!({}));
    settle().await;
    assert_eq!(room.state(), ChannelState::Joined);
}

#[tokio::test(start_paused = true)]
async fn a_join_that_crashed_first_resolves_when_it_is_accepted() {
    let (_socket, room, mut peer) = Net::new().unjoined().await;
    let join = room.join();
    let first = peer.receive().await;
    peer.reply(&first, "error", &json!({"reason": "join crashed"}));
    peer.accept_join().await;
    assert!(soon(join).await.is_ok());
}
