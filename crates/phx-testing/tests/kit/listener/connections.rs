//! Connections as a WebSocket client sees them.

use std::time::Duration;

use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::error::Error;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use async_tungstenite::tungstenite::protocol::frame::Frame as WebSocketFrame;
use async_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use futures::{SinkExt, StreamExt};
use phx_proto::Payload;
use phx_testing::listener::Listener;
use phx_testing::{UpgradeRejection, demo_server};
use tokio::net::TcpStream;

use super::client::{JOIN, bind, connect, connect_with, join, receive, send, within};

fn close_code(message: &Message) -> Option<u16> {
    match message {
        Message::Close(Some(CloseFrame { code, .. })) => Some((*code).into()),
        _ => None,
    }
}

#[tokio::test]
async fn serves_joins_and_broadcasts() {
    let listener = bind().await;
    let ((mut ann, _), (mut bob, _)) = (join(&listener).await, join(&listener).await);
    send(&mut ann, r#"["1","2","room:a","whisper",{"a":1}]"#).await;
    let expected = r#"[null,null,"room:a","whisper",{"a":1}]"#;
    assert_eq!(receive(&mut bob).await, Message::text(expected));
    listener.broadcast("room:a", "news", Payload::empty());
    let expected = r#"[null,null,"room:a","news",{}]"#;
    assert_eq!(receive(&mut ann).await, Message::text(expected));
}

#[tokio::test]
async fn answers_the_subprotocol_of_a_token() {
    let server = demo_server().auth_token(true).connect(|info| match info.auth_token() {
        Some("secret") => Ok(None),
        _ => Err(UpgradeRejection::new(403)),
    });
    let listener = Listener::bind(server.build()).await.unwrap();
    let offer = "phoenix, base64url.bearer.phx.c2VjcmV0";
    let (_, response) = connect_with(&listener, "vsn=2.0.0", Some(offer)).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "phoenix");
    assert!(matches!(connect_with(&listener, "vsn=2.0.0", None).await, Err(Error::Http(_))));
}

#[tokio::test]
async fn a_drain_closes_with_1012() {
    let listener = bind().await;
    let (mut client, _) = join(&listener).await;
    listener.drain();
    assert_eq!(close_code(&receive(&mut client).await), Some(1012));
}

#[tokio::test]
async fn a_stop_closes_what_is_open_and_frees_the_port() {
    let listener = bind().await;
    let address = listener.address();
    let mut client = connect(&listener).await.unwrap();
    let (message, ()) = within(async {
        tokio::join!(
            async {
                let message = client.next().await;
                while let Some(Ok(_)) = client.next().await {}
                message
            },
            listener.stop()
        )
    })
    .await;
    assert_eq!(close_code(&message.unwrap().unwrap()), Some(1000));
    assert!(TcpStream::connect(address).await.is_err());
    Listener::bind_to(address, demo_server().build()).await.unwrap();
}

#[tokio::test]
async fn malformed_frames_close_with_their_codes() {
    let listener = Listener::bind(demo_server().max_frame_size(1000).build()).await.unwrap();
    let mut client = connect(&listener).await.unwrap();
    send(&mut client, "{not json").await;
    assert_eq!(close_code(&receive(&mut client).await), Some(1011));
    let mut client = connect(&listener).await.unwrap();
    send(&mut client, &"x".repeat(1001)).await;
    assert_eq!(close_code(&receive(&mut client).await), Some(1009));
    let mut client = connect(&listener).await.unwrap();
    let text = WebSocketFrame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true);
    within(client.send(Message::Frame(text))).await.unwrap();
    assert_eq!(close_code(&receive(&mut client).await), Some(1007));
}

#[tokio::test]
async fn an_idle_connection_is_closed_with_1002() {
    let idle = Duration::from_millis(20);
    let listener = Listener::bind(demo_server().idle_timeout(Some(idle)).build()).await.unwrap();
    let mut client = connect(&listener).await.unwrap();
    assert_eq!(close_code(&receive(&mut client).await), Some(1002));
}

#[tokio::test]
async fn a_close_frame_is_answered() {
    let listener = bind().await;
    let mut client = connect(&listener).await.unwrap();
    within(client.close(None)).await.unwrap();
    assert!(matches!(receive(&mut client).await, Message::Close(_)));
}

#[tokio::test]
async fn frames_of_one_segment_are_read_before_channels_reply() {
    let listener = bind().await;
    let (mut ann, _) = join(&listener).await;
    for text in [
        r#"["1","2","room:a","phx_leave",{}]"#,
        r#"["1","3","room:a","phx_leave",{}]"#,
        r#"[null,"4","phoenix","heartbeat",{}]"#,
    ] {
        within(ann.feed(Message::text(text))).await.unwrap();
    }
    within(ann.flush()).await.unwrap();
    for expected in [
        r#"[null,"4","phoenix","phx_reply",{"response":{},"status":"ok"}]"#,
        r#"["1","2","room:a","phx_reply",{"response":{},"status":"ok"}]"#,
        r#"["1","1","room:a","phx_close",{}]"#,
    ] {
        assert_eq!(receive(&mut ann).await, Message::text(expected));
    }
    // The second leave got no answer.
    send(&mut ann, JOIN).await;
    let joined = r#"["1","1","room:a","phx_reply",{"response":{},"status":"ok"}]"#;
    assert_eq!(receive(&mut ann).await, Message::text(joined));
}
