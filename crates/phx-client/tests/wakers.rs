//! Tasks whose only owner is their waker: dropping one drops the task and all the handles in it,
//! which may happen in the middle of a call.

mod common;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use common::Net;
use phx_client::{Channel, Socket};
use serde_json::json;

/// A task that is nothing but its waker, and holds a handle.
struct Task {
    _room: Channel,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

/// Runs on another thread what would hang in case of a defect.
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

/// Polls in a task that owns a channel's last handle, and then in another one.
fn poll_in_two_tasks<F: Future + Unpin>(socket: &Socket, future: &mut F) {
    let waker = waker_with_the_last_handle(socket);
    assert!(Pin::new(&mut *future).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    assert!(Pin::new(future).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(socket.existing_channel("room:b").is_none());
}

/// Polls in a task that owns a channel's last handle, and drops the future.
fn poll_and_drop<F: Future + Unpin>(socket: &Socket, mut future: F) {
    let waker = waker_with_the_last_handle(socket);
    assert!(Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    drop(future);
    assert!(socket.existing_channel("room:b").is_none());
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
        poll_in_two_tasks(&socket, &mut socket.opened());
        poll_and_drop(&socket, socket.opened());
    })
    .await;
}
