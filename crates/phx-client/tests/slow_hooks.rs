//! Messages whose hooks take long don't keep other tasks waiting.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use common::Net;
use futures::FutureExt;
use serde_json::json;

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
