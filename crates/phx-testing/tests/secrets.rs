//! Secrets over real sockets: connections fail in every way, and no output or log of any crate has a secret.
//!
//! The exception is in SECURITY.md: tungstenite logs the contents of frames at its level `trace`.

#![cfg(feature = "suite")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::{Debug, Display, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_tungstenite::tungstenite::handshake::derive_accept_key;
use futures::FutureExt as _;
use phx_client::StreamConnector;
use phx_client::dial::{HttpProxy, Socks5Proxy};
use phx_client::{
    Attempt, Backoff, Connector, Credentials, Endpoint, Frame, Payload, RejoinPolicy, SocketBuilder,
};
use phx_testing::listener::Listener;
use phx_testing::{UpgradeRejection, demo_server};
use phx_tokio::TcpDialer;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};

/// Forms of the secrets: plain, in base64 and percent-encoded.
const MARKS: [&str; 3] = ["hush", "aHVza", "%68ush"];

static LOGGED: Mutex<String> = Mutex::new(String::new());

/// Logger of all crates, at every level.
struct Everything;

impl log::Log for Everything {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let of_frames =
            record.level() == log::Level::Trace && record.target().starts_with("tungstenite");
        if !of_frames {
            let line = format!("{} {}\n", record.target(), record.args());
            LOGGED.lock().unwrap().push_str(&line);
        }
    }

    fn flush(&self) {}
}

impl tracing::Subscriber for Everything {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut Line);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, record: &Record<'_>) {
        record.record(&mut Line);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        LOGGED.lock().unwrap().push_str(event.metadata().target());
        event.record(&mut Line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line;

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = writeln!(LOGGED.lock().unwrap(), " {field}={value:?}");
    }
}

/// Records text that a user might print.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<String>>);

impl Shown {
    fn debug(&self, value: &impl Debug) {
        let _ = writeln!(self.0.lock().unwrap(), "{value:?} {value:#?}");
    }

    fn both(&self, value: &(impl Debug + Display)) {
        self.debug(value);
        let _ = writeln!(self.0.lock().unwrap(), "{value}");
    }

    /// Returns a builder with a secret in every setting, whose hooks print their arguments.
    fn builder(&self, url: &str) -> SocketBuilder {
        let (closes, errors, lines) = (self.clone(), self.clone(), self.clone());
        let builder = phx_tokio::socket(url)
            .param("token", "hush-param")
            .params(&json!({ "deep": { "er": "hush-params" } }))
            .header("x-key", "hush-header")
            .auth_token("hush-token")
            .credentials(|| async {
                let fresh = Credentials::new().param("fresh", "hush-fresh");
                Ok(fresh.header("x-fresh", "hush-fresh-header").auth_token("hush-fresh-token"))
            })
            .reconnect(Backoff::steps([Duration::from_millis(20)]))
            .rejoin(Backoff::steps([Duration::from_millis(20)]))
            .rejoin_policy(RejoinPolicy::always())
            .push_timeout(Duration::from_millis(100))
            .on_close(move |closed| {
                closes.debug(closed);
                closes.both(&closed.cause);
            })
            .logger(move |record| lines.debug(record))
            .on_error(move |error| errors.both(error));
        self.debug(&builder);
        builder
    }

    /// Runs an attempt to connect that fails.
    async fn fails(&self, builder: SocketBuilder) {
        let failed = builder.connect_with_timeout(Duration::from_millis(500)).await.unwrap_err();
        self.both(&failed);
    }

    async fn fails_over(&self, connector: impl Connector, url: &str) {
        self.debug(&connector);
        self.fails(self.builder(url).connector(connector)).await;
    }
}

/// Starts a server that answers each connection with these bytes.
async fn says(answer: &'static [u8]) -> (String, u16) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer).await;
        }
    });
    (address.to_string(), address.port())
}

/// Starts a server whose answer 101 has a secret. It keeps its connections.
async fn sets_a_cookie() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut streams = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
            let accept = derive_accept_key(key.unwrap().as_bytes());
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {accept}\r\nSet-Cookie: hush-cookie\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            streams.push(stream);
        }
    });
    address.to_string()
}

#[tokio::test]
async fn nothing_shown_or_logged_holds_a_secret() {
    log::set_logger(&Everything).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    tracing::subscriber::set_global_default(Everything).unwrap();
    let shown = Shown::default();

    // A conversation with many failures.
    let listener = Listener::bind(demo_server().auth_token(true).build()).await.unwrap();
    let socket = shown.builder(listener.url()).connect().await.unwrap();
    let room = socket.channel("room:a").params(&json!({ "name": "hush-join" }));
    shown.debug(&room);
    let room = room.join().await.unwrap();
    let (mut messages, mut values) = (room.on::<u32>("shout"), room.on::<u32>("shout").values());
    room.push("shout", &json!("hush-message")).detach().unwrap();
    shown.debug(&messages.next().await);
    assert!(values.next().now_or_never().is_none());
    shown.debug(&values);
    shown.both(&room.push::<()>("fail", &json!("hush-fail")).await.unwrap_err());
    shown.both(&room.push::<u32>("echo", &json!("hush-echo")).await.unwrap_err());
    let push = room.push::<()>("whisper", &json!("hush-timeout"));
    shown.debug(&push);
    shown.both(&push.await.unwrap_err());
    shown.both(&room.push("phx_join", &json!("hush-refused")).detach().unwrap_err());
    let rejected = socket.channel("room:b").params(&json!({ "reject": true, "name": "hush" }));
    shown.both(&rejected.join().await.unwrap_err());
    listener.all().inject(&Frame::text("hush-garbage"));
    listener.all().inject(&Frame::binary(&b"hush-binary-garbage"[..]));
    room.push("crash", &json!("hush-crash")).detach().unwrap();
    assert!(matches!(messages.next().await, Some(phx_client::StreamItem::Gap)));
    listener.all().cut();
    assert!(matches!(messages.next().await, Some(phx_client::StreamItem::Gap)));
    shown.debug(&socket);
    shown.debug(&socket.counters());
    shown.both(socket.endpoint());
    shown.debug(&room);
    shown.debug(&messages);
    shown.debug(&Payload::json("hush").unwrap());

    // An answer 101 with a secret, and of a transport by itself.
    let cookie = sets_a_cookie().await;
    let with_cookie = shown.builder(&format!("ws://{cookie}/socket")).connect().await.unwrap();
    assert_eq!(with_cookie.response_headers().get("set-cookie"), Some(&b"hush-cookie"[..]));
    shown.debug(&with_cookie);
    shown.debug(&with_cookie.response_headers());
    let endpoint = Endpoint::parse(&format!("ws://{cookie}/socket")).unwrap();
    let runtime = phx_tokio::AdapterRuntime::current().unwrap();
    let connector = StreamConnector::new(TcpDialer::new());
    let attempt = Attempt::new(endpoint.request("2.0.0"), runtime);
    shown.debug(&connector.connect(attempt).await.unwrap());

    // Attempts to connect that fail.
    let refusing = demo_server()
        .connect(|_| Err(UpgradeRejection::new(429).with_body("hush-body")))
        .auth_token(true);
    let refusing = Listener::bind(refusing.build()).await.unwrap();
    shown.fails(shown.builder(refusing.url())).await;
    let (plain, _) = says(b"HTTP/1.1 101 hush\r\nX: hush\r\n\r\n").await;
    shown.fails(shown.builder(&format!("ws://{plain}/socket"))).await;
    shown.fails(shown.builder(&format!("wss://{plain}/socket"))).await;
    let (garbage, port) = says(b"hush hush hush\r\n\r\n").await;
    shown.fails(shown.builder(&format!("ws://{garbage}/socket"))).await;
    shown.fails(shown.builder("ws://nowhere.invalid/socket")).await;
    shown.fails(shown.builder("ws://hush:hush@localhost/socket")).await;

    // Attempts that fail at a proxy.
    let http = HttpProxy::new(TcpDialer::new(), "127.0.0.1", port).with_basic_auth("hush", "hush");
    shown.fails_over(StreamConnector::new(http), listener.url()).await;
    let socks = Socks5Proxy::new(TcpDialer::new(), "127.0.0.1", port).with_password("hush", "hush");
    shown.fails_over(StreamConnector::new(socks), listener.url()).await;

    let (shown, logged) = (shown.0.lock().unwrap().clone(), LOGGED.lock().unwrap().clone());
    for expected in [
        "phx_client::connection",
        "phx_client::channel",
        "opened",
        "joined",
        "crashed",
        "rejected the join",
        "malformed",
        "closed",
        "skipped",
    ] {
        assert!(logged.contains(expected), "nothing of {expected} was logged:\n{logged}");
    }
    for expected in [
        "Set-Cookie",
        "HTTP status 429",
        "TLS",
        "the proxy",
        "no reply came in time",
        "rejected with",
    ] {
        assert!(shown.contains(expected), "{expected} isn't in:\n{shown}");
    }
    for (what, text) in [("shown", shown), ("logged", logged)] {
        for mark in MARKS {
            let line = text.lines().find(|line| line.contains(mark));
            assert_eq!(line, None, "{mark} is {what}");
        }
    }
}
