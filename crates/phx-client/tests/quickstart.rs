//! The story of the crate docs: connect, join, push with a reply, receive, leave, disconnect.

mod common;

use common::Net;
use phx_client::StreamItem;
use phx_client::proto::events;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct NewMsg {
    body: String,
}

#[derive(Deserialize, Debug, PartialEq)]
struct Posted {
    id: u64,
}

#[tokio::test(start_paused = true)]
async fn a_conversation_from_connect_to_disconnect() {
    let mut net = Net::new();
    let builder = net.builder().param("token", "secret");
    let server = async {
        let attempt = net.attempt().await;
        assert_eq!(
            attempt.request.url().as_str(),
            "ws://server.test/socket/websocket?token=secret&vsn=2.0.0"
        );
        let mut peer = attempt.accept();

        let join = peer.receive().await;
        assert_eq!((&*join.topic, &*join.event), ("room:lobby", "phx_join"));
        assert_eq!(join.payload.decode::<Value>().unwrap(), json!({"name": "ann"}));
        peer.reply(&join, "ok", &json!({"members": 3}));

        let push = peer.receive().await;
        assert_eq!(&*push.event, "new_msg");
        assert_eq!(push.join_ref, join.reference);
        peer.reply(&push, "ok", &json!({"id": 7}));

        let mut broadcast = push.clone();
        broadcast.join_ref = None;
        broadcast.reference = None;
        peer.send(&broadcast);

        let leave = peer.receive().await;
        assert_eq!(leave.event, events::LEAVE);
        peer.reply(&leave, "ok", &json!({}));
        assert_eq!(peer.receive_close().await.0.as_u16(), 1000);
    };
    let client = async {
        let socket = builder.connect().await.unwrap();
        assert!(socket.is_connected());
        let room =
            socket.channel("room:lobby").params(&json!({"name": "ann"})).join().await.unwrap();
        let response: Value = room.join_response().unwrap().unwrap().decode().unwrap();
        assert_eq!(response, json!({"members": 3}));

        let mut messages = room.on::<NewMsg>("new_msg");
        let posted: Posted = room.push("new_msg", &NewMsg { body: "hi".into() }).await.unwrap();
        assert_eq!(posted, Posted { id: 7 });
        match messages.next().await {
            Some(StreamItem::Message(message)) => assert_eq!(message.body, "hi"),
            other => panic!("{other:?}"),
        }

        room.leave().await.unwrap();
        assert!(messages.next().await.is_none());
        socket.disconnect().await;
        assert!(!socket.is_connected());
    };
    tokio::join!(client, server);
}
