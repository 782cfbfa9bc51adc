//! Messages over the limit and invalid text end the connection, with a close code for the server.

use async_tungstenite::tokio::accept_async;
use async_tungstenite::tungstenite::Message;
use futures::StreamExt;
use phx_tokio::websocket::WebSocketConfig;
use phx_tokio::{CloseCause, Frame};
use tokio::io::AsyncReadExt;

use crate::common::{connect_limited, listen, pair, receive, receiving, within};

const SMALL: usize = 1_000;

/// Returns the code of the next close frame.
async fn closed_with(server: &mut crate::common::Server) -> u16 {
    match within(server.next()).await.unwrap().unwrap() {
        Message::Close(Some(frame)) => frame.code.into(),
        other => panic!("not a close frame: {other:?}"),
    }
}

#[tokio::test]
async fn a_message_over_the_limit() {
    let (listener, endpoint) = listen().await;
    let accept = async { accept_async(listener.accept().await.unwrap().0).await.unwrap() };
    let (client, mut server) = futures::join!(connect_limited(&endpoint, SMALL), accept);
    let mut client = client.unwrap();
    server.send(Message::binary(vec![0; 1_000])).await.unwrap();
    assert_eq!(receive(&mut client).await, Ok(Frame::binary(vec![0; 1_000])));
    server.send(Message::binary(vec![0; 1_001])).await.unwrap();
    let too_large = CloseCause::io("a message was larger than the limit of 1000 bytes");
    assert_eq!(receive(&mut client).await, Err(too_large));
    assert_eq!(closed_with(&mut server).await, 1009);
}

/// Returns the code of the client's masked close frame.
async fn raw_close_code(stream: &mut tokio::net::TcpStream) -> u16 {
    let mut frame = [0; 8];
    within(stream.read_exact(&mut frame)).await.unwrap();
    let [opcode, length, mask @ .., high, low] = frame;
    assert_eq!((opcode, length), (0x88, 0x82));
    u16::from_be_bytes([high ^ mask[0], low ^ mask[1]])
}

#[tokio::test]
async fn text_that_is_not_utf8() {
    let (mut client, mut stream) = receiving(usize::from(u16::MAX), b"\x81\x02\xff\xfe").await;
    let not_text = CloseCause::io("a text message was not UTF-8");
    assert_eq!(receive(&mut client).await, Err(not_text));
    assert_eq!(raw_close_code(&mut stream).await, 1007);
}

#[tokio::test]
async fn frames_that_break_the_protocol() {
    // Reserved bits, a masked frame, a continuation of nothing, an opcode that doesn't exist.
    for broken in [&b"\xf1\x00"[..], b"\x81\x80abcd", b"\x80\x00", b"\x83\x00"] {
        let (mut client, mut stream) = receiving(usize::from(u16::MAX), broken).await;
        match receive(&mut client).await {
            Err(CloseCause::Io { error, .. }) => {
                assert!(error.starts_with("the server broke the WebSocket protocol"), "{error}");
            }
            other => panic!("{broken:?}: not lost: {other:?}"),
        }
        assert_eq!(raw_close_code(&mut stream).await, 1002);
    }
}

#[tokio::test]
async fn the_limit_holds_for_fragments_together() {
    let mut fragments = Vec::new();
    for fragment in 0..11 {
        fragments.extend([if fragment == 0 { 0x02 } else { 0x00 }, 100]);
        fragments.extend([0; 100]);
    }
    let (mut client, _open) = receiving(SMALL, &fragments).await;
    let too_large = CloseCause::io("a message was larger than the limit of 1000 bytes");
    assert_eq!(receive(&mut client).await, Err(too_large));
}

#[tokio::test]
async fn a_text_frame_of_ones_own_must_be_text() {
    let (mut client, _server) = pair(WebSocketConfig::default()).await;
    let not_text = CloseCause::io("a text frame to be sent is not UTF-8");
    assert_eq!(client.as_mut().start_send(Frame::text(vec![0xff])), Err(not_text));
}
