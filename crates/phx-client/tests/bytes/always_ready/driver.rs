//! A socket whose peer always has bytes ready keeps its timeouts.

use std::time::Duration;

use phx_client::StreamConnector;
use phx_client::websocket::WebSocketConfig;
use phx_client::{CloseCause, SocketBuilder};
use tokio::time::advance;

use crate::common::{Notes, TestRuntime};
use crate::peer::Peer;

fn builder(peer: &Peer, config: WebSocketConfig) -> (SocketBuilder, Notes) {
    let notes = Notes::default();
    let closes = notes.clone();
    let builder = SocketBuilder::new("ws://server.test/socket")
        .runtime(TestRuntime::new())
        .connector(StreamConnector::new(peer.clone()).with_config(config))
        .on_close(move |closed| closes.note(format!("{:?}", closed.cause)))
        .seed(7);
    (builder, notes)
}

/// Lets the driver run for dozens of turns; it never finishes.
async fn settle(peer: &Peer) {
    peer.count_anew();
    tokio::task::yield_now().await;
}

/// Returns the text frames that the client has sent.
fn sent(peer: &Peer) -> Vec<String> {
    let heard = peer.heard();
    let end = heard.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut rest = &heard[end..];
    let mut frames = Vec::new();
    while let [kind, len, a, b, c, d, after @ ..] = rest {
        let (payload, next) = after.split_at(usize::from(len & 0x7f));
        let mask = [a, b, c, d].into_iter().cycle();
        let payload = payload.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
        if *kind == 0x81 {
            frames.push(String::from_utf8(payload).unwrap());
        }
        rest = next;
    }
    frames
}

/// Empty fragments, fragments of a byte, pings: each with the bytes before it.
const FLOODS: [(&[u8], &[u8]); 3] =
    [(&[0x01, 0x00], &[0x00, 0x00]), (&[0x01, 0x00], &[0x00, 0x01, b'x']), (b"", &[0x89, 0x00])];

#[tokio::test(start_paused = true)]
async fn heartbeats_are_sent_and_a_peer_that_answers_none_is_found_dead() {
    for (first, again) in FLOODS {
        let peer = Peer::websocket(first, again, usize::MAX);
        let (builder, closes) = builder(&peer, WebSocketConfig::default());
        let _socket = builder.connect().await.unwrap();
        settle(&peer).await;
        assert_eq!(sent(&peer), Vec::<String>::new());
        advance(Duration::from_secs(30)).await;
        settle(&peer).await;
        assert_eq!(sent(&peer), [r#"[null,"1","phoenix","heartbeat",{}]"#]);
        assert_eq!(closes.taken(), Vec::<String>::new());
        advance(Duration::from_secs(10)).await;
        settle(&peer).await;
        assert_eq!(closes.taken(), ["HeartbeatTimedOut"]);
    }
}

#[tokio::test(start_paused = true)]
async fn disconnecting_takes_no_longer_than_its_timeout() {
    for (first, again) in FLOODS {
        let peer = Peer::websocket(first, again, usize::MAX);
        let (builder, _) = builder(&peer, WebSocketConfig::default());
        let socket = builder.connect().await.unwrap();
        settle(&peer).await;
        let disconnecting = tokio::spawn(socket.disconnect());
        settle(&peer).await;
        assert!(!disconnecting.is_finished());
        advance(Duration::from_secs(5)).await;
        settle(&peer).await;
        assert!(disconnecting.is_finished());
        drop(socket);
        settle(&peer).await;
        assert!(peer.is_dropped());
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_given_up_after_its_timeout() {
    let mut config = WebSocketConfig::default();
    config.max_refusal_body = usize::MAX;
    config.refusal_timeout = Duration::from_secs(3_600);
    let peer =
        Peer::new("HTTP/1.1 503 Nope\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 1);
    let (builder, closes) = builder(&peer, config);
    let _socket = builder.spawn().unwrap();
    settle(&peer).await;
    advance(Duration::from_secs(19)).await;
    settle(&peer).await;
    assert_eq!(closes.taken(), Vec::<String>::new());
    advance(Duration::from_secs(1)).await;
    settle(&peer).await;
    assert_eq!(closes.taken(), [format!("{:?}", CloseCause::ConnectTimedOut)]);
}

#[tokio::test(start_paused = true)]
async fn the_body_of_a_refusal_takes_no_longer_than_its_timeout() {
    let mut config = WebSocketConfig::default();
    config.max_refusal_body = usize::MAX;
    let peer = Peer::new("HTTP/1.1 503 Nope\r\n\r\n", "x", 1);
    let (builder, closes) = builder(&peer, config);
    let _socket = builder.spawn().unwrap();
    settle(&peer).await;
    advance(Duration::from_secs(2)).await;
    settle(&peer).await;
    let closed = closes.taken();
    assert!(matches!(&closed[..], [cause] if cause.starts_with("UpgradeRejected")), "{closed:?}");
}
