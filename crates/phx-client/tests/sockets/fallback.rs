//! Long-poll takes the place of a WebSocket that doesn't work, and a WebSocket comes back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use phx_client::{
    Channel, CloseCause, CloseCode, ConnectCause, ConnectionState, Counters, LongPollFallback,
    PushCause, Reconnect, ReconnectPolicy, Socket, SocketBuilder, StreamItem, TransportKind,
    UpgradeRejection, events,
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::common::{Attempt, Net, Notes, Peer, settle, soon};

const AFTER: Duration = Duration::from_millis(2_500);
const WS: TransportKind = TransportKind::WebSocket;
const LP: TransportKind = TransportKind::LongPoll;

fn refused(status: u16) -> CloseCause {
    CloseCause::UpgradeRejected(UpgradeRejection::new(status))
}

/// A network whose sockets fall back.
fn net() -> (Net, SocketBuilder) {
    let net = Net::new();
    let builder = net.builder().long_poll_fallback(AFTER);
    (net, builder)
}

/// The next attempt, which is of this kind, and the time until then.
async fn attempt(net: &mut Net, kind: TransportKind) -> (Attempt, Duration) {
    let start = Instant::now();
    let attempt = net.attempt().await;
    assert_eq!(attempt.kind, kind);
    (attempt, start.elapsed())
}

/// A socket that has fallen back because of a failure, with a joined channel.
async fn fallen(net: &mut Net, builder: SocketBuilder) -> (Socket, Channel, Peer) {
    let (socket, room) = unconnected(builder);
    attempt(net, WS).await.0.refuse(CloseCause::io("no route"));
    let mut peer = attempt(net, LP).await.0.accept();
    peer.join(&room).await;
    (socket, room, peer)
}

fn unconnected(builder: SocketBuilder) -> (Socket, Channel) {
    let socket = builder.spawn().unwrap();
    let room = socket.channel("room:a").create().unwrap();
    (socket, room)
}

/// A peer of a WebSocket that has proved itself.
async fn proven(net: &mut Net) -> Peer {
    let mut peer = attempt(net, WS).await.0.accept();
    let ping = peer.receive_heartbeat().await;
    peer.reply(&ping, "ok", &json!({}));
    settle().await;
    peer
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_followed_by_long_poll_at_once() {
    let (mut net, builder) = net();
    let notes = Notes::default();
    let noted = notes.clone();
    let builder = builder.on_close(move |closed| noted.note(closed.cause.to_string()));
    let socket = builder.spawn().unwrap();
    attempt(&mut net, WS).await.0.refuse(refused(502));
    let (long_poll, time) = attempt(&mut net, LP).await;
    assert_eq!(time, Duration::ZERO);
    assert_eq!(socket.transport(), None);
    let _peer = long_poll.accept();
    soon(socket.wait_connected()).await.unwrap();
    assert_eq!(socket.transport(), Some(LP));
    assert_eq!(socket.counters().attempts, 1, "one attempt for the core");
    assert!(notes.taken().is_empty(), "nothing has ended");
}

#[tokio::test(start_paused = true)]
async fn a_web_socket_that_does_not_open_is_given_up() {
    let (mut net, builder) = net();
    let socket = builder.spawn().unwrap();
    let (slow, _) = attempt(&mut net, WS).await;
    let start = Instant::now();
    slow.abandoned().await;
    assert_eq!(start.elapsed(), AFTER);
    let _peer = attempt(&mut net, LP).await.0.accept();
    soon(socket.wait_connected()).await.unwrap();
    assert_eq!((socket.transport(), start.elapsed()), (Some(LP), AFTER));
}

#[tokio::test(start_paused = true)]
async fn a_web_socket_that_swallows_frames_is_replaced() {
    let (mut net, builder) = net();
    let (socket, room) = unconnected(builder);
    let joining = tokio::spawn(room.join());
    let mut swallows = attempt(&mut net, WS).await.0.accept();
    let start = Instant::now();
    let ping = swallows.receive_heartbeat().await;
    assert_eq!(ping.event, events::HEARTBEAT);
    assert_eq!(swallows.receive().await.event, events::JOIN);
    let waits = room.push::<Value>("waits", &json!(1));
    let (long_poll, _) = attempt(&mut net, LP).await;
    assert_eq!(start.elapsed(), AFTER);
    assert_eq!(swallows.receive_close().await.1, "replaced");
    let mut peer = long_poll.accept();
    peer.accept_join().await;
    soon(joining).await.unwrap().unwrap();
    let (answer, ()) = tokio::join!(waits, async {
        let push = peer.receive().await;
        assert_eq!(push.event, "waits");
        peer.reply(&push, "ok", &json!(2));
    });
    assert_eq!(answer.unwrap(), 2, "it was not sent before");
    assert_eq!(socket.transport(), Some(LP));
}

#[tokio::test(start_paused = true)]
async fn any_frame_proves_a_web_socket() {
    let (mut net, builder) = net();
    let socket = builder.heartbeat_interval(None).spawn().unwrap();
    let peer = attempt(&mut net, WS).await.0.accept();
    sleep(AFTER - Duration::from_millis(1)).await;
    peer.broadcast("news", &json!({}));
    sleep(Duration::from_secs(60)).await;
    assert_eq!((socket.transport(), socket.counters().opened), (Some(WS), 1));
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_proves_it_and_an_end_without_one_does_not() {
    for (cause, next) in [
        (CloseCause::frame(CloseCode::RESTART, ""), (WS, Duration::from_secs(1))),
        (CloseCause::io("reset"), (LP, Duration::ZERO)),
    ] {
        let (mut net, builder) = net();
        let one = phx_client::Backoff::steps([Duration::from_secs(1)]);
        let _socket = builder.reconnect(one).spawn().unwrap();
        let mut peer = attempt(&mut net, WS).await.0.accept();
        settle().await;
        peer.close(cause);
        assert_eq!(attempt(&mut net, next.0).await.1, next.1);
    }
}

#[tokio::test(start_paused = true)]
async fn long_poll_is_remembered_until_it_fails() {
    let (mut net, builder) = net();
    let (_socket, _room, mut peer) = fallen(&mut net, builder).await;
    peer.close(CloseCause::io("lost"));
    let mut peer = attempt(&mut net, LP).await.0.accept();
    settle().await;
    peer.close(CloseCause::io("lost"));
    attempt(&mut net, LP).await.0.refuse(CloseCause::io("no route"));
    attempt(&mut net, WS).await;
}

/// An error names the URL of the transport that was tried.
#[tokio::test(start_paused = true)]
async fn an_error_names_the_url_of_long_poll() {
    let mut net = Net::new();
    let connecting = net.builder().transport(LP).connect_with_timeout(Duration::from_secs(3));
    let (failed, ()) = tokio::join!(connecting, async {
        attempt(&mut net, LP).await.0.refuse(refused(502));
    });
    assert_eq!(
        failed.unwrap_err().url.as_deref(),
        Some("http://server.test/socket/longpoll"),
        "no WebSocket was tried"
    );

    let (mut net, builder) = self::net();
    let (socket, _room, mut peer) = fallen(&mut net, builder).await;
    peer.close(CloseCause::io("lost"));
    attempt(&mut net, LP).await.0.refuse(CloseCause::io("no route"));
    let (failed, _attempt) = tokio::join!(
        socket.wait_connected().with_timeout(Duration::from_secs(3)),
        attempt(&mut net, WS)
    );
    assert_eq!(failed.unwrap_err().url.as_deref(), Some("ws://server.test/socket/websocket"));
}

#[tokio::test(start_paused = true)]
async fn long_poll_is_not_remembered_where_a_web_socket_has_worked() {
    let (mut net, builder) = net();
    let _socket = builder.spawn().unwrap();
    let mut peer = proven(&mut net).await;
    peer.close(CloseCause::frame(CloseCode::RESTART, ""));
    // The server is being replaced, and its port is open only for the second.
    attempt(&mut net, WS).await.0.refuse(CloseCause::io("refused"));
    let mut peer = attempt(&mut net, LP).await.0.accept();
    settle().await;
    peer.close(CloseCause::io("lost"));
    attempt(&mut net, WS).await;
}

#[tokio::test(start_paused = true)]
async fn the_schedule_grows_while_both_fail() {
    let (mut net, builder) = net();
    let steps = [1, 2, 5].map(Duration::from_secs);
    let builder = builder.reconnect(phx_client::Backoff::steps(steps));
    let socket = builder.spawn().unwrap();
    for delay in [0, 1, 2, 5, 5] {
        let (web_socket, time) = attempt(&mut net, WS).await;
        assert_eq!(time, Duration::from_secs(delay));
        web_socket.refuse(CloseCause::io("refused"));
        attempt(&mut net, LP).await.0.refuse(CloseCause::io("refused"));
    }
    settle().await;
    assert_eq!(socket.counters().attempts, 5);
}

#[tokio::test(start_paused = true)]
async fn the_schedule_grows_while_web_sockets_swallow_and_long_poll_fails() {
    let (mut net, builder) = net();
    let steps = [1, 2, 5].map(Duration::from_secs);
    let _socket = builder.reconnect(phx_client::Backoff::steps(steps)).spawn().unwrap();
    for delay in [0, 1, 2, 5, 5] {
        let (web_socket, time) = attempt(&mut net, WS).await;
        assert_eq!(time, Duration::from_secs(delay));
        let _swallows = web_socket.accept();
        let (long_poll, time) = attempt(&mut net, LP).await;
        assert_eq!(time, AFTER);
        long_poll.refuse(CloseCause::io("refused"));
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_failures_one_counts() {
    let io = || CloseCause::io("no route");
    let unreachable = CloseCause::connect_failed("no route");
    let table = [
        (Some(io()), io(), unreachable.clone()),
        // Phoenix refuses both: a wrong token.
        (Some(refused(403)), refused(403), refused(403)),
        // A proxy refuses the upgrade.
        (Some(refused(403)), refused(503), refused(503)),
        (Some(refused(502)), refused(403), refused(403)),
        // A server without long-poll.
        (Some(refused(403)), refused(404), refused(403)),
        (Some(io()), refused(404), unreachable.clone()),
        (Some(refused(403)), io(), refused(403)),
        (None, io(), unreachable),
        (None, refused(403), refused(403)),
        (
            None,
            refused(404),
            CloseCause::connect_failed("no WebSocket in time, and the server has no long-poll"),
        ),
    ];
    for (web_socket, long_poll, expected) in table {
        let (mut net, builder) = net();
        let builder = builder.reconnect_policy(ReconnectPolicy::never());
        let connecting = tokio::spawn(builder.connect());
        let (first, _) = attempt(&mut net, WS).await;
        match web_socket {
            Some(cause) => first.refuse(cause),
            None => first.abandoned().await,
        }
        attempt(&mut net, LP).await.0.refuse(long_poll);
        let error = soon(connecting).await.unwrap().unwrap_err();
        assert_eq!(error.cause, ConnectCause::Closed(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_are_asked_for_once_for_both() {
    let (mut net, builder) = net();
    let calls = Notes::default();
    let noted = calls.clone();
    let builder = builder.credentials(move || {
        noted.note("asked");
        async {
            // Longer than a WebSocket may take.
            sleep(Duration::from_secs(5)).await;
            Ok(phx_client::Credentials::new().param("token", "1"))
        }
    });
    let _socket = builder.spawn().unwrap();
    let (web_socket, time) = attempt(&mut net, WS).await;
    assert_eq!(time, Duration::from_secs(5));
    web_socket.refuse(refused(502));
    let (long_poll, _) = attempt(&mut net, LP).await;
    assert!(long_poll.request.url().query().unwrap().starts_with("token=1&"));
    assert_eq!(calls.taken(), ["asked"]);
}

#[tokio::test(start_paused = true)]
async fn the_user_asks_for_a_web_socket() {
    let (mut net, builder) = net();
    let (socket, room, mut peer) = fallen(&mut net, builder).await;
    let mut numbers = room.on::<u32>("n");
    let sent = room.push::<Value>("sent", &json!({}));
    assert_eq!(peer.receive().await.event, "sent");
    assert!(socket.retry_web_socket());
    let cause = soon(sent).await.unwrap_err().cause;
    assert!(matches!(cause, PushCause::Disconnected), "{cause}");
    let unsent = room.push::<Value>("unsent", &json!({}));
    let mut peer = proven(&mut net).await;
    peer.accept_join().await;
    let (answer, ()) = tokio::join!(unsent, async {
        let push = peer.receive().await;
        assert_eq!(push.event, "unsent");
        peer.reply(&push, "ok", &json!({}));
    });
    answer.unwrap();
    assert!(matches!(soon(numbers.next()).await, Some(StreamItem::Gap)));
    assert_eq!(socket.transport(), Some(WS));
    assert!(!socket.retry_web_socket(), "it is open");
    soon(socket.disconnect()).await;
    assert!(!socket.retry_web_socket(), "no connection is wanted");
}

#[tokio::test(start_paused = true)]
async fn a_socket_without_fallback_has_nothing_to_retry() {
    let mut net = Net::new();
    let builder = net.builder().transport(LP);
    let (socket, _room, _peer) = net.joined_with(builder).await;
    assert!(!socket.retry_web_socket());
    assert_eq!(socket.transport(), Some(LP));
}

#[tokio::test(start_paused = true)]
async fn a_web_socket_is_tried_again_after_a_time() {
    let mut net = Net::new();
    let fallback = LongPollFallback::after(AFTER).web_socket_after(Duration::from_secs(60));
    let builder = net.builder().long_poll_fallback(fallback);
    let (socket, _room, mut peer) = fallen(&mut net, builder).await;
    let (web_socket, time) = attempt(&mut net, WS).await;
    assert_eq!(time, Duration::from_secs(60));
    assert_eq!(peer.receive_close().await.1, "replaced");
    web_socket.refuse(refused(502));
    let mut peer = attempt(&mut net, LP).await.0.accept();
    peer.accept_join().await;
    assert_eq!(attempt(&mut net, WS).await.1, Duration::from_secs(60));
    drop(socket);
}

#[tokio::test(start_paused = true)]
async fn a_program_stores_what_the_socket_remembers() {
    let mut net = Net::new();
    let stored = Arc::new(Mutex::new(Vec::new()));
    let store = Arc::clone(&stored);
    let fallback = LongPollFallback::after(AFTER)
        .on_remember(move |remembered| store.lock().unwrap().push(remembered));
    let builder = || net.builder().long_poll_fallback(fallback.clone());
    let (first, second) =
        (builder(), net.builder().long_poll_fallback(fallback.clone().remembered(true)));
    let (socket, _room, _peer) = fallen(&mut net, first).await;
    assert_eq!(std::mem::take(&mut *stored.lock().unwrap()), [true]);
    drop(socket);
    let _socket = second.spawn().unwrap();
    attempt(&mut net, LP).await.0.refuse(CloseCause::io("refused"));
    let _peer = proven(&mut net).await;
    assert_eq!(*stored.lock().unwrap(), [false]);
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_is_no_failure() {
    let (mut net, builder) = net();
    let socket = builder.spawn().unwrap();
    let _unproven = attempt(&mut net, WS).await.0.accept();
    soon(socket.wait_connected()).await.unwrap();
    soon(socket.disconnect()).await;
    sleep(AFTER * 2).await;
    assert_eq!(socket.state(), ConnectionState::Closed);
    let _connecting = tokio::spawn(socket.connect());
    attempt(&mut net, WS).await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_stops_wins() {
    let (mut net, builder) = net();
    let policy = ReconnectPolicy::function(|_, was_open| match was_open {
        true => Reconnect::Stop,
        false => Reconnect::Backoff,
    });
    let socket = builder.reconnect_policy(policy).spawn().unwrap();
    let mut peer = attempt(&mut net, WS).await.0.accept();
    settle().await;
    peer.close(CloseCause::io("reset"));
    settle().await;
    assert_eq!(socket.state(), ConnectionState::Closed);
    let Counters { attempts, .. } = socket.counters();
    assert_eq!(attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_stream_makes_no_web_socket_fail() {
    let (mut net, builder) = net();
    let builder = builder.stream_capacity(2).stall_after(Duration::from_secs(3_600));
    let (socket, room) = unconnected(builder);
    let mut peer = proven(&mut net).await;
    peer.join(&room).await;
    let _forgotten = room.on::<u32>("n");
    (0..2).for_each(|number| peer.broadcast("n", &json!(number)));
    settle().await;
    assert!(socket.reconnect_now());
    // Its frames aren't read while the stream holds back.
    let _peer = attempt(&mut net, WS).await.0.accept();
    sleep(AFTER * 2).await;
    assert_eq!((socket.transport(), socket.counters().opened), (Some(WS), 2));
}

#[tokio::test(start_paused = true)]
async fn no_timer_is_left() {
    let (mut net, builder) = net();
    let socket = builder.heartbeat_interval(None).spawn().unwrap();
    let _peer = proven(&mut net).await;
    sleep(AFTER * 2).await;
    assert_eq!(net.runtime.timers(), 0, "a proven WebSocket needs none");
    assert_eq!(socket.transport(), Some(WS));
}

#[tokio::test(start_paused = true)]
async fn settings_that_cannot_work_are_errors_of_the_builder() {
    let net = Net::new();
    let of = |fallback: LongPollFallback, change: fn(SocketBuilder) -> SocketBuilder| {
        let error = change(net.builder().long_poll_fallback(fallback)).spawn().err()?;
        let ConnectCause::Config(error) = error.cause else { panic!("{error}") };
        Some(error.to_string())
    };
    let short =
        "the setting `long_poll_fallback` must be 1 ms or more, and shorter than `connect_timeout`";
    let after = LongPollFallback::after;
    assert_eq!(of(after(Duration::ZERO), |it| it).as_deref(), Some(short));
    assert_eq!(of(after(Duration::from_secs(20)), |it| it).as_deref(), Some(short));
    let longer = |it: SocketBuilder| it.connect_timeout(Duration::from_secs(21));
    assert_eq!(of(after(Duration::from_secs(20)), longer), None);
    assert_eq!(
        of(after(AFTER).web_socket_after(Duration::ZERO), |it| it).as_deref(),
        Some("the setting `web_socket_after` must be 1 ms or more")
    );
    assert_eq!(of(after(AFTER).web_socket_after(Duration::MAX), |it| it), None);
    assert_eq!(
        of(after(AFTER), |it| it.transport(LP)).as_deref(),
        Some("the setting `transport` must be a WebSocket with `long_poll_fallback`")
    );
    assert_eq!(
        of(after(AFTER), |it| it.connector(super::transports::WebSocketsOnly)).as_deref(),
        Some(
            "the setting `long_poll_fallback` must be used with a connector that supports long-poll: the feature \
             `longpoll` of an adapter other than phx-web"
        )
    );
    let alone = net.builder().transport(LP).connector(super::transports::WebSocketsOnly);
    let Err(error) = alone.spawn() else { panic!("it can't work") };
    assert_eq!(
        error.to_string(),
        "can't connect: the setting `transport` must be one that the connector supports: for long-poll the feature \
         `longpoll` of an adapter other than phx-web"
    );
}
