//! The order of frames, hooks, streams and futures. Many frames arrive in one read, so that no order holds by chance.

use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use phx_client::{
    Channel, ChannelState, CloseCause, Frame, Incoming, Message, Messages, Payload, Presence,
    PresenceChange, PresenceItem, StreamItem, Subscription, TopicFilter,
};
use serde_json::{Value, json};

use crate::common::{Net, Notes, Peer, Watched, settle, soon};

/// Returns a payload's number.
fn number(payload: &Payload) -> u32 {
    payload.decode().unwrap()
}

/// Adds a hook that doubles the numbers of a channel's messages.
fn doubling(room: &Channel) -> Subscription {
    room.on_message(|_, payload| Payload::json(&(number(&payload) * 2)).unwrap())
}

/// Returns the items that are ready, as text.
fn there(stream: &mut Messages<Incoming>) -> Vec<String> {
    let text = |item| match item {
        StreamItem::Message(Incoming::Message(message)) => {
            format!("{} {}", message.event, number(&message.payload))
        }
        StreamItem::Message(Incoming::Reply { status, .. }) => format!("reply {status}"),
        StreamItem::Message(Incoming::Joined { rejoined, .. }) => format!("joined {rejoined}"),
        StreamItem::Gap => "gap".to_owned(),
        other => format!("{other:?}"),
    };
    let mut items = Vec::new();
    while let Some(item) = stream.next().now_or_never() {
        match item {
            Some(item) => items.push(text(item)),
            None => {
                items.push("end".to_owned());
                break;
            }
        }
    }
    items
}

/// Sends a malformed frame of the channel.
fn malformed(peer: &Peer) {
    peer.send_frame(Frame::text(r#"[null,null,"room:a","n",{]"#));
}

/// Sends a message about a join, such as `phx_close` or `phx_error`.
fn about(peer: &Peer, join: &Message, event: &str) {
    let message = Message::new("room:a", event.to_owned(), Payload::empty());
    peer.send(&message.with_join_ref(join.join_ref.clone()));
}

/// Returns a socket with a joined channel, the join, and the server.
async fn joined(net: &mut Net) -> (phx_client::Socket, Channel, Message, Peer) {
    let (socket, room, mut peer) = net.unjoined().await;
    let (joined, join) = tokio::join!(room.join(), peer.accept_join());
    joined.unwrap();
    (socket, room, join, peer)
}

// Hooks run before the futures of the same event resolve.

#[tokio::test(start_paused = true)]
async fn hooks_of_a_join_run_before_its_future_resolves() {
    let (_socket, room, mut peer) = Net::new().unjoined().await;
    let (join, notes) = (Watched::new(), Notes::default());
    let (joining, noted) = (Arc::clone(&join), notes.clone());
    drop(room.on_join(move |_, _| noted.note(format!("{}", joining.is_resolved()))));
    join.set(room.join());
    peer.accept_join().await;
    settle().await;
    assert_eq!(notes.taken(), ["false"]);
    soon(join.take()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn hooks_of_a_rejected_join_run_before_its_futures_resolve() {
    let (_socket, room, mut peer) = Net::new().unjoined().await;
    let (join, push, notes) = (Watched::new(), Watched::new(), Notes::default());
    let (joining, pushed, noted) = (Arc::clone(&join), Arc::clone(&push), notes.clone());
    drop(room.on_close(move |_| {
        noted.note(format!("{} {}", joining.is_resolved(), pushed.is_resolved()));
    }));
    join.set(room.join());
    push.set(room.push("post", &json!({})).reply());
    let message = peer.receive().await;
    peer.reply(&message, "error", &json!({}));
    settle().await;
    assert_eq!(notes.taken(), ["false false"]);
    assert!(soon(join.take()).await.is_err());
    assert!(soon(push.take()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn hooks_of_a_crash_or_a_close_by_the_server_run_before_the_futures_of_pushes_resolve() {
    for event in ["phx_error", "phx_close"] {
        let (_socket, room, join, mut peer) = joined(&mut Net::new()).await;
        let (push, notes) = (Watched::new(), Notes::default());
        let [of_error, of_close] = [(); 2].map(|()| (Arc::clone(&push), notes.clone()));
        drop(room.on_error(move |_| {
            of_error.1.note(format!("phx_error {}", of_error.0.is_resolved()));
        }));
        drop(room.on_close(move |_| {
            of_close.1.note(format!("phx_close {}", of_close.0.is_resolved()));
        }));
        push.set(room.push("post", &json!({})).reply());
        peer.receive().await;
        about(&peer, &join, event);
        settle().await;
        assert_eq!(notes.taken(), [format!("{event} false")]);
        assert!(soon(push.take()).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_of_a_lost_connection_run_in_order_and_before_its_futures_resolve() {
    let mut net = Net::new();
    let (push, ping, notes) = (Watched::new(), Watched::new(), Notes::default());
    let [error, close] = [(); 2].map(|()| (Arc::clone(&push), notes.clone()));
    let pinged = Arc::clone(&ping);
    let builder = net
        .builder()
        .on_close(move |_| {
            close.1.note(format!("close {} {}", close.0.is_resolved(), pinged.is_resolved()));
        })
        .on_error(move |_| error.1.note(format!("error {}", error.0.is_resolved())));
    let (socket, room, mut peer) = net.joined_with(builder).await;
    let (seen, noted) = (Arc::clone(&push), notes.clone());
    drop(room.on_error(move |_| noted.note(format!("channel {}", seen.is_resolved()))));
    push.set(room.push("post", &json!({})).reply());
    peer.receive().await;
    peer.answer_heartbeats = false;
    ping.set(socket.ping());
    peer.receive_heartbeat().await;
    peer.close(CloseCause::io("cable"));
    settle().await;
    assert_eq!(notes.taken(), ["channel false", "error false", "close false false"]);
    assert!(soon(ping.take()).await.is_err());
    assert!(soon(push.take()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_hook_of_every_message_sees_it_before_anybody_else_has_anything_of_it() {
    let (socket, room, mut peer) = Net::new().joined().await;
    let (push, ping, stream) = (Watched::new(), Watched::new(), Watched::new());
    let notes = Notes::default();
    let noted = notes.clone();
    let (pushed, pinged, streamed) = (Arc::clone(&push), Arc::clone(&ping), Arc::clone(&stream));
    let handled = Notes::default();
    let (of_event, in_hook) = (handled.clone(), handled.clone());
    drop(room.on_event("n", move |_| of_event.note("n")));
    drop(socket.on_message(move |message| {
        let seen = match (&*message.topic, &*message.event) {
            ("phoenix", _) => pinged.is_resolved(),
            (_, "n") => streamed.is_resolved() || !in_hook.taken().is_empty(),
            _ => pushed.is_resolved(),
        };
        noted.note(format!("{} {} {seen}", message.topic, message.event));
    }));
    let mut numbers = room.on::<u32>("n");
    stream.set(async move { numbers.next().await });
    push.set(room.push("post", &json!({})).reply());
    let message = peer.receive().await;
    peer.answer_heartbeats = false;
    ping.set(socket.ping());
    let heartbeat = peer.receive_heartbeat().await;
    peer.broadcast("n", &json!(1));
    peer.reply(&message, "ok", &json!({}));
    peer.reply(&heartbeat, "ok", &json!({}));
    settle().await;
    let expected = ["room:a n false", "room:a phx_reply false", "phoenix phx_reply false"];
    assert_eq!(notes.taken(), expected);
    assert_eq!(handled.taken(), ["n"]);
    assert!(soon(stream.take()).await.is_some());
    soon(push.take()).await.unwrap();
    soon(ping.take()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_came_before_a_reply_has_been_handled_and_delivered_when_its_future_resolves() {
    let (_socket, room, mut peer) = Net::new().unjoined().await;
    let notes = Notes::default();
    let events = notes.clone();
    drop(doubling(&room));
    drop(room.on_event("n", move |payload| events.note(format!("n {}", number(payload)))));
    let mut incoming = room.incoming();
    peer.join(&room).await;
    assert_eq!(there(&mut incoming), ["joined false"]);
    let push = room.push("post", &json!({})).acknowledged();
    let message = peer.receive().await;
    peer.broadcast("n", &json!(1));
    peer.broadcast("m", &json!(2));
    peer.reply(&message, "ok", &json!({}));
    push.await.unwrap();
    assert_eq!(there(&mut incoming), ["n 2", "m 4", "reply ok"]);
    assert_eq!(notes.taken(), ["n 2"]);
}

#[tokio::test(start_paused = true)]
async fn what_came_before_the_end_has_been_handled_and_delivered_when_its_hooks_run() {
    let (_socket, room, join, peer) = joined(&mut Net::new()).await;
    let notes = Notes::default();
    let (events, closes) = (notes.clone(), notes.clone());
    drop(doubling(&room));
    let incoming = Arc::new(Mutex::new(room.incoming()));
    drop(room.on_event("n", move |payload| events.note(format!("n {}", number(payload)))));
    drop(room.on_close(move |_| {
        there(&mut incoming.lock().unwrap()).into_iter().for_each(|item| closes.note(item));
    }));
    peer.broadcast("n", &json!(1));
    peer.broadcast("m", &json!(2));
    about(&peer, &join, "phx_close");
    settle().await;
    assert_eq!(notes.taken(), ["n 2", "n 2", "m 4", "end"]);
}

// Hooks before and after other hooks.

#[tokio::test(start_paused = true)]
async fn hooks_run_in_the_order_of_the_wire_whichever_channel_it_is() {
    let mut net = Net::new();
    let (socket, a, join, mut peer) = joined(&mut net).await;
    let b = socket.channel("room:b").create().unwrap();
    peer.join(&b).await;
    let notes = Notes::default();
    for room in [&a, &b] {
        let [event, error, closed, rejoined] = [(); 4].map(|()| notes.clone());
        let topics = [(); 4].map(|()| room.topic().clone());
        let [of_event, of_error, of_close, of_join] = topics;
        drop(room.on_event("n", move |payload| {
            event.note(format!("{of_event} n {}", number(payload)));
        }));
        drop(room.on_error(move |_| error.note(format!("{of_error} error"))));
        drop(room.on_close(move |_| closed.note(format!("{of_close} close"))));
        drop(room.on_join(move |_, _| rejoined.note(format!("{of_join} join"))));
    }
    let of_b = |n: u32| Message::new("room:b", "n", Payload::json(&n).unwrap());
    peer.broadcast("n", &json!(1));
    peer.send(&of_b(2));
    about(&peer, &join, "phx_error");
    peer.send(&of_b(3));
    let rejoin = peer.receive().await;
    peer.send(&of_b(4));
    peer.reply(&rejoin, "ok", &json!({}));
    peer.broadcast("n", &json!(5));
    peer.send(&of_b(6));
    about(&peer, &rejoin, "phx_close");
    peer.send(&of_b(7));
    settle().await;
    let expected = [
        "room:a n 1",
        "room:b n 2",
        "room:a error",
        "room:b n 3",
        "room:b n 4",
        "room:a join",
        "room:a n 5",
        "room:b n 6",
        "room:a close",
        "room:b n 7",
    ];
    assert_eq!(notes.taken(), expected);
}

#[tokio::test(start_paused = true)]
async fn hooks_run_in_the_order_in_which_they_were_registered() {
    let (socket, room, peer) = Net::new().joined().await;
    let notes = Notes::default();
    for n in [1, 2] {
        let [seen, handled] = [(); 2].map(|()| notes.clone());
        drop(socket.on_message(move |_| seen.note(format!("message {n}"))));
        drop(room.on_event("n", move |payload| {
            handled.note(format!("event {n}: {}", number(payload)));
        }));
    }
    let add = |n: u32| move |_: &str, payload: Payload| Payload::json(&(number(&payload) + n));
    drop(room.on_message(move |event, payload| add(1)(event, payload).unwrap()));
    drop(doubling(&room));
    let mut numbers = room.on::<u32>("n").values();
    peer.broadcast("n", &json!(1));
    assert_eq!(soon(numbers.next()).await, Some(4), "one added, then doubled");
    assert_eq!(notes.taken(), ["message 1", "message 2", "event 1: 4", "event 2: 4"]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_removes_itself_runs_once_more_at_the_most() {
    let (_socket, room, peer) = Net::new().joined().await;
    let notes = Notes::default();
    let own = [(); 2].map(|()| Arc::new(Mutex::new(None::<Subscription>)));
    let [event, change] = own.clone();
    let noted = notes.clone();
    let off = |hook: &Mutex<Option<Subscription>>| {
        let hook = hook.lock().unwrap().take();
        hook.into_iter().for_each(Subscription::off);
    };
    let of_event = room.on_event("n", move |_| {
        noted.note("event");
        off(&event);
    });
    let of_change = room.on_message(move |_, payload| {
        off(&change);
        Payload::json(&(number(&payload) + 100)).unwrap()
    });
    *own[0].lock().unwrap() = Some(of_event);
    *own[1].lock().unwrap() = Some(of_change);
    let mut numbers = room.on::<u32>("n").values();
    for n in 0..10 {
        peer.broadcast("n", &json!(n));
    }
    settle().await;
    let events = notes.taken().len();
    assert!((1..=2).contains(&events), "{events}");
    let mut changed = 0;
    for n in 0..10 {
        let got = soon(numbers.next()).await.unwrap();
        changed += u32::from(got == n + 100);
        assert!(got == n || got == n + 100);
    }
    assert!((1..=2).contains(&changed), "{changed}");
}

#[tokio::test(start_paused = true)]
async fn hooks_see_what_they_report() {
    let mut net = Net::new();
    let (socket, room, mut peer) = net.unjoined().await;
    let notes = Notes::default();
    let [of_join, of_error, of_close] = [(); 3].map(|()| room.clone());
    let [join, error, close, open, closed] = [(); 5].map(|()| notes.clone());
    drop(room.on_join(move |response, _| {
        assert_eq!(of_join.join_response().unwrap().unwrap(), *response);
        join.note(format!("{:?} {:?}", of_join.state(), of_join.failure()));
    }));
    drop(room.on_error(move |failure| {
        assert_eq!(of_error.failure().unwrap(), *failure);
        error.note(format!("{:?}", of_error.state()));
    }));
    drop(room.on_close(move |cause| {
        assert_eq!(of_close.close_cause().unwrap(), *cause);
        close.note(format!("{:?}", of_close.state()));
    }));
    let (of_open, of_end) = (socket.clone(), socket.clone());
    drop(socket.on_open(move || open.note(format!("{:?}", of_open.state()))));
    drop(socket.on_close(move |_| closed.note(format!("{:?}", of_end.state()))));
    peer.join(&room).await;
    peer.close(CloseCause::io("cable"));
    let mut peer = net.attempt().await.accept();
    let rejoin = peer.accept_join().await;
    settle().await;
    about(&peer, &rejoin, "phx_close");
    settle().await;
    let expected = ["Joined None", "Errored", "Waiting", "Open", "Joined None", "Closed"];
    assert_eq!(notes.taken(), expected);
    assert_eq!(room.state(), ChannelState::Closed);
}

// Streams.

#[tokio::test(start_paused = true)]
async fn a_channels_stream_has_everything_in_the_order_of_the_wire_with_and_without_hooks() {
    for hooks in ["none", "one event", "every payload"] {
        let (_socket, room, join, mut peer) = joined(&mut Net::new()).await;
        let factor = match hooks {
            "one event" => {
                drop(room.on_event("n", |_| {}));
                1
            }
            "every payload" => {
                drop(doubling(&room));
                2
            }
            _ => 1,
        };
        let mut incoming = room.incoming();
        let pushes = [(); 2].map(|()| room.push("post", &json!({})).acknowledged());
        let messages = [peer.receive().await, peer.receive().await];
        peer.broadcast("n", &json!(1));
        peer.reply(&messages[1], "ok", &json!({}));
        peer.broadcast("m", &json!(2));
        malformed(&peer);
        peer.broadcast("n", &json!(3));
        peer.reply(&messages[0], "ok", &json!({}));
        about(&peer, &join, "phx_error");
        let rejoin = peer.receive().await;
        peer.reply(&rejoin, "ok", &json!({}));
        peer.broadcast("m", &json!(4));
        about(&peer, &rejoin, "phx_close");
        peer.broadcast("n", &json!(5));
        settle().await;
        let text = |event: &str, n: u32| format!("{event} {}", n * factor);
        let expected = [
            text("n", 1),
            "reply ok".to_owned(),
            text("m", 2),
            "gap".to_owned(),
            text("n", 3),
            "reply ok".to_owned(),
            "gap".to_owned(),
            "joined true".to_owned(),
            text("m", 4),
            "end".to_owned(),
        ];
        assert_eq!(there(&mut incoming), expected, "{hooks}");
        for push in pushes {
            push.await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_stream_and_handler_gets_what_the_hooks_have_made_of_a_message() {
    let (_socket, room, peer) = Net::new().joined().await;
    let notes = Notes::default();
    let handled = notes.clone();
    drop(room.on_event("n", move |payload| handled.note(format!("{}", number(payload)))));
    let mut typed = room.on::<u32>("n").values();
    let mut raw = room.on_raw("n").values();
    let mut all = room.messages().values();
    let mut incoming = room.incoming();
    drop(doubling(&room));
    for n in 1..=3 {
        peer.broadcast("n", &json!(n));
    }
    settle().await;
    for n in [2, 4, 6] {
        assert_eq!(soon(typed.next()).await, Some(n));
        assert_eq!(number(&soon(raw.next()).await.unwrap()), n);
        assert_eq!(number(&soon(all.next()).await.unwrap().payload), n);
    }
    assert_eq!(there(&mut incoming), ["n 2", "n 4", "n 6"]);
    assert_eq!(notes.taken(), ["2", "4", "6"]);
}

#[tokio::test(start_paused = true)]
async fn streams_of_topics_and_of_channels_have_what_came_before_a_reply_when_it_resolves() {
    let (socket, room, mut peer) = Net::new().joined().await;
    drop(room.on_event("n", |_| {}));
    let mut topics = socket.topic_messages(TopicFilter::prefix("t"));
    let mut numbers = room.on::<u32>("n");
    let push = room.push("post", &json!({})).acknowledged();
    let message = peer.receive().await;
    for n in 1..=3 {
        peer.send(&Message::new("t", "n", Payload::json(&n).unwrap()));
        if n == 2 {
            peer.send_frame(Frame::text(r#"[null,null,"t","n",{]"#));
        }
        peer.broadcast("n", &json!(n));
    }
    peer.reply(&message, "ok", &json!({}));
    push.await.unwrap();
    let mut seen = Vec::new();
    while let Some(Some(item)) = topics.next().now_or_never() {
        seen.push(item.message().map(|message| number(&message.payload)));
    }
    assert_eq!(seen, [Some(1), Some(2), None, Some(3)], "the gap is where it was");
    for n in 1..=3 {
        let item = numbers.next().now_or_never().unwrap().unwrap();
        assert_eq!(item.message(), Some(n));
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_of_a_reconnect_stands_between_the_messages_of_two_connections() {
    let mut net = Net::new();
    let (socket, room, mut peer) = net.joined().await;
    let mut topics = socket.topic_messages(TopicFilter::topic("t"));
    let mut numbers = room.on::<u32>("n");
    let send = |peer: &Peer, n: u32| {
        peer.send(&Message::new("t", "n", Payload::json(&n).unwrap()));
        peer.broadcast("n", &json!(n));
    };
    send(&peer, 1);
    peer.close(CloseCause::io("cable"));
    let mut peer = net.attempt().await.accept();
    let rejoin = peer.receive().await;
    peer.send(&Message::new("t", "n", Payload::json(&2).unwrap()));
    peer.reply(&rejoin, "ok", &json!({}));
    peer.broadcast("n", &json!(2));
    settle().await;
    for expected in [Some(1), None, Some(2)] {
        let item = topics.next().now_or_never().unwrap().unwrap();
        assert_eq!(item.message().map(|message| number(&message.payload)), expected);
        assert_eq!(numbers.next().now_or_never().unwrap().unwrap().message(), expected);
    }
}

// Presence.

fn present(key: &str) -> Value {
    json!({ key: { "metas": [{ "phx_ref": key }] } })
}

#[tokio::test(start_paused = true)]
async fn the_list_is_in_step_when_hooks_run_and_when_a_later_reply_resolves() {
    let (_socket, room, mut peer) = Net::new().unjoined().await;
    let presence = room.presence::<Value>();
    let mut changes = presence.changes();
    let notes = Notes::default();
    let list = |presence: &Presence<Value>| presence.list_by(|key, _| key.to_owned()).join(",");
    let [joins, leaves, syncs] = [(); 3].map(|()| (notes.clone(), presence.clone()));
    drop(presence.on_join(move |key, _, _| joins.0.note(format!("+{key} {}", list(&joins.1)))));
    drop(presence.on_leave(move |key, _, _| leaves.0.note(format!("-{key} {}", list(&leaves.1)))));
    drop(presence.on_sync(move || syncs.0.note(format!("sync {}", list(&syncs.1)))));
    peer.join(&room).await;
    let push = room.push("post", &json!({})).acknowledged();
    let message = peer.receive().await;
    peer.broadcast("presence_state", &present("ann"));
    peer.broadcast("presence_diff", &json!({ "joins": present("bob"), "leaves": present("ann") }));
    peer.reply(&message, "ok", &json!({}));
    push.await.unwrap();
    assert_eq!(presence.list_by(|key, _| key.to_owned()), ["bob"]);
    let expected = ["+ann ann", "sync ann", "+bob bob", "-ann bob", "sync bob"];
    assert_eq!(notes.taken(), expected);
    let mut seen = Vec::new();
    while let Some(Some(PresenceItem::Change(change))) = changes.next().now_or_never() {
        seen.push(match change {
            PresenceChange::Joined { key, .. } => format!("+{key}"),
            PresenceChange::Left { key, .. } => format!("-{key}"),
            _ => "sync".to_owned(),
        });
    }
    assert_eq!(seen, ["+ann", "sync", "+bob", "-ann", "sync"]);
}

#[tokio::test(start_paused = true)]
async fn a_presence_gets_what_the_hooks_have_made_of_a_message() {
    let (_socket, room, mut peer) = Net::new().unjoined().await;
    drop(room.on_message(|event, payload| match event {
        "presence_state" => Payload::json(&present("changed")).unwrap(),
        _ => payload,
    }));
    let presence = room.presence::<Value>();
    peer.join(&room).await;
    peer.broadcast("presence_state", &present("ann"));
    settle().await;
    assert_eq!(presence.list_by(|key, _| key.to_owned()), ["changed"]);
}
