//! Any end of the driver is reported once to every handle, future, stream and hook.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures::StreamExt;
use phx_client::{
    BoxFuture, Channel, ChannelCloseCause, ChannelState, CloseCause, ConnectCause, ConnectError,
    ConnectionState, Instant, JoinCause, JoinError, LeaveCause, LeaveError, Message, PingError,
    PushCause, PushError, Reconnect, ReconnectPolicy, Runtime, Serializer, Socket, SocketBuilder,
    V2,
};
use serde_json::{Value, json};

use crate::common::{Net, Notes, Peer, settle, soon};
use crate::custom::Custom;

/// V2, but panics for two events.
fn panics() -> impl Serializer {
    Custom {
        encode: |message: &Message| {
            assert!(message.event != "encoded", "this event makes encoding panic");
            V2.encode(message)
        },
        decode: |frame| {
            let message = V2.decode(frame)?;
            assert!(message.event != "decoded", "this event makes decoding panic");
            Ok(message)
        },
    }
}

/// Adds hooks that record their calls.
fn noted(builder: SocketBuilder, notes: &Notes) -> SocketBuilder {
    let (errors, closes) = (notes.clone(), notes.clone());
    builder.on_error(move |error| errors.note(format!("error: {error}"))).on_close(move |closed| {
        closes
            .note(format!("closed: {}, {}, {:?}", closed.cause, closed.was_open, closed.retry_in));
    })
}

fn noted_channel(room: &Channel, notes: &Notes) {
    let notes = notes.clone();
    drop(room.on_close(move |cause| notes.note(format!("channel: {cause:?}"))));
}

const EVERYTHING: [&str; 3] = [
    "channel: Stopped",
    "error: the socket's driver has ended",
    "closed: the socket's driver has ended, true, None",
];

/// Returns a connected socket with a joined channel and hooks.
async fn noted_and_joined(net: &mut Net, notes: &Notes) -> (Socket, Channel, Peer) {
    let builder = noted(net.builder().serializer(panics()), notes);
    let (socket, room, peer) = net.joined_with(builder).await;
    noted_channel(&room, notes);
    (socket, room, peer)
}

/// Checks that nothing is open or joined, and that calls are refused.
async fn is_over(socket: &Socket, room: &Channel) {
    assert_eq!((socket.state(), socket.is_connected()), (ConnectionState::Closed, false));
    assert_eq!(room.state(), ChannelState::Closed);
    assert_eq!(room.close_cause(), Some(ChannelCloseCause::Stopped));
    assert!(!socket.reconnect_now());
    assert!(matches!(
        soon(socket.connect()).await,
        Err(ConnectError { cause: ConnectCause::Stopped, .. })
    ));
    assert!(matches!(
        soon(socket.wait_connected()).await,
        Err(ConnectError { cause: ConnectCause::Stopped, .. })
    ));
    let within = socket.wait_connected().with_timeout(Duration::from_secs(1));
    assert!(matches!(soon(within).await, Err(ConnectError { cause: ConnectCause::Stopped, .. })));
    soon(socket.disconnect()).await;
    assert!(matches!(soon(socket.ping()).await, Err(PingError::InvalidState(_))));
    let refused = room.push::<()>("late", &json!({ "n": 1 })).accepted().unwrap_err();
    assert!(matches!(refused.cause, PushCause::Stopped), "{refused:?}");
    assert_eq!(refused.event(), "late");
    assert_eq!(refused.into_payload().unwrap().as_json(), Some(r#"{"n":1}"#));
    let push = soon(room.push::<Value>("late", &1)).await;
    assert!(matches!(push, Err(PushError { cause: PushCause::Stopped, .. })), "{push:?}");
    assert!(matches!(soon(room.join()).await, Err(JoinError { cause: JoinCause::Stopped, .. })));
    assert!(matches!(soon(room.leave()).await, Err(LeaveError { cause: LeaveCause::Stopped, .. })));
    assert!(matches!(
        socket.channel("room:b").create(),
        Err(JoinError { cause: JoinCause::Stopped, .. })
    ));
    assert!(matches!(
        soon(socket.channel("room:b").join()).await,
        Err(JoinError { cause: JoinCause::Stopped, .. })
    ));
    assert!(soon(room.on_raw("late").next()).await.is_none());
    assert_eq!(soon(socket.status().collect::<Vec<_>>()).await, [ConnectionState::Closed]);
    assert_eq!(soon(room.status().collect::<Vec<_>>()).await, [ChannelState::Closed]);
}

#[tokio::test(start_paused = true)]
async fn an_aborted_task_ends_all_that_waits() {
    let (mut net, notes) = (Net::new(), Notes::default());
    let (socket, room, mut peer) = noted_and_joined(&mut net, &notes).await;
    let second = socket.channel("room:b").create().unwrap();
    let presence = room.presence::<Value>();
    let (mut messages, mut changes) = (room.on_raw("news"), presence.changes());
    let (states, channel_states) = (socket.status(), room.status());
    let third = socket.channel("room:c").create().unwrap();
    peer.join(&third).await;
    let (push, ping, join) = (room.push::<Value>("msg", &1), socket.ping(), second.join());
    let leave = third.leave();
    drop(third);
    let closing = socket.disconnect();
    settle().await;
    soon(closing).await;
    // The connection is wanted again, but the driver is gone.
    let connecting = socket.connect();
    settle().await;
    net.runtime.stop();

    assert!(matches!(
        soon(connecting).await,
        Err(ConnectError { cause: ConnectCause::Stopped, .. })
    ));
    assert!(matches!(soon(push).await, Err(PushError { cause: PushCause::Disconnected, .. })));
    assert_eq!(soon(ping).await, Err(PingError::Disconnected));
    assert!(matches!(soon(join).await, Err(JoinError { cause: JoinCause::Stopped, .. })));
    assert_eq!(soon(leave).await, Ok(()));
    assert!(soon(messages.next()).await.is_none());
    assert!(soon(changes.next()).await.is_none());
    let states = soon(states.collect::<Vec<_>>()).await;
    assert_eq!(states.last(), Some(&ConnectionState::Closed));
    let channel_states = soon(channel_states.collect::<Vec<_>>()).await;
    assert_eq!(channel_states.last(), Some(&ChannelState::Closed));
    let reported = notes.taken();
    assert_eq!(
        reported,
        [
            "closed: disconnected, true, None",
            "channel: Stopped",
            "error: the socket's driver has ended",
            "closed: the socket's driver has ended, false, None",
        ]
    );
    is_over(&socket, &room).await;
    assert_eq!(notes.taken(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_is_shut_down_does_the_same() {
    let (mut net, notes) = (Net::new(), Notes::default());
    let (socket, room, _peer) = noted_and_joined(&mut net, &notes).await;
    let (push, ping) = (room.push::<Value>("msg", &1), socket.ping());
    let (states, channel_states) = (socket.status(), room.status());
    settle().await;
    net.runtime.stop();
    assert!(matches!(soon(push).await, Err(PushError { cause: PushCause::Stopped, .. })));
    assert_eq!(soon(ping).await, Err(PingError::Disconnected));
    let states = soon(states.collect::<Vec<_>>()).await;
    assert_eq!(states, [ConnectionState::Closed], "nothing is open any more");
    let channel_states = soon(channel_states.collect::<Vec<_>>()).await;
    assert_eq!(channel_states, [ChannelState::Closed], "nor joined");
    assert_eq!(notes.taken(), EVERYTHING);
    is_over(&socket, &room).await;
}

#[tokio::test(start_paused = true)]
async fn a_serializer_that_panics_in_the_driver_does_the_same() {
    for event in ["encoded", "decoded"] {
        let (mut net, notes) = (Net::new(), Notes::default());
        let (socket, room, peer) = noted_and_joined(&mut net, &notes).await;
        let mut messages = room.on_raw("news");
        let push = if event == "decoded" {
            let push = room.push::<Value>("msg", &1);
            settle().await;
            peer.broadcast(event, &json!({}));
            push
        } else {
            room.push::<Value>(event, &1)
        };
        assert!(
            matches!(soon(push).await, Err(PushError { cause: PushCause::Stopped, .. })),
            "{event}"
        );
        assert!(soon(messages.next()).await.is_none(), "{event}");
        assert_eq!(notes.taken(), EVERYTHING, "{event}");
        is_over(&socket, &room).await;
        assert!(peer.is_dropped(), "the connection is closed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_panics_does_the_same() {
    let (mut net, notes) = (Net::new(), Notes::default());
    let policy = ReconnectPolicy::function(|_, _| -> Reconnect { panic!("no policy") });
    let builder = noted(net.builder().reconnect_policy(policy), &notes);
    let (socket, room, mut peer) = net.joined_with(builder).await;
    noted_channel(&room, &notes);
    let states = room.status();
    peer.close(CloseCause::io("cable"));
    let states = soon(states.collect::<Vec<_>>()).await;
    assert_eq!(states.last(), Some(&ChannelState::Closed));
    assert_eq!(notes.taken(), EVERYTHING);
    is_over(&socket, &room).await;
}

/// Waker that panics.
struct PanickingWaker(AtomicBool);

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
        panic!("a waker that panics");
    }
}

/// A second panic during unwinding that isn't caught would abort the program.
#[tokio::test(start_paused = true)]
async fn hooks_and_wakers_that_panic_meanwhile_harm_nobody() {
    let (mut net, notes) = (Net::new(), Notes::default());
    let builder = net.builder().serializer(panics()).on_error(|_| panic!("on_error"));
    let builder = builder.on_close(|_| panic!("on_close")).logger(|_| panic!("logger"));
    let (_socket, room, _peer) = net.joined_with(noted(builder, &notes)).await;
    notes.taken();
    drop(room.on_close(|_| panic!("a channel's on_close")));
    noted_channel(&room, &notes);
    let waker = Arc::new(PanickingWaker(AtomicBool::new(false)));
    let as_waker = Waker::from(Arc::clone(&waker));
    let mut first = pin!(room.push::<Value>("msg", &1));
    assert!(first.as_mut().poll(&mut Context::from_waker(&as_waker)).is_pending());
    settle().await;
    let second = room.push::<Value>("encoded", &1);
    assert!(matches!(soon(second).await, Err(PushError { cause: PushCause::Stopped, .. })));
    assert!(waker.0.load(Ordering::SeqCst));
    assert_eq!(notes.taken(), EVERYTHING);
}

#[tokio::test(start_paused = true)]
async fn hooks_see_the_end_and_may_call_anything() {
    let (mut net, notes) = (Net::new(), Notes::default());
    let (socket, room, _peer) = net.joined().await;
    let seen = notes.clone();
    let (in_hook, room_in_hook) = (socket.clone(), room.clone());
    drop(socket.on_close(move |_| {
        seen.note(format!("{:?} {:?}", in_hook.state(), room_in_hook.state()));
        let push = room_in_hook.push::<Value>("msg", &1).accepted();
        seen.note(format!("{}", push.unwrap_err()));
        drop((in_hook.connect(), in_hook.disconnect(), room_in_hook.leave(), in_hook.ping()));
        drop(in_hook.on_open(|| panic!("it never opens again")));
    }));
    net.runtime.stop();
    soon(socket.disconnect()).await;
    settle().await;
    assert_eq!(
        notes.taken(),
        ["Closed Closed", "push of `msg` to `room:a` failed: the socket's driver has ended"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_hooks_hold_is_let_go() {
    let mut net = Net::new();
    let (socket, room, _peer) = net.joined().await;
    let held = Arc::new(());
    let [first, second, third] = std::array::from_fn(|_| Arc::clone(&held));
    drop(socket.on_open(move || drop(Arc::clone(&first))));
    drop(room.on_event("news", move |_| drop(Arc::clone(&second))));
    net.runtime.stop();
    settle().await;
    assert_eq!(Arc::strong_count(&held), 2, "of what is left one is to come");
    drop(socket.on_close(move |_| drop(Arc::clone(&third))));
    assert_eq!(Arc::strong_count(&held), 1, "nor is anything kept that comes too late");
}

#[tokio::test(start_paused = true)]
async fn a_socket_without_a_connection_has_no_end_of_one() {
    let (mut net, notes) = (Net::new(), Notes::default());
    let (socket, _room, _peer) = noted_and_joined(&mut net, &notes).await;
    socket.disconnect().await;
    notes.taken();
    net.runtime.stop();
    settle().await;
    assert_eq!(notes.taken(), ["channel: Stopped", "error: the socket's driver has ended"]);
    assert!(matches!(
        soon(socket.wait_connected()).await,
        Err(ConnectError { cause: ConnectCause::Stopped, .. })
    ));
}

/// As at the end of many programs: handles are dropped, and then the runtime before the driver has finished.
#[tokio::test(start_paused = true)]
async fn nobody_misses_the_driver_of_a_socket_without_handles() {
    let (mut net, notes) = (Net::new(), Notes::default());
    let (socket, room, peer) = noted_and_joined(&mut net, &notes).await;
    peer.hang_on_close();
    drop((socket, room));
    settle().await;
    net.runtime.stop();
    settle().await;
    assert_eq!(notes.taken(), ["closed: the socket's driver has ended, true, None"]);
}

/// A runtime that is shutting down.
#[derive(Debug)]
struct ShutDown(Arc<crate::common::TestRuntime>);

impl Runtime for ShutDown {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self, deadline: Instant) -> BoxFuture<()> {
        self.0.timer(deadline)
    }

    fn spawn(&self, task: BoxFuture<()>) {
        drop(task);
    }
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_runs_nothing_any_more() {
    let (net, notes) = (Net::new(), Notes::default());
    let builder = || noted(net.builder().runtime(ShutDown(net.runtime.clone())), &notes);
    assert_eq!(soon(builder().connect()).await.unwrap_err().cause, ConnectCause::Stopped);
    let socket = builder().spawn().unwrap();
    assert_eq!(socket.state(), ConnectionState::Closed);
    let reported = [
        "error: the socket's driver has ended",
        "closed: the socket's driver has ended, false, None",
    ];
    assert_eq!(notes.taken(), [reported, reported].concat());
}
