//! Hooks that call their own socket: no deadlock and no endless loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use phx_client::{CloseCause, ReconnectPolicy};
use serde_json::json;

use crate::common::{Net, Notes, settle, soon};

#[tokio::test(start_paused = true)]
async fn reconnecting_from_on_close_settles() {
    let mut net = Net::new();
    let (socket, mut peer) = net.connected().await;
    let calls = Arc::new(AtomicUsize::new(0));
    let (again, counted) = (socket.clone(), Arc::clone(&calls));
    let hook = socket.on_close(move |_| {
        // A defect would hang this test rather than fail it.
        assert!(counted.fetch_add(1, Ordering::SeqCst) < 100, "it goes round for ever");
        again.reconnect_now();
    });
    socket.reconnect_now();
    peer.receive_close().await;
    let _peer = net.attempt().await.accept();
    settle().await;
    assert!(socket.is_connected());
    assert!(calls.load(Ordering::SeqCst) <= 2, "{calls:?}");
    hook.off();
}

/// Far more calls than the driver makes in the turns of [`settle`].
const LIMIT: usize = 1_000_000;

#[tokio::test(start_paused = true)]
async fn a_hook_that_disconnects_and_connects_for_ever_leaves_room_for_others() {
    let mut net = Net::new();
    let (socket, mut peer) = net.connected().await;
    let calls = Arc::new(AtomicUsize::new(0));
    let (again, counted) = (socket.clone(), Arc::clone(&calls));
    let hook = socket.on_close(move |_| {
        // A defect fails this test instead of hanging it.
        if counted.fetch_add(1, Ordering::SeqCst) < LIMIT {
            drop(again.connect());
            drop(again.disconnect());
        }
    });
    peer.close(CloseCause::io("cable"));
    settle().await;
    hook.off();
    settle().await;
    let before = calls.load(Ordering::SeqCst);
    assert!(before < LIMIT, "no other task had a turn");
    settle().await;
    assert_eq!(calls.load(Ordering::SeqCst), before);
    assert!(before > 1);
}

#[tokio::test(start_paused = true)]
async fn a_connect_does_not_see_the_end_before_it() {
    let mut net = Net::new();
    let socket = net.builder().spawn().unwrap();
    drop(socket.disconnect());
    let connecting = socket.connect();
    let (connected, _peer) = tokio::join!(connecting, async { net.attempt().await.accept() });
    connected.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connect_from_a_hook_of_the_end_waits_for_the_new_connection() {
    let mut net = Net::new();
    let builder = net.builder().reconnect_policy(ReconnectPolicy::never());
    let (socket, room, mut peer) = net.joined_with(builder).await;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let again = socket.clone();
    let hook = room.on_error(move |_| drop(sender.send(again.connect())));
    peer.close(CloseCause::io("cable"));
    let connecting = soon(receiver.recv()).await.unwrap();
    let (connected, _peer) = tokio::join!(connecting, async { net.attempt().await.accept() });
    connected.unwrap();
    hook.off();
}

#[tokio::test(start_paused = true)]
async fn a_message_hook_that_removes_itself_runs_no_more() {
    let (socket, _room, peer) = Net::new().joined().await;
    let notes = Notes::default();
    let seen = notes.clone();
    let own = Arc::new(std::sync::Mutex::new(None::<phx_client::Subscription>));
    let removed = Arc::clone(&own);
    let hook = socket.on_message(move |message| {
        seen.note(&*message.event);
        if let Some(hook) = removed.lock().unwrap().take() {
            hook.off();
        }
    });
    *own.lock().unwrap() = Some(hook);
    for n in 0..10 {
        peer.broadcast("n", &json!(n));
    }
    settle().await;
    assert_eq!(notes.taken(), ["n"]);
}

#[tokio::test(start_paused = true)]
async fn hooks_that_hold_their_channel_let_go_when_it_is_removed() {
    let mut net = Net::new();
    let (socket, room, mut peer) = net.joined().await;
    let held = room.clone();
    drop(room.on_event("n", move |payload| drop(held.push::<()>("echo", payload.clone()))));
    let notes = Notes::default();
    let (closes, also_held) = (notes.clone(), room.clone());
    drop(room.on_close(move |_| closes.note(also_held.topic().to_string())));
    peer.leave(&room).await;
    settle().await;
    assert_eq!(notes.taken(), ["room:a"]);
    // A closed channel can be joined again.
    socket.remove(&room);
    drop((socket, room));
    peer.receive_close().await;
    soon(net.runtime.all_ended()).await;
}
