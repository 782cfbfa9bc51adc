//! Settings of a socket: each by `connect`, `connect_with_timeout` and `spawn`.

use std::collections::BTreeSet;
use std::future::pending;
use std::time::Duration;

use phx_client::{
    Backoff, BoxFuture, CallError, Channel, ChannelState, CloseCause, CloseCode, ClosePolicy,
    Config, ConnectCause, ConnectError, Credentials, Frame, JoinCause, JoinError, LeaveCause,
    PushCause, PushError, PushOverflow, ReconnectPolicy, RejoinPolicy, Request, Socket,
    SocketBuilder, StreamItem, TransportKind, V1, events,
};
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{THREE, settings_in, time_of};
use crate::common::{Net, Notes, Peer, settle, soon};

/// A path from a builder to a socket.
#[derive(Clone, Copy, Debug)]
enum Path {
    Connect,
    ConnectWithin,
    Spawn,
}

const PATHS: [Path; 3] = [Path::Connect, Path::ConnectWithin, Path::Spawn];

impl Path {
    async fn open(self, builder: SocketBuilder) -> Result<Socket, ConnectError> {
        match self {
            Path::Connect => builder.connect().await,
            Path::ConnectWithin => builder.connect_with_timeout(Duration::from_secs(3600)).await,
            Path::Spawn => {
                let socket = builder.spawn()?;
                socket.wait_connected().await?;
                Ok(socket)
            }
        }
    }

    fn start(self, builder: SocketBuilder) -> JoinHandle<Result<Socket, ConnectError>> {
        tokio::spawn(self.open(builder))
    }

    async fn connected(self, net: &mut Net, builder: SocketBuilder) -> (Socket, Peer) {
        let (socket, peer) =
            tokio::join!(self.open(builder), async { net.attempt().await.accept() });
        (socket.unwrap(), peer)
    }

    async fn joined(self, net: &mut Net, builder: SocketBuilder) -> (Socket, Channel, Peer) {
        let (socket, mut peer) = self.connected(net, builder).await;
        let room = socket.channel("room:a").create().unwrap();
        peer.join(&room).await;
        (socket, room, peer)
    }

    /// Returns the request of the first attempt.
    async fn request(self, change: impl FnOnce(SocketBuilder) -> SocketBuilder) -> Request {
        let mut net = Net::new();
        let _socket = self.start(change(net.builder()));
        net.attempt().await.request
    }

    /// Returns the proxy of the first attempt.
    async fn proxy(self, change: impl FnOnce(SocketBuilder) -> SocketBuilder) -> Option<String> {
        let mut net = Net::new();
        let _socket = self.start(change(net.builder()));
        net.attempt().await.proxy.map(|proxy| proxy.to_string())
    }

    /// Returns the time from a failed attempt to the next one.
    async fn first_delay(self, change: impl FnOnce(SocketBuilder) -> SocketBuilder) -> Duration {
        let mut net = Net::new();
        let _socket = self.start(change(net.builder()));
        net.attempt().await.refuse(CloseCause::io("no route"));
        time_of(net.attempt()).await.1
    }

    /// From the opening of a connection on which no heartbeat is answered to its end. With `news` a
    /// frame comes every second.
    async fn until_dead(
        self,
        news: bool,
        change: impl FnOnce(SocketBuilder) -> SocketBuilder,
    ) -> Duration {
        let mut net = Net::new();
        let (sender, mut closed) = unbounded_channel();
        let builder = change(net.builder()).on_close(move |_| sender.send(()).unwrap());
        let (_socket, peer) = self.connected(&mut net, builder).await;
        let start = Instant::now();
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                _ = closed.recv() => return start.elapsed(),
                _ = every.tick() => if news { peer.broadcast("news", &json!({})) },
            }
        }
    }
}

type Check = fn(Path) -> BoxFuture<()>;

#[rustfmt::skip]
const TABLE: &[(&str, Check)] = &[
    ("runtime", |path| Box::pin(runtime(path))),
    ("connector", |path| Box::pin(connector(path))),
    ("seed", |path| Box::pin(async move {
        let delay = path.first_delay(|builder| builder.seed(11)).await;
        assert_eq!(path.first_delay(|builder| builder.seed(11)).await, delay);
        assert_ne!(path.first_delay(|builder| builder.seed(12)).await, delay);
    })),
    ("proxy", |path| Box::pin(async move {
        let proxy = path.proxy(|builder| builder.proxy("socks5://proxy.test")).await;
        assert_eq!(proxy.as_deref(), Some("socks5://proxy.test:1080"));
    })),
    #[cfg(feature = "deflate")]
    ("compression", |path| Box::pin(async move {
        let asked = phx_client::websocket::Compression::new().threshold(9);
        let mut net = Net::new();
        let _socket = path.start(net.builder().compression(asked));
        assert_eq!(net.attempt().await.compression, Some(asked));
        let _socket = path.start(net.builder());
        assert_eq!(net.attempt().await.compression, None);
        let error = path.open(net.builder().compression(asked.window_bits(8))).await.unwrap_err();
        assert!(error.to_string().contains("window_bits"), "{error}");
    })),
    #[cfg(feature = "recorder")]
    ("recorder", |path| Box::pin(async move {
        use phx_client::recorder::{Ring, RingLimits, replay};

        let (mut net, ring) = (Net::new(), Ring::new(RingLimits::default()));
        let builder = net.builder().recorder(ring.clone());
        let (socket, _peer) = path.connected(&mut net, builder).await;
        assert!(socket.is_connected() && replay(&ring.dump()[..]).unwrap().outputs > 2);
    })),
    ("proxy_from_env", |path| Box::pin(async move {
        // A process can't change its own: those of the tests, which have none.
        let expected = path.proxy(|builder| builder.proxy_from_variables(|name| std::env::var_os(name)));
        let expected = expected.await;
        assert_eq!(path.proxy(|builder| builder.proxy("p.test").proxy_from_env()).await, expected);
    })),
    ("proxy_from_variables", |path| Box::pin(async move {
        let read = |name: &str| (name == "http_proxy").then(|| "http://proxy.test:3128".into());
        let proxy = path.proxy(|builder| builder.proxy_from_variables(read)).await;
        assert_eq!(proxy.as_deref(), Some("http://proxy.test:3128"));
    })),
    ("param", |path| Box::pin(async move {
        let request = path.request(|builder| builder.param("a", "1")).await;
        assert_eq!(request.url().query(), Some("a=1&vsn=2.0.0"));
    })),
    ("params", |path| Box::pin(async move {
        let request = path.request(|builder| builder.params(&json!({"a": {"b": 1}}))).await;
        assert_eq!(request.url().query(), Some("a%5Bb%5D=1&vsn=2.0.0"));
    })),
    ("header", |path| Box::pin(async move {
        let request = path.request(|builder| builder.header("x-a", "1")).await;
        assert_eq!(request.headers(), [("x-a".to_owned(), "1".to_owned())]);
    })),
    ("auth_token", |path| Box::pin(async move {
        let request = path.request(|builder| builder.auth_token("ann")).await;
        assert_eq!(request.protocols(), ["phoenix", "base64url.bearer.phx.YW5u"]);
    })),
    ("credentials", |path| Box::pin(async move {
        let make = || async { Ok(Credentials::new().param("a", "1")) };
        let request = path.request(|builder| builder.param("b", "2").credentials(make)).await;
        assert_eq!(request.url().query(), Some("b=2&a=1&vsn=2.0.0"));
    })),
    ("credentials_timeout", |path| Box::pin(async move {
        let net = Net::new();
        let (sender, mut closed) = unbounded_channel();
        let builder = net.builder().credentials(pending).credentials_timeout(THREE);
        let _socket = path.start(builder.on_close(move |_| sender.send(()).unwrap()));
        assert_eq!(time_of(closed.recv()).await.1, THREE);
    })),
    ("config", |path| Box::pin(async move {
        let mut config = Config::default();
        config.push_timeout = THREE;
        unanswered_push(path, |builder| builder.config(config)).await;
    })),
    ("serializer", |path| Box::pin(async move {
        let request = path.request(|builder| builder.serializer(V1)).await;
        assert_eq!(request.url().query(), Some("vsn=1.0.0"));
    })),
    ("push_timeout", |path| Box::pin(unanswered_push(path, |builder| builder.push_timeout(THREE)))),
    ("join_timeout", |path| Box::pin(async move {
        let mut net = Net::new();
        let builder = net.builder().join_timeout(THREE);
        let (socket, _peer) = path.connected(&mut net, builder).await;
        let room = socket.channel("room:a").create().unwrap();
        let (joined, time) = time_of(room.join()).await;
        assert!(matches!(joined, Err(JoinError { cause: JoinCause::TimedOut, .. })), "{joined:?}");
        assert_eq!(time, THREE);
    })),
    ("leave_timeout", |path| Box::pin(async move {
        let mut net = Net::new();
        let builder = net.builder().leave_timeout(THREE);
        let (_socket, room, _peer) = path.joined(&mut net, builder).await;
        let (left, time) = time_of(room.leave()).await;
        assert_eq!((left.unwrap_err().cause, time), (LeaveCause::TimedOut, THREE));
    })),
    ("connect_timeout", |path| Box::pin(async move {
        let mut net = Net::new();
        let _socket = path.start(net.builder().connect_timeout(THREE));
        assert_eq!(time_of(net.attempt().await.abandoned()).await.1, THREE);
    })),
    ("close_timeout", |path| Box::pin(async move {
        let mut net = Net::new();
        let builder = net.builder().close_timeout(THREE);
        let (socket, peer) = path.connected(&mut net, builder).await;
        peer.hang_on_close();
        assert_eq!(time_of(socket.disconnect()).await.1, THREE);
    })),
    ("heartbeat_interval", |path| Box::pin(async move {
        let mut net = Net::new();
        let builder = net.builder().heartbeat_interval(Some(THREE));
        let (_socket, mut peer) = path.connected(&mut net, builder).await;
        assert_eq!(time_of(peer.receive_heartbeat()).await.1, THREE);
    })),
    ("heartbeat_timeout", |path| Box::pin(async move {
        let time = path.until_dead(false, |builder| builder.heartbeat_timeout(THREE)).await;
        assert_eq!(time, Duration::from_secs(30) + THREE);
    })),
    ("heartbeat_limit", |path| Box::pin(async move {
        let limit = Duration::from_secs(12);
        let time = path.until_dead(true, |builder| builder.heartbeat_limit(limit)).await;
        assert_eq!(time, Duration::from_secs(30) + limit);
    })),
    ("reconnect", |path| Box::pin(async move {
        let delay = path.first_delay(|builder| builder.reconnect(fixed(&[3]))).await;
        assert_eq!(delay, THREE);
    })),
    ("reconnect_policy", |path| Box::pin(async move {
        let mut net = Net::new();
        let socket = path.start(net.builder().reconnect_policy(ReconnectPolicy::never()));
        net.attempt().await.refuse(CloseCause::io("no route"));
        let failed = soon(socket).await.unwrap();
        assert!(matches!(failed, Err(ConnectError { cause: ConnectCause::Closed(_), .. })), "{failed:?}");
    })),
    ("rejoin", |path| Box::pin(async move {
        let mut net = Net::new();
        let builder = net.builder().rejoin(fixed(&[3]));
        let (socket, mut peer) = path.connected(&mut net, builder).await;
        let room = socket.channel("room:a").create().unwrap();
        let (_, join) = tokio::join!(room.join(), peer.accept_join());
        let crash = phx_client::Message::new("room:a", events::ERROR, phx_client::Payload::empty());
        peer.send(&crash.with_join_ref(join.join_ref.clone()).with_reference(join.join_ref));
        assert_eq!(time_of(peer.accept_join()).await.1, THREE);
    })),
    ("rejoin_policy", |path| Box::pin(async move {
        let mut net = Net::new();
        let builder = net.builder().rejoin_policy(RejoinPolicy::always());
        let (socket, mut peer) = path.connected(&mut net, builder).await;
        let room = socket.channel("room:a").create().unwrap();
        let _joining = room.join();
        let join = peer.receive().await;
        peer.reply(&join, "error", &json!({}));
        peer.accept_join().await;
        settle().await;
        assert_eq!(room.state(), ChannelState::Joined);
    })),
    ("close_policy", |path| Box::pin(async move {
        let mut net = Net::new();
        let builder = net.builder().close_policy(ClosePolicy::always());
        let (socket, mut peer) = path.connected(&mut net, builder).await;
        let room = socket.channel("room:a").create().unwrap();
        peer.join(&room).await;
        peer.send(&phx_client::Message::new("room:a", events::CLOSE, phx_client::Payload::empty()));
        peer.accept_join().await;
        settle().await;
        assert_eq!(room.state(), ChannelState::Joined);
    })),
    ("show_reasons", |path| Box::pin(async move {
        let mut net = Net::new();
        let notes = Notes::default();
        let (log, errors) = (notes.clone(), notes.clone());
        let builder = net.builder().show_reasons(false).logger(move |record| log.note(&*record.message));
        let (socket, mut peer) = path.connected(&mut net, builder).await;
        let why = json!({ "reason": "hush" });
        let rejected = socket.channel("room:b").create().unwrap();
        let (joined, ()) = tokio::join!(rejected.join(), async {
            let join = peer.receive().await;
            peer.reply(&join, "error", &why);
        });
        let joined = joined.unwrap_err();
        assert_eq!(joined.to_string(), "join of `room:b` rejected with the status `error`");
        assert!(matches!(joined.cause, JoinCause::Rejected { response, .. } if response.reason().is_some()));
        let room = socket.channel("room:a").create().unwrap();
        let _kept = room.on_error(move |error| errors.note(error.to_string()));
        let (_, join) = tokio::join!(room.join(), peer.accept_join());
        let (pushed, ()) = tokio::join!(room.push::<Value>("a", &json!({})), async {
            let push = peer.receive().await;
            peer.reply(&push, "error", &why);
        });
        let pushed = pushed.unwrap_err().to_string();
        assert_eq!(pushed, "push of `a` to `room:a` rejected with the status `error`");
        let why = phx_client::Payload::json(&why).unwrap();
        let crash = phx_client::Message::new("room:a", events::ERROR, why);
        peer.send(&crash.with_join_ref(join.join_ref.clone()).with_reference(join.join_ref));
        settle().await;
        let failure = room.failure().unwrap();
        assert!(failure.to_string().starts_with("the channel crashed on the server; next"), "{failure}");
        let lines = notes.taken();
        assert!(lines.iter().any(|line| line.contains("crashed on the server; next")), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("room:b closed: the server rejected")), "{lines:?}");
        assert!(!lines.iter().any(|line| line.contains("hush")), "{lines:?}");
    })),
    ("stable_after", |path| Box::pin(async move {
        let mut net = Net::new();
        let builder = net.builder().stable_after(Duration::ZERO).reconnect(fixed(&[3, 60]));
        let (_socket, mut peer) = path.connected(&mut net, builder).await;
        for _ in 0..3 {
            peer.close(CloseCause::io("cable"));
            let (attempt, time) = time_of(net.attempt()).await;
            assert_eq!(time, THREE);
            peer = attempt.accept();
            settle().await;
        }
    })),
    ("max_frame_size", |path| Box::pin(async move {
        let mut net = Net::new();
        let _socket = path.start(net.builder().max_frame_size(1_234));
        assert_eq!(net.attempt().await.max_frame_size, 1_234);
    })),
    ("max_answer_bytes", |path| Box::pin(async move {
        let mut net = Net::new();
        let builder = net.builder().max_answer_bytes(100);
        let (_socket, room, mut peer) = path.joined(&mut net, builder).await;
        let pushes = [room.push::<Value>("a", &json!({})), room.push::<Value>("a", &json!({}))];
        for _ in &pushes {
            let push = peer.receive().await;
            peer.reply(&push, "ok", &json!("x".repeat(78)));
        }
        settle().await;
        let [first, second] = pushes;
        assert!(soon(first).await.is_ok());
        assert!(matches!(soon(second).await, Err(PushError { cause: PushCause::ReplyDropped { len: 80, .. }, .. })));
    })),
    ("max_joins_in_flight", |path| Box::pin(async move {
        let mut net = Net::new();
        let builder = net.builder().max_joins_in_flight(1);
        let (socket, mut peer) = path.connected(&mut net, builder).await;
        let rooms = ["room:a", "room:b"].map(|topic| socket.channel(topic).create().unwrap());
        let _joining: Vec<_> = rooms.iter().map(Channel::join).collect();
        settle().await;
        let join = peer.receive().await;
        assert!(peer.try_receive().is_none());
        peer.reply(&join, "ok", &json!({}));
        peer.accept_join().await;
    })),
    ("max_buffered_pushes", |path| Box::pin(async move {
        let mut net = Net::new();
        let builder = net.builder().max_buffered_pushes(1);
        let (_socket, room, peer) = path.joined(&mut net, builder).await;
        peer.takes_frames(false);
        room.push("a", &json!({})).detach().unwrap();
        let refused = room.push("a", &json!({})).detach().unwrap_err();
        let PushError { cause: PushCause::InvalidState(refused), .. } = refused else { panic!("{refused}") };
        assert!(matches!(refused, CallError::BufferFull { max: 1, .. }));
    })),
    ("push_overflow", |path| Box::pin(async move {
        let mut net = Net::new();
        let builder = net.builder().max_buffered_pushes(1).push_overflow(PushOverflow::DropOldest);
        let (_socket, room, peer) = path.joined(&mut net, builder).await;
        peer.takes_frames(false);
        let first = room.push::<Value>("a", &json!({}));
        room.push("a", &json!({})).detach().unwrap();
        assert!(matches!(soon(first).await, Err(PushError { cause: PushCause::Evicted, .. })));
    })),
    ("transport", |path| Box::pin(async move {
        let mut net = Net::new();
        let builder = net.builder().transport(TransportKind::LongPoll);
        let _socket = path.start(builder);
        assert_eq!(net.attempt().await.kind, TransportKind::LongPoll);
    })),
    ("long_poll_fallback", |path| Box::pin(async move {
        let mut net = Net::new();
        let _socket = path.start(net.builder().long_poll_fallback(THREE));
        let (_web_socket, fallback) = (net.attempt().await, time_of(net.attempt()).await);
        assert_eq!((fallback.0.kind, fallback.1), (TransportKind::LongPoll, THREE));
    })),
    ("stream_capacity", |path| Box::pin(async move {
        assert_eq!(read_ahead(path, |builder| builder.stream_capacity(4)).await, 4);
    })),
    ("stream_bytes", |path| Box::pin(async move {
        // Full with the one that goes over the limit.
        assert_eq!(read_ahead(path, |builder| builder.stream_bytes(250)).await, 3);
    })),
    ("stall_after", |path| Box::pin(async move {
        let mut net = Net::new();
        let builder = net.builder().stream_capacity(1).stall_after(THREE);
        let (_socket, room, peer) = path.joined(&mut net, builder).await;
        let (_forgotten, mut read) = (room.on::<u32>("n"), room.on::<u32>("n"));
        (0..2).for_each(|number| peer.broadcast("n", &json!(number)));
        assert!(matches!(soon(read.next()).await, Some(StreamItem::Message(0))));
        let (second, time) = time_of(read.next()).await;
        assert!(matches!(second, Some(StreamItem::Message(1))));
        assert_eq!(time, THREE);
    })),
    ("on_open", |path| Box::pin(noted(path, |builder, notes| {
        builder.on_open(move || notes.note("called"))
    }))),
    ("on_close", |path| Box::pin(noted(path, |builder, notes| {
        builder.on_close(move |_| notes.note("called"))
    }))),
    ("on_error", |path| Box::pin(noted(path, |builder, notes| {
        builder.on_error(move |error| if error.to_string().contains("message") { notes.note("called") })
    }))),
    ("on_message", |path| Box::pin(noted(path, |builder, notes| {
        builder.on_message(move |message| if message.event == "news" { notes.note("called") })
    }))),
    ("logger", |path| Box::pin(noted(path, |builder, notes| {
        builder.logger(move |record| if record.message.contains("news") { notes.note("called") })
    }))),
];

/// Without jitter.
fn fixed(seconds: &[u64]) -> Backoff {
    let steps: Vec<Duration> = seconds.iter().copied().map(Duration::from_secs).collect();
    Backoff::steps(steps).with_jitter_percent(0)
}

async fn runtime(path: Path) {
    let mut net = Net::new();
    let without = || SocketBuilder::new("ws://server.test/socket").connector(net.connector());
    let failed = path.open(without()).await;
    assert!(matches!(
        failed,
        Err(ConnectError { cause: ConnectCause::Incomplete { missing: "runtime", .. }, .. })
    ));
    let with = without().runtime(net.runtime.clone());
    path.connected(&mut net, with).await;
}

async fn connector(path: Path) {
    let mut net = Net::new();
    let without = || SocketBuilder::new("ws://server.test/socket").runtime(net.runtime.clone());
    let failed = path.open(without()).await;
    assert!(matches!(
        failed,
        Err(ConnectError { cause: ConnectCause::Incomplete { missing: "connector", .. }, .. })
    ));
    let with = without().connector(net.connector());
    path.connected(&mut net, with).await;
}

async fn unanswered_push(path: Path, change: impl FnOnce(SocketBuilder) -> SocketBuilder) {
    let mut net = Net::new();
    let builder = change(net.builder());
    let (_socket, room, _peer) = path.joined(&mut net, builder).await;
    let (pushed, time) = time_of(room.push::<Value>("a", &json!({}))).await;
    assert!(matches!(pushed, Err(PushError { cause: PushCause::TimedOut, .. })), "{pushed:?}");
    assert_eq!(time, THREE);
}

/// Returns the number of messages of 100 bytes that are read before a stream takes any.
async fn read_ahead(path: Path, change: impl FnOnce(SocketBuilder) -> SocketBuilder) -> u64 {
    let mut net = Net::new();
    let builder = change(net.builder());
    let (socket, room, peer) = path.joined(&mut net, builder).await;
    let _messages = room.on_raw("n");
    let before = socket.counters().frames_received;
    (0..10).for_each(|_| peer.broadcast("n", &json!("x".repeat(98))));
    settle().await;
    socket.counters().frames_received - before
}

/// Opens a connection, sends a message and a malformed frame, and closes it. The hook must be called once.
async fn noted(path: Path, change: impl FnOnce(SocketBuilder, Notes) -> SocketBuilder) {
    let (mut net, notes) = (Net::new(), Notes::default());
    let builder = change(net.builder(), notes.clone());
    let (_socket, _room, mut peer) = path.joined(&mut net, builder).await;
    peer.broadcast("news", &json!({}));
    peer.send_frame(Frame::text("nonsense"));
    settle().await;
    peer.close(CloseCause::frame(CloseCode::RESTART, ""));
    settle().await;
    assert_eq!(notes.taken(), ["called"]);
}

#[tokio::test(start_paused = true)]
async fn each_setting_of_a_socket_takes_effect_on_every_path() {
    for (name, check) in TABLE {
        for path in PATHS {
            println!("{name} by {path:?}");
            check(path).await;
        }
    }
}

#[test]
fn the_table_of_a_sockets_settings_is_complete() {
    let mut named: BTreeSet<&str> = TABLE.iter().map(|(name, _)| *name).collect();
    if cfg!(not(feature = "deflate")) {
        named.insert("compression");
    }
    if cfg!(not(feature = "recorder")) {
        named.insert("recorder");
    }
    let mut settings = settings_in(include_str!("../../../src/builder.rs"));
    settings.extend(settings_in(include_str!("../../../src/builder/proxy.rs")));
    assert_eq!(named, settings);
}

#[tokio::test(start_paused = true)]
async fn each_of_the_credentials_takes_effect() {
    type Change = fn(Credentials) -> Credentials;
    let table: [(&str, Change); 3] = [
        ("param", |credentials| credentials.param("a", "1")),
        ("header", |credentials| credentials.header("x-a", "1")),
        ("auth_token", |credentials| credentials.auth_token("ann")),
    ];
    for path in PATHS {
        for (name, change) in table {
            let make = move || async move { Ok(change(Credentials::new())) };
            let request = path.request(|builder| builder.credentials(make)).await;
            let plain = path.request(|builder| builder).await;
            let differs = match name {
                "param" => request.url() != plain.url(),
                "header" => request.headers() != plain.headers(),
                _ => request.protocols() != plain.protocols(),
            };
            assert!(differs, "{name} by {path:?}");
        }
    }
    let source = include_str!("../../../src/builder/credentials.rs");
    assert_eq!(table.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), settings_in(source));
}

#[test]
fn every_option_of_the_fallback_is_tested() {
    // `fallback.rs` has them all: one test after the other.
    let options = settings_in(include_str!("../../../src/builder/fallback.rs"));
    assert_eq!(options, BTreeSet::from(["on_remember", "remembered", "web_socket_after"]));
    let tests = include_str!("../fallback.rs");
    assert!(options.iter().all(|option| tests.contains(&format!(".{option}("))));
}
