//! Limits of the client beside the core: the rows of SECURITY.md's table about this crate that have no test elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use phx_client::{ConnectionState, PresenceItem, StreamItem, StreamOptions, StreamOverflow};
use serde_json::{Value, json};

use crate::common::{Net, settle, soon};

/// Returns JSON text of this number of bytes.
fn text(bytes: usize) -> Value {
    json!("x".repeat(bytes - 2))
}

/// The transport takes the pushes only when the driver runs, which is after the loop. phoenix.js 1.8 sends them all.
#[tokio::test(start_paused = true)]
async fn five_thousand_pushes_in_a_row_are_accepted() {
    let mut net = Net::new();
    let (socket, room, mut peer) = net.joined().await;
    for _ in 0..5_000 {
        room.push("post", &text(100)).detach().unwrap();
    }
    for _ in 0..5_000 {
        assert_eq!(&*peer.receive().await.event, "post");
    }
    assert_eq!(socket.counters().pushes, 5_000);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_limited_in_bytes() {
    let mut net = Net::new();
    let builder = net.builder().stream_bytes(1_000);
    let (socket, room, peer) = net.joined_with(builder).await;
    let mut waits = room.on_raw("n");
    let mut newest =
        room.on_raw_with("n", StreamOptions::new().overflow(StreamOverflow::DropOldest));
    let before = socket.counters().frames_received;
    for _ in 0..20 {
        peer.broadcast("n", &text(300));
    }
    settle().await;
    // Full with the fourth message: one may exceed the limit, then reading stops.
    assert_eq!(socket.counters().frames_received - before, 4);
    let mut held = 0;
    let mut taken = 0;
    while taken < 20 {
        while let Some(item) = waits.next().now_or_never().flatten() {
            assert!(matches!(item, StreamItem::Message(_)), "{item:?}");
            taken += 1;
        }
        settle().await;
    }
    while let Some(item) = newest.next().now_or_never().flatten() {
        match item {
            StreamItem::Message(message) => held += message.len(),
            StreamItem::Lagged(lost) => assert_eq!(lost, 16),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(held, 4 * 300);
}

#[tokio::test(start_paused = true)]
async fn a_message_of_any_size_fits_alone() {
    let mut net = Net::new();
    let builder = net.builder().stream_bytes(10);
    let (_socket, room, peer) = net.joined_with(builder).await;
    let mut messages = room.on_raw("n").values();
    for _ in 0..3 {
        peer.broadcast("n", &text(100_000));
    }
    for _ in 0..3 {
        assert_eq!(soon(messages.next()).await.unwrap().len(), 100_000);
    }
}

#[tokio::test(start_paused = true)]
async fn presence_changes_are_limited_in_bytes() {
    let mut net = Net::new();
    let builder = net.builder().stream_bytes(1_000);
    let (socket, mut peer) = net.connected_with(builder).await;
    let room = socket.channel("room:a").create().unwrap();
    let presence = room.presence::<Value>();
    let mut changes = presence.changes();
    peer.join(&room).await;
    peer.broadcast("presence_state", &json!({}));
    for number in 0..20 {
        let meta = json!({ "phx_ref": number.to_string(), "x": "x".repeat(300) });
        let diff = json!({ "joins": { number.to_string(): { "metas": [meta] } }, "leaves": {} });
        peer.broadcast("presence_diff", &diff);
    }
    // Refused payloads are held as well.
    for _ in 0..20 {
        peer.broadcast("presence_diff", &text(300));
    }
    settle().await;
    assert_eq!(presence.len(), 20, "the list is right all the same");
    let (mut held, mut lost) = (0, 0);
    while let Some(item) = changes.next().now_or_never().flatten() {
        match item {
            PresenceItem::Lagged(count) => lost += count,
            PresenceItem::Refused(error) => held += error.payload().unwrap().len(),
            PresenceItem::Change(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(held, 900);
    assert_eq!(lost, 1 + 2 * 20 + 20 - 3);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_eight_transports_are_closing() {
    let mut net = Net::new();
    let (socket, peer) = net.connected().await;
    peer.hang_on_close();
    let mut peers = vec![peer];
    for _ in 0..20 {
        assert!(socket.reconnect_now());
        let peer = net.attempt().await.accept();
        peer.hang_on_close();
        peers.push(peer);
        settle().await;
    }
    let open = peers.iter().filter(|peer| !peer.is_dropped()).count();
    assert_eq!(open, 8 + 1, "those that are closing, and the one that is open");
    assert_eq!(socket.state(), ConnectionState::Open);
    // The others end by their timeouts.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(peers.iter().filter(|peer| !peer.is_dropped()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn params_in_the_making_are_limited() {
    let mut net = Net::new();
    let mut config = phx_client::Config::default();
    config.max_channels = 3;
    let builder = net.builder().config(config).join_timeout(Duration::from_secs(1));
    let builder = builder.credentials_timeout(Duration::from_secs(3_600)).heartbeat_interval(None);
    let (socket, _peer) = net.connected_with(builder).await;
    let running = Arc::new(AtomicUsize::new(0));
    let making = Arc::clone(&running);
    let room = socket.channel("room:a").params_with(move || {
        making.fetch_add(1, Ordering::SeqCst);
        std::future::pending()
    });
    let room = room.create().unwrap();
    soon(room.join()).await.unwrap_err();
    // Each attempt would leave a future that never completes.
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(running.load(Ordering::SeqCst), 3);
    assert!(socket.is_connected());
}
