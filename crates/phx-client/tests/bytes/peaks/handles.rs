//! Limits of handles and streams, and of the driver's own state.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use phx_client::dial::{Dialer, TcpDialer};
use phx_client::{Config, Payload, SocketBuilder, StreamOptions, StreamOverflow};
use serde_json::{Value, json};

use super::{OFFERED, OFFERED_BYTES, PIECE, peak};
use crate::common::network::TestNetwork;
use crate::common::{Net, paused, settle};

/// Returns the peak of a socket with an unread stream, and a server that sends this number of messages.
fn unread(set: impl FnOnce(SocketBuilder) -> SocketBuilder, count: usize, bytes: usize) -> usize {
    peak(|| {
        paused().block_on(async {
            let mut net = Net::new();
            let builder = set(net.builder());
            let (_socket, room, peer) = net.joined_with(builder).await;
            let _stream =
                room.on_raw_with("news", StreamOptions::new().overflow(StreamOverflow::DropOldest));
            for _ in 0..count {
                peer.broadcast("news", &json!("x".repeat(bytes)));
                settle().await;
            }
        });
    })
}

/// Returns the same for a presence's changes: one member that joins and leaves.
fn unread_changes(
    set: impl FnOnce(SocketBuilder) -> SocketBuilder,
    count: usize,
    bytes: usize,
) -> usize {
    peak(|| {
        paused().block_on(async {
            let mut net = Net::new();
            let builder = set(net.builder());
            let (socket, mut peer) = net.connected_with(builder).await;
            let room = socket.channel("room:a").create().unwrap();
            let presence = room.presence::<Value>();
            let _changes = presence.changes();
            peer.join(&room).await;
            peer.broadcast("presence_state", &json!({}));
            for number in 0..count / 2 {
                let meta = json!({ "phx_ref": number.to_string(), "x": "x".repeat(bytes) });
                let ann = json!({ "ann": { "metas": [meta] } });
                peer.broadcast("presence_diff", &json!({ "joins": ann, "leaves": {} }));
                settle().await;
                peer.broadcast("presence_diff", &json!({ "joins": {}, "leaves": ann }));
                settle().await;
            }
        });
    })
}

pub(crate) fn stream_capacity(capacity: usize) -> usize {
    unread(|it| it.stream_capacity(capacity), OFFERED, 20)
}

pub(crate) fn stream_bytes(bytes: usize) -> usize {
    unread(|it| it.stream_bytes(bytes), OFFERED_BYTES / PIECE, PIECE)
}

pub(crate) fn changes_capacity(capacity: usize) -> usize {
    unread_changes(|it| it.stream_capacity(capacity), OFFERED, 20)
}

pub(crate) fn changes_bytes(bytes: usize) -> usize {
    unread_changes(|it| it.stream_bytes(bytes), OFFERED_BYTES / PIECE, PIECE)
}

/// Futures of params that never complete, of 1 KiB each. Every attempt to join starts one.
pub(crate) fn params(max_channels: usize) -> usize {
    let started = Arc::new(AtomicUsize::new(0));
    let starting = Arc::clone(&started);
    let peak = peak(|| {
        paused().block_on(async {
            let mut net = Net::new();
            let mut config = Config::default();
            config.max_channels = max_channels;
            let builder = net
                .builder()
                .config(config)
                .join_timeout(Duration::from_secs(1))
                .credentials_timeout(Duration::from_secs(1_000_000))
                .heartbeat_interval(None);
            let (socket, _peer) = net.connected_with(builder).await;
            let room = socket.channel("room:a").params_with(move || {
                starting.fetch_add(1, Ordering::SeqCst);
                async {
                    let held = [7_u8; 1 << 10];
                    std::future::pending::<()>().await;
                    Ok(Payload::json(&held.len()).unwrap())
                }
            });
            let room = room.create().unwrap();
            room.join().await.unwrap_err();
            tokio::time::sleep(Duration::from_secs(5_000)).await;
        });
    });
    let started = started.load(Ordering::SeqCst);
    assert!(started == max_channels || (400..max_channels).contains(&started), "{started}");
    peak
}

/// Connections that the program replaces one after the other, and that don't close.
pub(crate) fn closing() -> usize {
    peak(|| {
        paused().block_on(async {
            let mut net = Net::new();
            let (socket, mut peer) = net.connected().await;
            for _ in 0..500 {
                peer.hang_on_close();
                assert!(socket.reconnect_now());
                peer = net.attempt().await.accept();
                settle().await;
            }
        });
    })
}

pub(crate) fn addresses() -> usize {
    peak(|| {
        paused().block_on(async {
            TestNetwork::set(100_000, None);
            TcpDialer::<TestNetwork>::new().dial("server.test", 80).await.unwrap_err();
        });
    })
}
