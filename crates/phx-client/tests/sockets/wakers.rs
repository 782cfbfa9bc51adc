//! Tasks whose only owner is their waker: dropping one drops the task and all the handles in it,
//! which may happen in the middle of a call.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use phx_client::{Channel, Socket};
use serde_json::json;

use crate::common::Net;

/// A task whose only owner is its waker, with a handle in it.
struct Task {
    _room: Channel,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

/// Runs work on another thread, since a defect would block it for ever.
async fn returns(work: impl FnOnce() + Send + 'static) {
    let (done, returned) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    let returned = tokio::time::timeout(std::time::Duration::from_secs(10), returned).await;
    assert_eq!(returned, Ok(Ok(())), "it hangs or panics");
}

#[expect(clippy::unwrap_used, reason = "the topic is free")]
fn waker_with_the_last_handle(socket: &Socket) -> Waker {
    let room = socket.channel("room:b").create().unwrap();
    Waker::from(Arc::new(Task { _room: room }))
}

/// Polls a future in a task that owns a channel's last handle, and then in another task.
fn poll_in_two_tasks<F: Future + Unpin>(socket: &Socket, future: &mut F) {
    let waker = waker_with_the_last_handle(socket);
    assert!(Pin::new(&mut *future).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    assert!(Pin::new(future).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(socket.get_channel("room:b").is_none());
}

/// Polls a future in a task that owns a channel's last handle, and drops it.
fn poll_and_drop<F: Future + Unpin>(socket: &Socket, mut future: F) {
    let waker = waker_with_the_last_handle(socket);
    assert!(Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    drop(future);
    assert!(socket.get_channel("room:b").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_waker_of_a_push_may_own_the_last_handle() {
    let (socket, room, _peer) = Net::new().joined().await;
    returns(move || {
        poll_in_two_tasks(&socket, &mut room.push::<()>("post", &json!({})));
        poll_and_drop(&socket, room.push::<()>("post", &json!({})));
        poll_in_two_tasks(&socket, &mut room.leave());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_waker_of_a_stream_may_own_the_last_handle() {
    let (socket, room, _peer) = Net::new().joined().await;
    returns(move || {
        let mut messages = room.on_raw("n");
        poll_in_two_tasks(&socket, &mut futures::StreamExt::next(&mut messages));
        let mut changes = room.presence::<u8>().changes();
        poll_in_two_tasks(&socket, &mut futures::StreamExt::next(&mut changes));
        let mut status = room.status();
        assert!(futures::FutureExt::now_or_never(status.next()).is_some());
        poll_in_two_tasks(&socket, &mut futures::StreamExt::next(&mut status));
        let mut status = socket.status();
        assert!(futures::FutureExt::now_or_never(status.next()).is_some());
        poll_in_two_tasks(&socket, &mut futures::StreamExt::next(&mut status));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_waker_of_a_wait_may_own_the_last_handle() {
    let mut net = Net::new();
    let socket = net.builder().spawn().unwrap();
    let _attempt = net.attempt().await;
    returns(move || {
        poll_in_two_tasks(&socket, &mut socket.wait_connected());
        poll_and_drop(&socket, socket.wait_connected());
    })
    .await;
}

/// Waker that counts its calls.
#[derive(Default)]
struct Count(std::sync::atomic::AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

/// Three futures for the same event, with separate wakers.
struct Three<F> {
    futures: [F; 3],
    counts: [Arc<Count>; 3],
}

impl<F: Future + Unpin> Three<F> {
    fn waiting(mut futures: [F; 3]) -> Self {
        let counts: [Arc<Count>; 3] = Default::default();
        for (future, count) in futures.iter_mut().zip(&counts) {
            let waker = Waker::from(Arc::clone(count));
            assert!(Pin::new(future).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        Three { futures, counts }
    }

    /// Checks that each of them was woken, and is ready.
    fn all_are_woken(self, what: &str) {
        for (mut future, count) in self.futures.into_iter().zip(self.counts) {
            let times = count.0.load(std::sync::atomic::Ordering::SeqCst);
            assert!(times > 0, "someone who waits for {what} was not woken");
            let polled = Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_ready(), "woken, but {what} isn't there");
        }
    }
}

fn three<T>(make: impl Fn() -> T) -> [T; 3] {
    std::array::from_fn(|_| make())
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waits_for_a_connection_is_woken() {
    let mut net = Net::new();
    let socket = net.builder().spawn().unwrap();
    let attempt = net.attempt().await;
    let mut statuses = three(|| socket.status());
    for status in &mut statuses {
        assert!(futures::FutureExt::now_or_never(status.next()).is_some());
    }
    let opened = Three::waiting(three(|| socket.wait_connected()));
    let changed = Three::waiting(statuses.each_mut().map(futures::StreamExt::next));
    let peer = attempt.accept();
    crate::common::settle().await;
    opened.all_are_woken("the connection");
    changed.all_are_woken("a status of the socket");
    let closed = Three::waiting(three(|| socket.disconnect()));
    crate::common::settle().await;
    closed.all_are_woken("the end");
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waits_for_a_channel_is_woken() {
    let mut net = Net::new();
    let (socket, room, mut peer) = net.unjoined().await;
    let presence = room.presence::<u8>();
    let mut states = three(|| room.status());
    for state in &mut states {
        assert!(futures::FutureExt::now_or_never(state.next()).is_some());
    }
    let mut streams = three(|| room.on_raw("n"));
    let mut changes = three(|| presence.changes());
    let state = Three::waiting(states.each_mut().map(futures::StreamExt::next));
    let joining = room.join();
    crate::common::settle().await;
    state.all_are_woken("a state of the channel");
    peer.accept_join().await;
    joining.await.unwrap();
    let message = Three::waiting(streams.each_mut().map(futures::StreamExt::next));
    let change = Three::waiting(changes.each_mut().map(futures::StreamExt::next));
    let pushes = Three::waiting(three(|| room.push("post", &json!({})).acknowledged()));
    let pings = Three::waiting(three(|| socket.ping()));
    peer.broadcast("n", &json!(1));
    peer.broadcast("presence_state", &json!({}));
    for _ in 0..3 {
        let push = peer.receive().await;
        peer.reply(&push, "ok", &json!({}));
    }
    crate::common::settle().await;
    message.all_are_woken("a message");
    change.all_are_woken("a change of the presence");
    pushes.all_are_woken("a reply");
    pings.all_are_woken("a pong");
    // The end wakes all of them.
    let message = Three::waiting(streams.each_mut().map(futures::StreamExt::next));
    let change = Three::waiting(changes.each_mut().map(futures::StreamExt::next));
    let pushes = Three::waiting(three(|| room.push("post", &json!({})).acknowledged()));
    net.runtime.stop();
    crate::common::settle().await;
    message.all_are_woken("the end of a stream");
    change.all_are_woken("the end of a presence");
    pushes.all_are_woken("the end of a push");
}
