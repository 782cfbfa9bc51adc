//! The spans that a client opens for `tracing`.

#![cfg(feature = "client")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use phx_client::Socket;
use phx_testing::demo_server;
use phx_testing::in_memory::VirtualTime;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Time limit for a session, which takes virtual time alone.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Seen {
    name: &'static str,
    fields: BTreeMap<&'static str, String>,
    parent: Option<u64>,
    handles: u32,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }
}

/// Every span since the beginning, by its id from 1, and which ones are entered.
#[derive(Clone, Debug, Default)]
struct Spans(Arc<Mutex<(Vec<Seen>, Vec<u64>)>>, Arc<Mutex<Option<Socket>>>);

impl Spans {
    fn lock(&self) -> MutexGuard<'_, (Vec<Seen>, Vec<u64>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the socket, which waits for its lock for ever if the client holds it.
    fn call_socket(&self) {
        let socket = self.1.lock().unwrap().clone();
        socket.map(|socket| socket.counters());
    }

    fn with(&self, id: &Id, change: impl FnOnce(&mut Seen)) {
        self.call_socket();
        let index = usize::try_from(id.into_u64()).unwrap() - 1;
        change(&mut self.lock().0[index]);
    }
}

impl Subscriber for Spans {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        self.call_socket();
        let mut all = self.lock();
        let parent = attributes.parent().map(Id::into_u64);
        let contextual = attributes.is_contextual().then(|| all.1.last().copied()).flatten();
        let mut seen = Seen {
            name: attributes.metadata().name(),
            parent: parent.or(contextual),
            handles: 1,
            ..Seen::default()
        };
        attributes.record(&mut seen);
        all.0.push(seen);
        Id::from_u64(all.0.len().try_into().unwrap())
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        self.with(id, |seen| values.record(seen));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, id: &Id) {
        self.lock().1.push(id.into_u64());
    }

    fn exit(&self, id: &Id) {
        self.lock().1.retain(|entered| *entered != id.into_u64());
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.with(id, |seen| seen.handles += 1);
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        self.with(&id, |seen| seen.handles -= 1);
        false
    }
}

/// A session with a push that has a reply, one that the server fails, one that gets none, a link that dies, and a channel
/// that is left.
fn session() -> Spans {
    let spans = Spans::default();
    tracing::subscriber::with_default(spans.clone(), || {
        let time = VirtualTime::new();
        let link = time.link(demo_server().build());
        time.run(async {
            let socket = link.socket().connect().await.unwrap();
            *spans.1.lock().unwrap() = Some(socket.clone());
            let params = json!({ "name": "hush" });
            let room = socket.channel("room:a\nb").params(&params).join().await.unwrap();
            let caller = tracing::info_span!("caller");
            let push = caller.in_scope(|| room.push("echo", &json!({ "key": "hush" })));
            drop(caller);
            push.reply().await.unwrap();
            room.push("fail", &json!({ "key": "hush" })).reply().await.unwrap();
            link.half_open();
            let second = Duration::from_secs(1);
            room.push_with_timeout(second, "echo", &1).reply().await.unwrap_err();
            time.sleep(Duration::from_secs(120)).await;
            assert!(room.push::<Value>("", &1).await.is_err(), "it is refused at once");
            room.leave().await.unwrap();
            let other = socket.channel("room:removed").join().await.unwrap();
            socket.remove(&other);
            socket.channel("room:kept").join().await.unwrap();
            socket.disconnect().await;
            spans.1.lock().unwrap().take();
        });
    });
    spans
}

#[test]
fn a_span_for_each_connection_channel_and_push() {
    let (done, spans) = mpsc::channel();
    thread::spawn(move || done.send(session()));
    let spans = spans.recv_timeout(PATIENCE).expect("an end in time: no call waits for the lock");
    let all = spans.lock();
    let of = |name: &str| -> Vec<&Seen> { all.0.iter().filter(|it| it.name == name).collect() };
    let field = |seen: &Seen, name: &str| seen.fields.get(name).cloned();
    let errors = |name: &str| -> Vec<Option<String>> {
        of(name).into_iter().map(|it| field(it, "error.type")).collect()
    };
    let error = |kind: &str| Some(kind.to_owned());

    assert_eq!(errors("connection"), [error("heartbeat_timeout"), None]);
    assert_eq!(errors("channel"), [None, None, None]);
    assert_eq!(errors("push")[..3], [None, error("error"), error("timed_out")]);
    for seen in of("push").iter().chain(&of("channel")).take(3) {
        assert_eq!(field(seen, "messaging.system").as_deref(), Some("phoenix"));
        let topic = field(seen, "messaging.destination.name");
        assert_eq!(topic.as_deref(), Some(r"room:a\nb"), "it is escaped");
    }
    let pushes = of("push");
    assert_eq!(field(pushes[0], "phx.event").as_deref(), Some("echo"));
    assert_eq!(field(pushes[0], "messaging.message.body.size").as_deref(), Some("14"));
    assert_eq!(field(pushes[1], "otel.status_code").as_deref(), Some("ERROR"));
    let caller = 1 + all.0.iter().position(|it| it.name == "caller").unwrap();
    assert_eq!(pushes[0].parent, u64::try_from(caller).ok(), "the caller's span");
    for seen in &all.0 {
        assert_eq!(seen.handles, 0, "{seen:?} is still open");
        assert!(!format!("{:?}", seen.fields).contains("hush"), "{seen:?}");
    }
}
