//! Messages whose hooks take long don't keep other tasks waiting.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use phx_client::ConnectionState;
use serde_json::json;

use crate::common::{Net, settle};

#[tokio::test(start_paused = true)]
async fn a_wake_ends_when_hooks_take_long() {
    let mut net = Net::new();
    let (_socket, room, peer) = net.joined().await;
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let _hook = room.on_event("x", move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        // The clock goes on at the first poll.
        let _ = tokio::time::advance(Duration::from_millis(1)).now_or_never();
    });
    for _ in 0..512 {
        peer.broadcast("x", &json!({}));
    }
    // Another task that always wants to run: how many messages come between two of its turns.
    let (mut last, mut most) = (0, 0);
    let other = tokio::spawn(poll_fn(move |cx| {
        let now = seen.load(Ordering::Relaxed);
        most = most.max(now - last);
        last = now;
        if now == 512 {
            return Poll::Ready(most);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
    let most = other.await.unwrap();
    assert!(most <= 64, "{most} messages in one wake");
}

/// What waits behind slow hooks proves that the peer is alive: it is read before a heartbeat counts as
/// unanswered.
#[tokio::test(start_paused = true)]
async fn hooks_that_take_long_cost_no_connection() {
    for hook_takes in [50, 200, 900].map(Duration::from_millis) {
        let mut net = Net::new();
        let (socket, room, mut peer) = net.joined().await;
        let seen = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&seen);
        let _hook = room.on_event("x", move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            let _ = tokio::time::advance(hook_takes).now_or_never();
        });
        let heartbeat = peer.receive_heartbeat().await;
        let frames = Duration::from_secs(20).as_millis() / hook_takes.as_millis();
        for _ in 0..frames {
            peer.broadcast("x", &json!({}));
        }
        peer.reply(&heartbeat, "ok", &json!({}));
        let mut status = socket.status();
        while seen.load(Ordering::Relaxed) < frames as usize {
            tokio::task::yield_now().await;
            assert_eq!(socket.state(), ConnectionState::Open, "{hook_takes:?}");
        }
        settle().await;
        assert_eq!(status.next().await, Some(ConnectionState::Open));
        let counters = socket.counters();
        assert_eq!((counters.heartbeats_missed, counters.opened), (0, 1), "{hook_takes:?}");
    }
}
