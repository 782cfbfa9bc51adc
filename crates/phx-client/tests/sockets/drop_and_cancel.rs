//! Drops: a dropped future only gives up its outcome; dropped handles leave and close.

use futures::FutureExt;
use phx_client::proto::events;
use phx_client::{ChannelState, PushCause, PushError};
use serde_json::json;

use crate::common::{Net, settle, soon};

#[tokio::test(start_paused = true)]
async fn a_dropped_push_is_sent_all_the_same() {
    let (_socket, room, mut peer) = Net::new().joined().await;
    drop(room.push::<()>("post", &json!({})));
    assert_eq!(&*peer.receive().await.event, "post");
}

#[tokio::test(start_paused = true)]
async fn a_push_survives_being_polled_and_put_aside() {
    let (_socket, room, mut peer) = Net::new().joined().await;
    let mut push = room.push("post", &json!({})).acknowledged();
    assert!((&mut push).now_or_never().is_none());
    let message = peer.receive().await;
    peer.reply(&message, "ok", &json!({}));
    push.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn cancel_takes_back_what_was_not_sent() {
    let (_socket, room, mut peer) = Net::new().joined().await;
    peer.takes_frames(false);
    let taken_back = room.push::<()>("first", &json!({}));
    room.push("second", &json!({})).detach().unwrap();
    assert!(taken_back.cancel());
    peer.takes_frames(true);
    assert_eq!(&*peer.receive().await.event, "second");
}

#[tokio::test(start_paused = true)]
async fn cancel_says_when_it_is_too_late() {
    let (_socket, room, mut peer) = Net::new().joined().await;
    let push = room.push::<()>("post", &json!({}));
    let message = peer.receive().await;
    peer.reply(&message, "ok", &json!({}));
    settle().await;
    assert!(!push.cancel());
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_of_a_channel_leaves() {
    let (socket, room, mut peer) = Net::new().joined().await;
    let another = socket.get_channel("room:a").unwrap();
    let messages = room.on_raw("new_msg");
    drop(room);
    drop(another);
    settle().await;
    assert!(peer.try_receive().is_none(), "a stream keeps the channel");
    drop(messages);
    assert_eq!(peer.receive().await.event, events::LEAVE);
    assert!(socket.get_channel("room:a").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_channel_keeps_the_socket_and_the_last_handle_closes_it() {
    let mut net = Net::new();
    let (socket, room, mut peer) = net.joined().await;
    drop(socket);
    let push = room.push("post", &json!({})).acknowledged();
    let message = peer.receive().await;
    peer.reply(&message, "ok", &json!({}));
    push.await.unwrap();
    drop(room);
    assert_eq!(peer.receive_close().await.0.as_u16(), 1000);
    soon(net.runtime.all_ended()).await;
}

#[tokio::test(start_paused = true)]
async fn the_driver_ends_also_if_the_peer_never_closes() {
    let mut net = Net::new();
    let (socket, peer) = net.connected().await;
    peer.hang_on_close();
    drop(socket);
    let start = tokio::time::Instant::now();
    soon(net.runtime.all_ended()).await;
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn the_driver_ends_also_if_the_transport_takes_nothing() {
    let mut net = Net::new();
    let (socket, room, peer) = net.joined().await;
    peer.takes_frames(false);
    peer.hang_on_close();
    room.push("post", &json!({})).detach().unwrap();
    drop((socket, room));
    soon(net.runtime.all_ended()).await;
}

#[tokio::test(start_paused = true)]
async fn the_driver_ends_while_it_connects_or_waits() {
    let mut net = Net::new();
    let socket = net.builder().spawn().unwrap();
    let attempt = net.attempt().await;
    drop(socket);
    attempt.abandoned().await;
    soon(net.runtime.all_ended()).await;

    let socket = net.builder().spawn().unwrap();
    net.attempt().await.refuse(phx_client::CloseCause::io("no route"));
    settle().await;
    drop(socket);
    soon(net.runtime.all_ended()).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_join_leaves_the_channel_it_was_to_make() {
    let (socket, mut peer) = Net::new().connected().await;
    let joining = tokio::spawn(socket.channel("room:a").join());
    let join = peer.receive().await;
    joining.abort();
    let leave = peer.receive().await;
    assert_eq!((leave.event, leave.join_ref), (events::LEAVE, join.reference));
    assert!(socket.get_channel("room:a").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_removed_channel_is_closed_for_every_handle() {
    let (socket, room, mut peer) = Net::new().joined().await;
    let mut messages = room.on_raw("new_msg");
    let push = room.push("post", &json!({})).acknowledged();
    assert_eq!(&*peer.receive().await.event, "post");
    socket.remove(&room);
    let leave = peer.receive().await;
    assert_eq!(leave.event, events::LEAVE);
    peer.reply(&leave, "ok", &json!({}));
    assert!(messages.next().await.is_none());
    assert!(matches!(push.await, Err(PushError { cause: PushCause::ChannelClosed, .. })));
    assert_eq!(room.state(), ChannelState::Closed);
    assert!(room.push("post", &json!({})).detach().is_err());
}
