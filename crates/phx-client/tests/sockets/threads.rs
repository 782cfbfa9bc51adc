//! Handles shared by many threads: every push gets its own reply, and every task is woken.

use phx_client::{
    Channel, ChannelStatus, Connecting, Disconnecting, Join, Leave, Messages, Ping, Presence,
    PresenceChanges, Push, PushReply, Socket, SocketBuilder, SocketStatus, Subscription, Values,
};
use serde_json::json;

use crate::common::Net;

#[test]
fn handles_streams_and_futures_can_go_to_any_thread() {
    fn anywhere<T: Send + Sync + 'static>() {}
    anywhere::<(SocketBuilder, Socket, Channel, Subscription, Presence<u8>)>();
    anywhere::<(Messages<u8>, Values<u8>, PresenceChanges<u8, u8>, SocketStatus, ChannelStatus)>();
    anywhere::<(Push<u8>, PushReply, Join, Leave, Connecting, Disconnecting, Ping)>();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pushes_from_many_tasks_get_their_own_replies() {
    const TASKS: u32 = 8;
    const PUSHES: u32 = 200;
    let (_socket, room, mut peer) = Net::new().joined().await;
    let mut broadcasts = room.on::<u32>("echoed").values();
    let server = tokio::spawn(async move {
        for _ in 0..TASKS * PUSHES {
            let message = peer.receive().await;
            let number: u32 = message.payload.decode().unwrap();
            peer.reply(&message, "ok", &json!(number));
            peer.broadcast("echoed", &json!(number));
        }
        peer
    });
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let room = room.clone();
            tokio::spawn(async move {
                for push in 0..PUSHES {
                    let number = task * PUSHES + push;
                    let echo: u32 = room.push("echo", &number).await.unwrap();
                    assert_eq!(echo, number);
                }
            })
        })
        .collect();
    let mut seen: Vec<u32> = Vec::new();
    while seen.len() < (TASKS * PUSHES) as usize {
        seen.push(broadcasts.next().await.unwrap());
    }
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..TASKS * PUSHES));
    for task in tasks {
        task.await.unwrap();
    }
    drop(server.await.unwrap());
}
