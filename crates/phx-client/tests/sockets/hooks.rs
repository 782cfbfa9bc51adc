//! Hooks: their order, their removal, and panics in them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use phx_client::{
    ChannelCloseCause, CloseCause, CloseCode, ConnectionState, Frame, LogKind, Message, Payload,
    Serializer, Socket, SocketError, UpgradeRejection, V2,
};
use serde_json::json;

use crate::common::{Net, Notes, Watched, settle, soon};
use crate::custom::Custom;

#[tokio::test(start_paused = true)]
async fn socket_hooks_report_opens_closes_and_errors() {
    let mut net = Net::new();
    let notes = Notes::default();
    let (opens, closes, errors) = (notes.clone(), notes.clone(), notes.clone());
    let builder = net
        .builder()
        .on_open(move || opens.note("open"))
        .on_error(move |error| match error {
            SocketError::Malformed(_) => errors.note("malformed"),
            error => errors.note(format!("error: {error}")),
        })
        .on_close(move |closed| {
            closes.note(format!("{}, retry {}", closed.cause, closed.retry_in.is_some()));
        });
    let (socket, mut peer) = net.connected_with(builder).await;
    peer.send_frame(Frame::text("garbage"));
    settle().await;
    peer.close(CloseCause::frame(CloseCode::RESTART, "bye"));
    let mut peer = net.attempt().await.accept();
    settle().await;
    peer.close(CloseCause::io("cable"));
    settle().await;
    socket.disconnect().await;
    assert_eq!(
        notes.taken(),
        [
            "open",
            "malformed",
            "closed by the peer with code 1012: bye, retry true",
            "open",
            "error: connection lost: cable",
            "connection lost: cable, retry true",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_message_hook_of_a_socket_sees_everything_that_comes() {
    let (socket, room, mut peer) = Net::new().joined().await;
    let notes = Notes::default();
    let seen = notes.clone();
    let hook = socket.on_message(move |message| seen.note(&*message.event));
    let push = room.push("post", &json!({})).acknowledged();
    let message = peer.receive().await;
    peer.broadcast("news", &json!({}));
    peer.reply(&message, "ok", &json!({}));
    push.await.unwrap();
    hook.off();
    peer.broadcast("more", &json!({}));
    settle().await;
    assert_eq!(notes.taken(), ["news", "phx_reply"]);
}

#[tokio::test(start_paused = true)]
async fn channel_hooks_report_joins_errors_and_the_end() {
    let mut net = Net::new();
    let (_socket, room, mut peer) = net.unjoined().await;
    let notes = Notes::default();
    let (joins, errors, closes) = (notes.clone(), notes.clone(), notes.clone());
    drop(room.on_join(move |response, rejoined| joins.note(format!("{response:?} {rejoined}"))));
    drop(room.on_error(move |error| errors.note(error.cause.to_string())));
    drop(room.on_close(move |cause| {
        assert_eq!(cause, &ChannelCloseCause::Left);
        closes.note("closed");
    }));
    peer.join(&room).await;
    peer.close(CloseCause::io("cable"));
    let mut peer = net.attempt().await.accept();
    peer.accept_join().await;
    settle().await;
    peer.leave(&room).await;
    settle().await;
    assert_eq!(
        notes.taken(),
        [
            "Payload::Json(2 bytes) false",
            "the connection ended",
            "Payload::Json(2 bytes) true",
            "closed"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_handler_is_called_until_it_is_off() {
    let (_socket, room, peer) = Net::new().joined().await;
    let notes = Notes::default();
    let (first, second) = (notes.clone(), notes.clone());
    let off = room.on_event("n", move |payload| first.note(format!("first {}", payload.len())));
    let _stays = room.on_event("n", move |_| second.note("second"));
    peer.broadcast("n", &json!(1));
    peer.broadcast("other", &json!(1));
    settle().await;
    off.off();
    peer.broadcast("n", &json!(1));
    settle().await;
    assert_eq!(notes.taken(), ["first 1", "second", "second"]);
}

#[tokio::test(start_paused = true)]
async fn a_panicking_handler_disturbs_nobody() {
    let (_socket, room, peer) = Net::new().joined().await;
    let notes = Notes::default();
    let after = notes.clone();
    drop(room.on_message(|_, _| panic!("a bug")));
    drop(room.on_event("n", |_| panic!("a bug")));
    drop(room.on_event("n", move |payload| after.note(payload.as_json().unwrap_or_default())));
    let mut numbers = room.on::<u32>("n").values();
    peer.broadcast("n", &json!(1));
    peer.broadcast("n", &json!(2));
    assert_eq!(soon(numbers.next()).await, Some(1));
    assert_eq!(soon(numbers.next()).await, Some(2));
    assert_eq!(notes.taken(), ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_use_and_drop_handles() {
    let (socket, room, mut peer) = Net::new().joined().await;
    let held = Mutex::new(Some(room.clone()));
    drop(room.on_event("n", move |payload| {
        if let Some(room) = held.lock().unwrap().take() {
            room.push("echo", payload.clone()).detach().unwrap();
            drop(room.leave());
        }
    }));
    drop(room);
    peer.broadcast("n", &json!(1));
    assert_eq!(&*peer.receive().await.event, "echo");
    assert_eq!(&*peer.receive().await.event, "phx_leave");
    settle().await;
    assert!(socket.get_channel("room:a").is_none());
}

#[tokio::test(start_paused = true)]
async fn the_logger_gets_kind_text_and_data_but_no_params() {
    let mut net = Net::new();
    let notes = Notes::default();
    let log = notes.clone();
    let builder = net.builder().param("token", "secret").logger(move |record| {
        log.note(format!(
            "{} {} {}",
            record.kind,
            record.message,
            record.data.as_ref().and_then(Payload::as_json).unwrap_or_default()
        ));
        assert_ne!(record.kind, LogKind::Error);
    });
    let (_socket, room, mut peer) = net.joined_with(builder).await;
    room.push("post", &json!(1)).detach().unwrap();
    peer.receive().await;
    peer.broadcast("n", &json!(2));
    settle().await;
    assert_eq!(
        notes.taken(),
        ["transport opened ", "channel room:a joined ", "push room:a post 1", "receive room:a n 2"]
    );
}

#[tokio::test(start_paused = true)]
async fn hooks_of_a_disconnect_run_before_its_future_resolves() {
    let mut net = Net::new();
    let (watched, notes) = (Watched::new(), Notes::default());
    let (seen, noted) = (Arc::clone(&watched), notes.clone());
    let builder = net.builder().on_close(move |_| noted.note(format!("{}", seen.is_resolved())));
    let (socket, _peer) = net.connected_with(builder).await;
    watched.set(socket.disconnect());
    settle().await;
    assert_eq!(notes.taken(), ["false"]);
    soon(watched.take()).await;
}

#[tokio::test(start_paused = true)]
async fn hooks_of_a_refused_connect_run_before_its_future_resolves() {
    let mut net = Net::new();
    let (watched, notes) = (Watched::new(), Notes::default());
    let (on_error, on_close) = (Arc::clone(&watched), Arc::clone(&watched));
    let (errors, closes) = (notes.clone(), notes.clone());
    let socket = net
        .builder()
        .on_error(move |_| errors.note(format!("error {}", on_error.is_resolved())))
        .on_close(move |_| closes.note(format!("close {}", on_close.is_resolved())))
        .spawn()
        .unwrap();
    watched.set(socket.connect());
    net.attempt().await.refuse(CloseCause::UpgradeRejected(UpgradeRejection::new(403)));
    settle().await;
    assert_eq!(notes.taken(), ["error false", "close false"]);
    assert!(soon(watched.take()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn hooks_of_an_opened_connection_run_before_its_future_resolves() {
    let mut net = Net::new();
    let (watched, notes) = (Watched::new(), Notes::default());
    let (seen, noted) = (Arc::clone(&watched), notes.clone());
    let builder = net.builder().on_open(move || noted.note(format!("{}", seen.is_resolved())));
    let socket = builder.spawn().unwrap();
    watched.set(socket.connect());
    let _peer = net.attempt().await.accept();
    settle().await;
    assert_eq!(notes.taken(), ["false"]);
    soon(watched.take()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn hooks_of_a_channels_end_run_before_its_futures_resolve() {
    let (_socket, room, mut peer) = Net::new().joined().await;
    let (leave, push, notes) = (Watched::new(), Watched::new(), Notes::default());
    let (leaving, pushed, noted) = (Arc::clone(&leave), Arc::clone(&push), notes.clone());
    drop(room.on_close(move |_| {
        noted.note(format!("{} {}", leaving.is_resolved(), pushed.is_resolved()));
    }));
    push.set(room.push("post", &json!({})).reply());
    leave.set(room.leave());
    let _ = peer.receive().await;
    let message = peer.receive().await;
    peer.reply(&message, "ok", &json!({}));
    settle().await;
    assert_eq!(notes.taken(), ["false false"]);
    soon(leave.take()).await.unwrap();
    assert!(soon(push.take()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_during_a_loss_waits_for_the_hooks_of_the_loss() {
    let mut net = Net::new();
    let (watched, notes) = (Watched::new(), Notes::default());
    let (seen, noted) = (Arc::clone(&watched), notes.clone());
    let builder = net.builder().on_close(move |_| noted.note(format!("{}", seen.is_resolved())));
    let (socket, room, mut peer) = net.joined_with(builder).await;
    let (leaving, slot) = (socket.clone(), Arc::clone(&watched));
    // The channel's hook runs first, and the socket is waiting for its next attempt by then.
    let hook = room.on_error(move |_| slot.set(leaving.disconnect()));
    peer.close(CloseCause::io("cable"));
    settle().await;
    assert_eq!(notes.taken(), ["false"]);
    soon(watched.take()).await;
    assert_eq!(socket.state(), ConnectionState::Closed);
    hook.off();
}

#[tokio::test(start_paused = true)]
async fn a_second_disconnect_waits_for_the_hooks_of_the_first() {
    let mut net = Net::new();
    let (second, notes) = (Watched::new(), Notes::default());
    let (slot, noted) = (Arc::clone(&second), notes.clone());
    let disconnecting: Arc<Mutex<Option<Socket>>> = Arc::default();
    let again = Arc::clone(&disconnecting);
    let builder = net.builder().on_close(move |_| {
        if let Some(socket) = again.lock().unwrap().take() {
            slot.set(socket.disconnect());
            noted.note(format!("{}", slot.is_resolved()));
        }
    });
    let (socket, _peer) = net.connected_with(builder).await;
    *disconnecting.lock().unwrap() = Some(socket.clone());
    soon(socket.disconnect()).await;
    soon(second.take()).await;
    assert_eq!(notes.taken(), ["false"]);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_hooks_see_is_decoded_once() {
    let mut net = Net::new();
    let decoded = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&decoded);
    let counting = Custom {
        encode: |message: &Message| V2.encode(message),
        decode: move |frame| {
            count.fetch_add(1, Ordering::SeqCst);
            V2.decode(frame)
        },
    };
    let (socket, room, peer) = net.joined_with(net.builder().serializer(counting)).await;
    let (seen, notes) = (Notes::default(), Notes::default());
    let (note, errors) = (seen.clone(), notes.clone());
    drop(socket.on_message(move |message| note.note(message.event.to_string())));
    drop(socket.on_error(move |error| errors.note(error.to_string())));
    let before = decoded.load(Ordering::SeqCst);
    let mut stream = room.on_raw("n");
    peer.broadcast("n", &json!(1));
    peer.send_frame(Frame::text("not a message"));
    settle().await;
    assert!(stream.next().now_or_never().is_some());
    assert_eq!(decoded.load(Ordering::SeqCst) - before, 2);
    assert_eq!((seen.taken().len(), notes.taken().len()), (1, 1));
}
