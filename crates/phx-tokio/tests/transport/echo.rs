//! Text and binary messages travel both ways, in order, many of them for one flush.

use async_tungstenite::tungstenite::Message;
use futures::StreamExt;
use phx_tokio::Frame;
use phx_tokio::websocket::WebSocketConfig;

use crate::common::{flush, pair, receive, receiving, send, within};

#[tokio::test]
async fn messages_come_back_as_they_were_sent() {
    let (mut client, mut server) = pair(WebSocketConfig::default()).await;
    let frames = [
        Frame::text("h\u{e9}llo"),
        Frame::binary(vec![0, 255, 7]),
        Frame::text(""),
        Frame::binary(vec![9; 300_000]),
    ];
    let echo = async {
        for _ in 0..4 {
            let message = within(server.next()).await.unwrap().unwrap();
            server.send(message).await.unwrap();
        }
    };
    let talk = async {
        for frame in &frames {
            send(&mut client, frame.clone()).await;
            flush(&mut client).await;
            assert_eq!(receive(&mut client).await.as_ref(), Ok(frame));
        }
    };
    futures::join!(echo, talk);
}

#[tokio::test]
async fn one_flush_writes_all_that_was_taken() {
    let (mut client, mut server) = pair(WebSocketConfig::default()).await;
    for n in 0..1_000 {
        send(&mut client, Frame::text(n.to_string())).await;
    }
    flush(&mut client).await;
    for n in 0..1_000 {
        let message = within(server.next()).await.unwrap().unwrap();
        assert_eq!(message, Message::text(n.to_string()));
    }
}

#[tokio::test]
async fn frames_that_come_together_with_the_answer_are_received() {
    let (mut client, _open) = receiving(1_000, b"\x81\x02hi\x82\x01\x07").await;
    assert_eq!(receive(&mut client).await, Ok(Frame::text("hi")));
    assert_eq!(receive(&mut client).await, Ok(Frame::binary(vec![7])));
}

#[tokio::test]
async fn fragments_come_as_one_message() {
    // A ping comes between the fragments.
    let (mut client, _open) = receiving(1_000, b"\x01\x02ab\x89\x00\x80\x01c").await;
    assert_eq!(receive(&mut client).await, Ok(Frame::text("abc")));
}
