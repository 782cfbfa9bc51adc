//! Ends of connections: close frames both ways, and ends without one.

use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use futures::StreamExt;
use phx_tokio::websocket::WebSocketConfig;
use phx_tokio::{CloseCause, CloseCode, Frame};

use crate::common::{close, pair, receive, send, within};

fn close_frame(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
}

#[tokio::test]
async fn the_servers_close_frame_is_reported_and_answered() {
    for (code, reason) in [(1012, "restarting"), (1000, ""), (1001, "away"), (4004, "gone")] {
        let (mut client, mut server) = pair(WebSocketConfig::default()).await;
        server.send(Message::text("last words")).await.unwrap();
        server.send(close_frame(code, reason)).await.unwrap();
        assert_eq!(receive(&mut client).await, Ok(Frame::text("last words")));
        let cause = CloseCause::frame(CloseCode::from_u16(code), reason);
        assert_eq!(receive(&mut client).await, Err(cause));
        drop(client);
        let answer = within(server.next()).await.unwrap().unwrap();
        assert_eq!(answer, close_frame(code, reason));
    }
}

#[tokio::test]
async fn a_close_frame_without_a_code() {
    let (mut client, mut server) = pair(WebSocketConfig::default()).await;
    server.send(Message::Close(None)).await.unwrap();
    assert_eq!(receive(&mut client).await, Err(CloseCause::frame(CloseCode::NO_STATUS, "")));
}

#[tokio::test]
async fn closing_sends_what_was_taken_then_code_and_reason_and_waits_for_the_answer() {
    let (mut client, mut server) = pair(WebSocketConfig::default()).await;
    send(&mut client, Frame::text("last words")).await;
    let serve = async {
        assert_eq!(within(server.next()).await.unwrap().unwrap(), Message::text("last words"));
        // Further frames of the server are ignored.
        server.send(Message::text("too late")).await.unwrap();
        assert_eq!(within(server.next()).await.unwrap().unwrap(), close_frame(3001, "bye"));
        assert!(within(server.next()).await.is_none());
    };
    let (cause, ()) = futures::join!(close(&mut client, 3001, "bye"), serve);
    assert_eq!(cause, CloseCause::frame(CloseCode::from_u16(3001), "bye"));
}

#[tokio::test]
async fn closing_reads_while_it_writes() {
    let (mut client, mut server) = pair(WebSocketConfig::default()).await;
    let much = vec![0; 15 << 20];
    send(&mut client, Frame::binary(much.clone())).await;
    let serve = async {
        // This server doesn't read until it has written everything.
        within(server.send(Message::binary(much.clone()))).await.unwrap();
        assert_eq!(within(server.next()).await.unwrap().unwrap().len(), much.len());
        assert_eq!(within(server.next()).await.unwrap().unwrap(), close_frame(1000, ""));
        assert!(within(server.next()).await.is_none());
    };
    let (cause, ()) = futures::join!(close(&mut client, 1000, ""), serve);
    assert_eq!(cause, CloseCause::frame(CloseCode::NORMAL, ""));
}

#[tokio::test]
async fn a_reason_is_cut_to_what_a_close_frame_has_room_for() {
    let (mut client, mut server) = pair(WebSocketConfig::default()).await;
    let long = "\u{e9}".repeat(100);
    let serve = async {
        let received = within(server.next()).await.unwrap().unwrap();
        assert!(within(server.next()).await.is_none());
        received
    };
    match futures::join!(close(&mut client, 1000, &long), serve).1 {
        Message::Close(Some(frame)) => assert_eq!(frame.reason.as_str(), "\u{e9}".repeat(61)),
        other => panic!("not a close frame: {other:?}"),
    }
}

#[tokio::test]
async fn closing_a_connection_that_the_server_has_dropped_ends_too() {
    let (mut client, server) = pair(WebSocketConfig::default()).await;
    drop(server);
    let cause = close(&mut client, 1000, "").await;
    assert_eq!(cause.code(), CloseCode::ABNORMAL, "{cause}");
}

#[tokio::test]
async fn an_end_without_a_close_frame_is_a_loss() {
    let (mut client, server) = pair(WebSocketConfig::default()).await;
    drop(server);
    let ended = CloseCause::io("the server ended the connection without a close frame");
    assert_eq!(receive(&mut client).await, Err(ended));
}

#[tokio::test]
async fn a_reset_is_a_loss() {
    let (mut client, server) = pair(WebSocketConfig::default()).await;
    // With no time to linger, dropping the socket resets the connection.
    server.get_ref().get_ref().set_zero_linger().unwrap();
    drop(server);
    match receive(&mut client).await {
        Err(CloseCause::Io { error, .. }) => assert!(error.contains("reset"), "{error}"),
        other => panic!("not lost: {other:?}"),
    }
}
