//! Wakers and destructors are foreign code: they run without the lock, and a panic in one affects nothing else.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures::{FutureExt as _, StreamExt};
use phx_client::proto::{Bytes, V2};
use phx_client::{
    ConnectionState, Message, Payload, Serializer, Socket, StreamItem, StreamOptions,
    StreamOverflow,
};
use serde_json::{Value, json};

use crate::common::{Net, settle, soon};
use crate::custom::Custom;

/// Memory of the user. While it is dropped, another thread must be able to use the socket.
struct Memory {
    bytes: Bytes,
    socket: Weak<std::sync::OnceLock<Socket>>,
    was_locked: Arc<AtomicBool>,
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let Some(socket) = self.socket.upgrade().and_then(|socket| socket.get().cloned()) else {
            return;
        };
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let _ = socket.state();
            let _ = done.send(());
        });
        if is_done.recv_timeout(Duration::from_secs(5)).is_err() {
            self.was_locked.store(true, Ordering::SeqCst);
        }
    }
}

/// Returns a joined channel whose payloads are [`Memory`].
async fn joined_with_memory(
    net: &mut Net,
) -> (Socket, phx_client::Channel, crate::common::Peer, Arc<AtomicBool>, impl Sized) {
    let (cell, was_locked) = (Arc::default(), Arc::<AtomicBool>::default());
    let (socket, locked) =
        (Arc::<std::sync::OnceLock<Socket>>::clone(&cell), Arc::clone(&was_locked));
    let own = Custom {
        encode: |message: &Message| V2.encode(message),
        decode: move |frame| {
            let mut message = V2.decode(frame)?;
            let memory = Memory {
                bytes: Bytes::copy_from_slice(message.payload.as_bytes()),
                socket: Arc::downgrade(&socket),
                was_locked: Arc::clone(&locked),
            };
            message.payload = Payload::binary(Bytes::from_owner(memory));
            Ok(message)
        },
    };
    let builder = net.builder().serializer(own).max_answer_bytes(40);
    let (socket, room, peer) = net.joined_with(builder).await;
    assert!(cell.set(socket.clone()).is_ok());
    settle().await;
    (socket, room, peer, was_locked, cell)
}

#[tokio::test(start_paused = true)]
async fn messages_that_a_stream_loses_are_dropped_without_the_lock() {
    for overflow in [None, Some(StreamOverflow::DropOldest), Some(StreamOverflow::DropNewest)] {
        let mut net = Net::new();
        let (_socket, room, mut peer, was_locked, _cell) = joined_with_memory(&mut net).await;
        let options = |overflow| StreamOptions::new().capacity(1).overflow(overflow);
        let stream = overflow.map(|overflow| room.on_raw_with("n", options(overflow)));
        let mut ended = room.on_raw("n");
        for n in 0..4 {
            peer.broadcast("n", &json!(n));
            settle().await;
            let _ = ended.next().now_or_never();
        }
        drop(ended);
        peer.send(&Message::new("elsewhere", "n", Payload::json(&1).unwrap()));
        settle().await;
        peer.close(phx_client::CloseCause::io("cable"));
        settle().await;
        assert!(!was_locked.load(Ordering::SeqCst), "{overflow:?}");
        drop(stream);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_replaced_are_dropped_without_the_lock() {
    let mut net = Net::new();
    let (_socket, room, mut peer, was_locked, _cell) = joined_with_memory(&mut net).await;
    let large = json!({ "text": "x".repeat(2_000) });
    // A reply without a request, and two replies of which the second is over the limit.
    room.push("post", &json!({})).detach().unwrap();
    let replied = [(); 2].map(|()| room.push("post", &json!({})).reply());
    for _ in 0..3 {
        let push = peer.receive().await;
        peer.reply(&push, "ok", &large);
        settle().await;
    }
    assert!(!was_locked.load(Ordering::SeqCst), "replies");
    drop(replied);
    // Rejections of several rejoins, and then a join that replaces them.
    let crash = Message::new("room:a", "phx_error", Payload::json(&large).unwrap());
    peer.send(&crash);
    for status in ["error", "error", "ok"] {
        let join = peer.receive().await;
        peer.reply(&join, status, &large);
        settle().await;
    }
    assert!(!was_locked.load(Ordering::SeqCst), "failures");
    // A close with a payload, and the next join that replaces it.
    peer.send(&Message::new("room:a", "phx_close", Payload::json(&large).unwrap()));
    settle().await;
    let join = room.join();
    settle().await;
    assert!(!was_locked.load(Ordering::SeqCst), "ends");
    drop(join);
}

/// Waker that panics.
struct Broken;

impl Wake for Broken {
    fn wake(self: Arc<Self>) {
        panic!("this waker panics");
    }
}

fn poll_broken<F: Future + Unpin>(future: &mut F) {
    let waker = Waker::from(Arc::new(Broken));
    assert!(Pin::new(future).poll(&mut Context::from_waker(&waker)).is_pending());
}

/// Waker that records its call.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_ends_nothing_else() {
    let mut net = Net::new();
    let (socket, room, peer) = net.joined().await;
    let presence = room.presence::<Value>();
    let mut first = room.on_raw("n");
    let mut second = room.on_raw("n");
    let mut change = presence.changes();
    poll_broken(&mut StreamExt::next(&mut first));
    poll_broken(&mut StreamExt::next(&mut change));
    let woken = Arc::<Woken>::default();
    let waker = Waker::from(Arc::clone(&woken));
    assert!(second.poll_next_unpin(&mut Context::from_waker(&waker)).is_pending());
    peer.broadcast("n", &json!(1));
    peer.broadcast("presence_state", &json!({}));
    settle().await;
    assert!(woken.0.load(Ordering::SeqCst), "the waker after it was called");
    assert_eq!(socket.state(), ConnectionState::Open);
    let item = first.next().now_or_never();
    assert!(matches!(item, Some(Some(StreamItem::Message(_)))), "{item:?}");
    assert!(change.next().now_or_never().is_some());
    // The same during a user's call: the leave closes the streams of this channel.
    poll_broken(&mut StreamExt::next(&mut first));
    let mut status = room.status();
    assert!(status.next().now_or_never().is_some());
    poll_broken(&mut StreamExt::next(&mut status));
    socket.remove(&room);
    assert!(matches!(first.next().now_or_never(), Some(None)));
}

#[tokio::test(start_paused = true)]
async fn hooks_of_a_closed_channel_are_not_kept_after_the_driver() {
    let mut net = Net::new();
    let (socket, room, mut peer) = net.joined().await;
    let leave = room.leave();
    let message = peer.receive().await;
    peer.reply(&message, "ok", &json!({}));
    soon(leave).await.unwrap();
    net.runtime.stop();
    settle().await;
    let held = Arc::new(());
    let in_hook = Arc::clone(&held);
    let _ = room.on_join(move |_, _| drop(Arc::clone(&in_hook)));
    assert_eq!(Arc::strong_count(&held), 1);
    drop(socket);
}
