//! A push has one outcome, at whatever time it is awaited, and a refused push returns its payload.

use std::time::Duration;

use phx_client::{CallError, CloseCause, Payload, PayloadError, PushCause, PushError};
use serde_json::{Value, json};

use crate::common::Net;

#[tokio::test(start_paused = true)]
async fn unit_takes_any_response_to_an_ok() {
    let (_socket, room, mut peer) = Net::new().joined().await;
    let push = room.push("sum", &[1, 2]);
    let message = peer.receive().await;
    peer.reply(&message, "ok", &json!({"sum": 3}));
    let () = push.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_response_of_another_shape_is_an_error_that_holds_it() {
    let (_socket, room, mut peer) = Net::new().joined().await;
    let push = room.push("sum", &json!({}));
    let message = peer.receive().await;
    peer.reply(&message, "ok", &json!("three"));
    let failed: Result<u32, PushError> = push.await;
    match failed.unwrap_err() {
        PushError {
            cause: PushCause::Response(PayloadError::Deserialize { payload, .. }), ..
        } => {
            assert_eq!(payload.as_json(), Some("\"three\""));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn any_status_can_be_had_also_long_after_the_reply_came() {
    let (_socket, room, mut peer) = Net::new().joined().await;
    let push = room.push("move", &json!({}));
    let message = peer.receive().await;
    peer.reply(&message, "not_your_turn", &json!({"turn": "bob"}));
    tokio::time::sleep(Duration::from_secs(60)).await;
    let reply = push.reply().await.unwrap();
    assert_eq!(reply.status.as_str(), "not_your_turn");
    assert_eq!(reply.response.decode::<Value>().unwrap(), json!({"turn": "bob"}));
}

#[tokio::test(start_paused = true)]
async fn no_reply_in_time_is_a_timeout_counted_from_the_call() {
    let (_socket, room, mut peer) = Net::new().joined().await;
    let start = tokio::time::Instant::now();
    let default = room.push("slow", &json!({})).acknowledged();
    let own = room.push_with_timeout(Duration::from_secs(2), "slow", &json!({})).acknowledged();
    peer.receive().await;
    peer.receive().await;
    assert!(matches!(own.await, Err(PushError { cause: PushCause::TimedOut, .. })));
    assert_eq!(start.elapsed().as_secs(), 2);
    assert!(matches!(default.await, Err(PushError { cause: PushCause::TimedOut, .. })));
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_push_in_flight_fails_at_once_when_the_connection_is_lost() {
    let (_socket, room, mut peer) = Net::new().joined().await;
    let start = tokio::time::Instant::now();
    let push = room.push("post", &json!({})).acknowledged();
    peer.receive().await;
    peer.close(CloseCause::io("cable"));
    assert!(matches!(push.await, Err(PushError { cause: PushCause::Disconnected, .. })));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_push_that_was_not_sent_waits_for_the_rejoin() {
    let mut net = Net::new();
    let (_socket, room, mut peer) = net.joined().await;
    peer.takes_frames(false);
    let push = room.push("post", &json!({"n": 1})).acknowledged();
    crate::common::settle().await;
    peer.close(CloseCause::io("cable"));
    let mut peer = net.attempt().await.accept();
    peer.accept_join().await;
    let message = peer.receive().await;
    assert_eq!(message.payload.decode::<Value>().unwrap(), json!({"n": 1}));
    peer.reply(&message, "ok", &json!({}));
    push.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_futures_error_and_hands_the_payload_back() {
    let (socket, _peer) = Net::new().connected().await;
    let room = socket.channel("room:a").create().unwrap();
    let refused = room.push("post", &json!({"n": 1})).detach().unwrap_err();
    assert!(matches!(refused.cause, PushCause::InvalidState(CallError::NotJoined)), "{refused:?}");
    assert_eq!((refused.topic(), refused.event()), ("room:a", "post"));
    assert_eq!(refused.into_payload().unwrap().as_json(), Some(r#"{"n":1}"#));
    let awaited = room.push("phx_join", Payload::empty()).acknowledged().await;
    assert!(matches!(awaited, Err(PushError { cause: PushCause::InvalidState(_), .. })));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_cannot_be_written_is_refused_before_anything_is_sent() {
    let (_socket, room, mut peer) = Net::new().joined().await;
    let unwritable = std::collections::HashMap::from([((1, 2), 3)]);
    let refused = room.push("post", &unwritable).detach().unwrap_err();
    assert!(matches!(
        refused,
        PushError { cause: PushCause::Payload(PayloadError::Serialize(_)), .. }
    ));
    crate::common::settle().await;
    assert!(peer.try_receive().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_push_without_reply_is_over_once_the_transport_has_it() {
    let (_socket, room, mut peer) = Net::new().joined().await;
    room.push_without_reply("cast", &json!(1)).await.unwrap();
    let message = peer.receive().await;
    assert_eq!((&*message.event, message.reference), ("cast", None));
    let refused = room.push_without_reply("", &json!(1)).await.unwrap_err();
    assert!(matches!(refused.cause, PushCause::InvalidState(CallError::EmptyEvent)));
}

#[tokio::test(start_paused = true)]
async fn a_push_without_reply_has_a_limit_of_its_own() {
    let (_socket, room, peer) = Net::new().joined().await;
    drop(peer);
    crate::common::settle().await;
    // It waits for a connection: longer than a push without a limit of its own.
    let limit = Duration::from_secs(60);
    let start = tokio::time::Instant::now();
    let failed = room.push_without_reply_with_timeout(limit, "cast", &json!(1)).await.unwrap_err();
    assert!(matches!(failed.cause, PushCause::NotSent), "{failed:?}");
    assert_eq!(start.elapsed(), limit);
}
