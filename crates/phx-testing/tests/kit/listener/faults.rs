//! Faults on command, on real connections.

use std::time::Duration;

use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::error::Error;
use futures::{FutureExt, StreamExt};
use phx_proto::{CloseCode, Frame, Payload};
use phx_testing::listener::Listener;
use phx_testing::{Connectivity, UpgradeRejection};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use super::client::{self, Client, bind, connect, join, open, send, upgraded, within};

async fn shout(client: &mut Client, payload: u8) {
    send(client, &format!(r#"["1","2","room:a","shout",{payload}]"#)).await;
}

async fn receive(client: &mut Client) -> String {
    client::receive(client).await.into_text().unwrap().to_string()
}

fn shouted(payload: u8) -> String {
    format!(r#"[null,null,"room:a","shout",{payload}]"#)
}

#[tokio::test]
async fn a_cut_resets_one_connection() {
    let listener = bind().await;
    let (mut ann, socket) = join(&listener).await;
    let (mut bob, _) = join(&listener).await;
    listener.connection(socket).cut();
    assert_eq!(open(&listener), 1);
    assert!(matches!(within(ann.next()).await, Some(Err(_))));
    shout(&mut bob, 1).await;
    assert_eq!(receive(&mut bob).await, shouted(1));
}

#[tokio::test]
async fn a_cut_of_all_resets_all() {
    let listener = bind().await;
    let (mut ann, _) = join(&listener).await;
    let (mut bob, _) = join(&listener).await;
    listener.all().cut();
    assert_eq!(open(&listener), 0);
    assert!(matches!(within(ann.next()).await, Some(Err(_))));
    assert!(matches!(within(bob.next()).await, Some(Err(_))));
}

#[tokio::test]
async fn the_ends_without_a_close_frame_are_resets() {
    let listener = bind().await;
    let ends: [fn(&Listener); 2] = [Listener::drop_connections, |listener| listener.all().cut()];
    for end in ends {
        let mut stream = upgraded(&listener).await;
        end(&listener);
        assert_eq!(open(&listener), 0);
        let error = within(stream.read_buf(&mut Vec::new())).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn a_stall_holds_back_both_ways_until_it_is_over() {
    let listener = bind().await;
    let (mut ann, socket) = join(&listener).await;
    let (mut bob, _) = join(&listener).await;
    listener.connection(socket).stall();
    shout(&mut ann, 1).await;
    shout(&mut bob, 2).await;
    assert_eq!(receive(&mut bob).await, shouted(2));
    shout(&mut bob, 3).await;
    assert_eq!(receive(&mut bob).await, shouted(3));
    assert!(ann.next().now_or_never().is_none());
    listener.connection(socket).resume();
    assert_eq!(receive(&mut bob).await, shouted(1));
    for expected in [2, 3, 1] {
        assert_eq!(receive(&mut ann).await, shouted(expected));
    }
}

#[tokio::test]
async fn latency_counts_both_ways() {
    let listener = bind().await;
    let (mut ann, _) = join(&listener).await;
    listener.all().set_latency(Duration::from_millis(40));
    let began = Instant::now();
    shout(&mut ann, 1).await;
    assert_eq!(receive(&mut ann).await, shouted(1));
    assert!(began.elapsed() >= Duration::from_millis(80), "{:?}", began.elapsed());
}

#[tokio::test]
async fn latency_counts_for_connections_to_come() {
    let listener = bind().await;
    listener.set_latency(Duration::from_millis(40));
    let began = Instant::now();
    within(connect(&listener)).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(80), "{:?}", began.elapsed());
}

#[tokio::test]
async fn over_a_half_open_connection_nothing_arrives_and_nobody_learns() {
    let listener = bind().await;
    let (mut ann, socket) = join(&listener).await;
    let (mut bob, _) = join(&listener).await;
    listener.connection(socket).half_open();
    shout(&mut ann, 1).await;
    shout(&mut bob, 2).await;
    assert_eq!(receive(&mut bob).await, shouted(2));
    assert!(ann.next().now_or_never().is_none());
    within(ann.close(None)).await.unwrap();
    drop(ann);
    shout(&mut bob, 3).await;
    assert_eq!(receive(&mut bob).await, shouted(3));
    assert_eq!(open(&listener), 2);
    // The server's own close doesn't arrive either, and the connection is forgotten all the same.
    listener.connection(socket).close(CloseCode::NORMAL);
    assert_eq!(open(&listener), 1);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_who_cannot_be_reached() {
    let listener = bind().await;
    let (mut ann, socket) = join(&listener).await;
    let (mut bob, stalled) = join(&listener).await;
    listener.connection(socket).half_open();
    listener.connection(stalled).stall();
    let began = Instant::now();
    let (end, _, ()) = within(async {
        tokio::join!(
            ann.next(),
            async { while let Some(Ok(_)) = bob.next().await {} },
            listener.stop()
        )
    })
    .await;
    assert!(matches!(end, Some(Err(_))), "{end:?}");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_injected_frame_arrives_as_it_is() {
    let listener = bind().await;
    let (mut ann, _) = join(&listener).await;
    listener.all().inject(&Frame::text("{garbage"));
    assert_eq!(receive(&mut ann).await, "{garbage");
    listener.broadcast("room:a", "news", Payload::empty());
    assert!(receive(&mut ann).await.contains("news"));
}

#[tokio::test]
async fn a_close_has_its_code_and_reason() {
    let listener = bind().await;
    let too_long = format!("{}\u{e9}\u{e9}", "x".repeat(122));
    for (reason, expected) in [("", ""), ("bye", "bye"), (&*too_long, &"x".repeat(122))] {
        let (mut ann, socket) = join(&listener).await;
        listener.connection(socket).close_because(CloseCode::from_u16(4001), reason.to_owned());
        let Some(Ok(Message::Close(Some(close)))) = within(ann.next()).await else {
            panic!("no close frame")
        };
        assert_eq!((u16::from(close.code), close.reason.as_str()), (4001, expected));
    }
}

#[tokio::test]
async fn the_next_handshakes_are_refused() {
    let listener = bind().await;
    let busy = UpgradeRejection::new(503).with_header("retry-after", "7").with_body("busy");
    listener.refuse_next(busy);
    listener.refuse_next(UpgradeRejection::new(429));
    let Err(Error::Http(response)) = within(connect(&listener)).await else { panic!("accepted") };
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(response.body().as_deref(), Some(&b"busy"[..]));
    let Err(Error::Http(response)) = within(connect(&listener)).await else { panic!("accepted") };
    assert_eq!(response.status(), 429);
    within(connect(&listener)).await.unwrap();
}

#[tokio::test]
async fn who_is_offline_is_reset_and_who_meets_silence_waits() {
    let listener = bind().await;
    listener.set_connectivity(Connectivity::Offline);
    assert!(within(connect(&listener)).await.is_err());
    listener.set_connectivity(Connectivity::Silent);
    let mut silent = std::pin::pin!(connect(&listener));
    // Only waiting shows that nothing comes; an answer takes a fraction of this time.
    let waited = tokio::time::timeout(Duration::from_millis(100), silent.as_mut()).await;
    assert!(waited.is_err());
    listener.set_connectivity(Connectivity::Online);
    within(connect(&listener)).await.unwrap();
    assert!(silent.as_mut().now_or_never().is_none());
}
