//! Pings are answered while frames are received.

use async_tungstenite::tungstenite::Message;
use futures::StreamExt;
use phx_tokio::Frame;
use phx_tokio::websocket::WebSocketConfig;

use crate::common::{pair, receive, within};

#[tokio::test]
async fn a_ping_is_answered_with_its_own_contents() {
    let (mut client, mut server) = pair(WebSocketConfig::default()).await;
    let serve = async {
        server.send(Message::Ping("are you there?".into())).await.unwrap();
        let pong = within(server.next()).await.unwrap().unwrap();
        assert_eq!(pong, Message::Pong("are you there?".into()));
        server.send(Message::text("good")).await.unwrap();
    };
    let (frame, ()) = futures::join!(receive(&mut client), serve);
    assert_eq!(frame, Ok(Frame::text("good")));
}

#[tokio::test]
async fn any_number_of_pongs_is_skipped() {
    let (mut client, mut server) = pair(WebSocketConfig::default()).await;
    let serve = async {
        for _ in 0..1_000 {
            server.send(Message::Pong("unasked".into())).await.unwrap();
        }
        server.send(Message::text("good")).await.unwrap();
    };
    let (frame, ()) = futures::join!(receive(&mut client), serve);
    assert_eq!(frame, Ok(Frame::text("good")));
}
