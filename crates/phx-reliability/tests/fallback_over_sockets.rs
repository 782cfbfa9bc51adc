//! A proxy that lets the upgrade through and then swallows the frames: every adapter joins over long-poll in time, and
//! comes back to a WebSocket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use phx_client::{ConnectionState, SocketBuilder, StreamItem, TransportKind};
use phx_testing::fault_proxy::FaultProxy;
use phx_testing::listener::Listener;
use serde_json::{Value, json};

/// Time after which long-poll takes the place of a WebSocket.
const AFTER: Duration = Duration::from_millis(500);

/// Time that a busy machine may add.
const SLACK: Duration = Duration::from_secs(5);

/// Time limit of an adapter, far above the usual.
const LIMIT: Duration = Duration::from_secs(60);

async fn story(proxy: FaultProxy, builder: SocketBuilder) {
    proxy.swallow_frames(true);
    let start = Instant::now();
    let socket = builder.long_poll_fallback(AFTER).connect().await.unwrap();
    let room = socket.channel("room:a").join().await.unwrap();
    let joined = start.elapsed();
    assert!((AFTER..AFTER + SLACK).contains(&joined), "joined after {joined:?}");
    assert_eq!(socket.transport(), Some(TransportKind::LongPoll));
    let mut messages = room.on::<Value>("new_msg");
    let echo = room.push::<Value>("echo", &json!(1)).await.unwrap();
    assert_eq!(echo, json!(1));
    room.push("new_msg", &json!({ "body": "over long-poll" })).acknowledged().await.unwrap();
    assert!(matches!(messages.next().await, Some(StreamItem::Message(_))));

    proxy.swallow_frames(false);
    let mut status = socket.status();
    assert!(socket.retry_web_socket());
    while socket.transport() != Some(TransportKind::WebSocket) {
        assert_ne!(status.next().await, Some(ConnectionState::Closed));
    }
    // Sent when the channel has joined again.
    let echo = room.push::<Value>("echo", &json!(2)).await.unwrap();
    assert_eq!(echo, json!(2));
    assert!(matches!(messages.next().await, Some(StreamItem::Gap)));
    assert_eq!(socket.transport(), Some(TransportKind::WebSocket));
    socket.disconnect().await;
}

/// Runs the story on an adapter's runtime, on a thread that has a deadline.
fn run(play: impl FnOnce(FaultProxy, fn(FaultProxy, SocketBuilder) -> Story) + Send + 'static) {
    let mut server = tokio::runtime::Builder::new_multi_thread();
    let server = server.worker_threads(1).enable_all().build().unwrap();
    let listener = server.block_on(Listener::bind(phx_testing::demo_server().build())).unwrap();
    let proxy = FaultProxy::start(listener.address()).unwrap();
    let (done, is_done) = channel();
    thread::spawn(move || {
        play(proxy, |proxy, builder| Box::pin(story(proxy, builder)));
        done.send(()).unwrap();
    });
    is_done.recv_timeout(LIMIT).expect("it hung or panicked");
}

type Story = std::pin::Pin<Box<dyn Future<Output = ()>>>;

fn url(proxy: &FaultProxy) -> String {
    format!("ws://{}/socket", proxy.address())
}

#[test]
fn on_tokio() {
    run(|proxy, story| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let builder = phx_tokio::socket(url(&proxy));
            story(proxy, builder).await;
        });
    });
}

#[test]
fn on_smol() {
    run(|proxy, story| {
        smol::block_on(async {
            let builder = phx_smol::socket(url(&proxy));
            story(proxy, builder).await;
        });
    });
}

#[test]
fn on_async_std() {
    run(|proxy, story| {
        async_std::task::block_on(async {
            let builder = phx_async_std::socket(url(&proxy));
            story(proxy, builder).await;
        });
    });
}
