//! A runtime that reports when the program is suspended, hidden and active: what the client does then.

use std::sync::{Arc, Mutex};

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use phx_client::{BoxFuture, BoxStream, CloseCause, Instant, Lifecycle, Runtime, SocketBuilder};
use serde_json::json;

use crate::common::{Net, Notes, TestRuntime, settle, soon};

/// A runtime whose program is hidden and shown by the test.
#[derive(Debug)]
struct InPage(Arc<TestRuntime>, Mutex<Option<UnboundedReceiver<Lifecycle>>>);

impl Runtime for InPage {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self, deadline: Instant) -> BoxFuture<()> {
        self.0.timer(deadline)
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.0.spawn(task);
    }

    fn lifecycle(&self) -> Option<BoxStream<Lifecycle>> {
        Some(self.1.lock().unwrap().take()?.boxed())
    }
}

fn page(net: &Net) -> (SocketBuilder, UnboundedSender<Lifecycle>) {
    let (page, changes) = unbounded();
    (net.builder().runtime(InPage(net.runtime.clone(), Mutex::new(Some(changes)))), page)
}

#[tokio::test(start_paused = true)]
async fn a_suspended_program_disconnects_and_an_active_one_is_back_at_once() {
    let (mut net, notes) = (Net::new(), Notes::default());
    let (builder, page) = page(&net);
    let seen = notes.clone();
    let builder = builder.on_close(move |closed| seen.note(closed.cause.to_string()));
    let (socket, room, mut peer) = net.joined_with(builder).await;

    page.unbounded_send(Lifecycle::Suspending).unwrap();
    assert!(soon(peer.receive_or_close()).await.is_none());
    assert_eq!(notes.taken(), [CloseCause::Suspended.to_string()]);
    let waiting = socket.wait_connected();
    let push = room.push("hello", &json!({})).acknowledged();
    tokio::time::advance(std::time::Duration::from_secs(9)).await;
    settle().await;
    assert_eq!(socket.counters().attempts, 1, "no attempt while the program is suspended");

    page.unbounded_send(Lifecycle::Active).unwrap();
    let mut peer = net.attempt().await.accept();
    soon(waiting).await.unwrap();
    soon(peer.accept_join()).await;
    let hello = soon(peer.receive()).await;
    peer.reply(&hello, "ok", &json!({}));
    soon(push).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_program_that_is_active_again_asks_its_peer() {
    let mut net = Net::new();
    let (builder, page) = page(&net);
    let (socket, _room, mut peer) = net.joined_with(builder).await;
    page.unbounded_send(Lifecycle::Active).unwrap();
    let start = tokio::time::Instant::now();
    let heartbeat = peer.receive_heartbeat().await;
    assert_eq!(start.elapsed().as_millis(), 0);
    peer.reply(&heartbeat, "ok", &json!({}));
    // A stream that has ended is no change.
    drop(page);
    settle().await;
    assert!(socket.is_connected());
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_changes_stops_nothing_else() {
    let mut net = Net::new();
    let (builder, page) = page(&net);
    let (_socket, room, mut peer) = net.joined_with(builder).await;
    for _ in 0..10_000 {
        page.unbounded_send(Lifecycle::Active).unwrap();
    }
    let push = room.push("hello", &json!({})).acknowledged();
    let mut heartbeats = 0;
    loop {
        let message = soon(peer.receive()).await;
        peer.reply(&message, "ok", &json!({}));
        match &*message.event {
            "heartbeat" => heartbeats += 1,
            event => break assert_eq!(event, "hello"),
        }
    }
    soon(push).await.unwrap();
    assert!(heartbeats <= 1, "{heartbeats}");
}
