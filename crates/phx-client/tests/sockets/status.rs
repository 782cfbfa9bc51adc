//! The states of socket and channel as streams: the current state, then the latest change, without a queue.

use phx_client::{ChannelState, CloseCause, ConnectionState};
use serde_json::json;

use crate::common::{Net, settle, soon};

#[tokio::test(start_paused = true)]
async fn a_sockets_status_follows_the_connection() {
    let mut net = Net::new();
    let socket = net.builder().spawn().unwrap();
    let mut status = socket.status();
    assert_eq!(status.next().await, Some(ConnectionState::Connecting));
    let mut peer = net.attempt().await.accept();
    assert_eq!(soon(status.next()).await, Some(ConnectionState::Open));
    peer.close(CloseCause::io("cable"));
    assert_eq!(soon(status.next()).await, Some(ConnectionState::Waiting));
    let peer = net.attempt().await.accept();
    peer.hang_on_close();
    assert_eq!(soon(status.next()).await, Some(ConnectionState::Connecting));
    assert_eq!(soon(status.next()).await, Some(ConnectionState::Open));
    let disconnecting = socket.disconnect();
    assert_eq!(soon(status.next()).await, Some(ConnectionState::Closing));
    disconnecting.await;
    assert_eq!(soon(status.next()).await, Some(ConnectionState::Closed));
    drop(socket);
    assert_eq!(soon(status.next()).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_channels_status_follows_joins_errors_and_the_end() {
    let mut net = Net::new();
    let (_socket, room, mut peer) = net.unjoined().await;
    let mut status = room.status();
    assert_eq!(soon(status.next()).await, Some(ChannelState::New));
    let join = room.join();
    assert_eq!(soon(status.next()).await, Some(ChannelState::Joining));
    peer.accept_join().await;
    join.await.unwrap();
    assert_eq!(soon(status.next()).await, Some(ChannelState::Joined));
    peer.close(CloseCause::io("cable"));
    assert_eq!(soon(status.next()).await, Some(ChannelState::Errored));
    let mut peer = net.attempt().await.accept();
    assert_eq!(soon(status.next()).await, Some(ChannelState::Joining));
    peer.accept_join().await;
    assert_eq!(soon(status.next()).await, Some(ChannelState::Joined));
    let leave = room.leave();
    assert_eq!(soon(status.next()).await, Some(ChannelState::Leaving));
    let message = peer.receive().await;
    peer.reply(&message, "ok", &json!({}));
    leave.await.unwrap();
    assert_eq!(soon(status.next()).await, Some(ChannelState::Closed));
    assert_eq!(soon(status.next()).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_not_read_skips_to_the_present() {
    let mut net = Net::new();
    let (socket, mut peer) = net.connected().await;
    let mut status = socket.status();
    assert_eq!(status.next().await, Some(ConnectionState::Open));
    peer.close(CloseCause::io("cable"));
    let _peer = net.attempt().await.accept();
    settle().await;
    socket.disconnect().await;
    assert_eq!(status.next().await, Some(ConnectionState::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_waits_for_its_turn_to_rejoin_is_still_errored() {
    let mut net = Net::new();
    let builder = net.builder().max_joins_in_flight(1);
    let (socket, mut peer) = net.connected_with(builder).await;
    let rooms = ["room:a", "room:b"].map(|topic| socket.channel(topic).create().unwrap());
    let _joins = rooms.each_ref().map(|room| room.join());
    assert_eq!(rooms[1].state(), ChannelState::Joining, "a first join is Joining from the call");
    peer.accept_join().await;
    peer.accept_join().await;
    settle().await;
    peer.close(CloseCause::io("cable"));
    let mut peer = net.attempt().await.accept();
    let first = peer.receive().await;
    settle().await;
    let mut status = rooms[1].status();
    assert_eq!(rooms[1].state(), ChannelState::Errored);
    assert_eq!(soon(status.next()).await, Some(ChannelState::Errored));
    peer.reply(&first, "ok", &json!({}));
    assert_eq!(soon(status.next()).await, Some(ChannelState::Joining));
    assert_eq!(rooms[1].state(), ChannelState::Joining);
    peer.accept_join().await;
    assert_eq!(soon(status.next()).await, Some(ChannelState::Joined));
}
