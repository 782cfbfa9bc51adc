//! A client that obeys a test's commands, one after another, and notes what happens to it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use js_sys::{JsString, Reflect};
use phx_web::recorder::{Ring, RingLimits};
use phx_web::{Backoff, Channel, IntoEndpoint as _, Socket, StreamItem};
use serde_json::{Value, json};
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;

use super::host::note;

/// The client, once it is opened.
struct Life {
    socket: Socket,
    channels: Vec<Channel>,
    /// The session, if it is recorded.
    ring: Option<Ring>,
}

/// Gives the page a function `command`, which takes a command and returns its answer, both as JSON.
pub(crate) fn begin() {
    let life = RefCell::new(None);
    let command = Closure::<dyn Fn(JsValue) -> JsValue>::new(move |text: JsValue| {
        let text = text.as_string().unwrap_or_default();
        let [what, value]: [Value; 2] = serde_json::from_str(&text).unwrap_or_default();
        let answer = obey(&life, what.as_str().unwrap_or_default(), &value);
        JsString::from(answer.to_string()).into()
    });
    let name = JsValue::from_str("command");
    // It lives as long as the page.
    let set = Reflect::set(&js_sys::global(), &name, &command.into_js_value());
    note(if set == Ok(true) { "ready" } else { "not ready" });
}

fn obey(life: &RefCell<Option<Rc<Life>>>, what: &str, value: &Value) -> Value {
    if what == "open" {
        let opened = open(value);
        note(if opened.is_some() { "opened" } else { "not opened" });
        *life.borrow_mut() = opened.map(Rc::new);
        return Value::Null;
    }
    if what == "endpoint" {
        return read(value.as_str().unwrap_or_default());
    }
    let Some(life) = life.borrow().clone() else { return Value::Null };
    match what {
        "push" => {
            let pushed = life.channels.iter().find(|channel| channel.topic() == "room:a");
            let pushed = pushed.map(|room| room.push("shout", value).detach());
            note(if matches!(pushed, Some(Ok(()))) { "pushed" } else { "not pushed" });
            Value::Null
        }
        "echoes" => run("echoes", echoes(life, value.as_u64().unwrap_or_default())),
        "reconnects" => run("reconnects", reconnects(life, value.as_u64().unwrap_or_default())),
        "recording" => {
            let recording = life.ring.as_ref().map(Ring::dump);
            recording.and_then(|lines| String::from_utf8(lines).ok()).into()
        }
        _ => {
            let counters = life.socket.counters();
            json!({
                "attempts": counters.attempts,
                "opened": counters.opened,
                "heartbeats_missed": counters.heartbeats_missed,
                "frames_sent": counters.frames_sent,
                "is_connected": life.socket.is_connected(),
            })
        }
    }
}

/// Reads a URL, and returns what a request has of it, or the error.
fn read(url: &str) -> Value {
    match url.into_endpoint() {
        Ok(endpoint) => {
            let request = endpoint.request("2.0.0");
            json!([endpoint.to_string(), request.target(), request.host(), request.port()])
        }
        Err(error) => Value::from(error.to_string()),
    }
}

/// Runs a command that takes time, and notes its end.
fn run(what: &'static str, command: impl Future<Output = Option<()>> + 'static) -> Value {
    phx_web::spawn_local(async move {
        let done = command.await.is_some();
        note(&format!("{what} {}", if done { "done" } else { "failed" }));
    });
    Value::Null
}

/// Opens a connection, and joins `room:a` and `end:a`.
fn open(options: &Value) -> Option<Life> {
    let millis = |name: &str| options[name].as_u64().map(Duration::from_millis);
    let mut builder = phx_web::socket(options["url"].as_str()?)
        .on_open(|| note("open"))
        .on_close(|closed| note(&format!("close {}", closed.cause)))
        .reconnect(Backoff::steps([millis("delay")?]).with_jitter_percent(0));
    if let Some(interval) = millis("heartbeat") {
        builder = builder.heartbeat_interval(Some(interval)).heartbeat_timeout(interval);
    }
    if let Some(secret) = options["secret"].as_str() {
        builder = builder.auth_token(secret).param("secret", secret);
    }
    let ring = options["record"].as_bool().map(|_| Ring::new(RingLimits::default()));
    if let Some(ring) = &ring {
        builder = builder.recorder(ring.clone());
    }
    let socket = builder.spawn().ok()?;
    let topics = ["room:a", "end:a"];
    let channels = topics.map(|topic| join(&socket, topic, &options["secret"])).into_iter();
    Some(Life { channels: channels.collect::<Option<_>>()?, socket, ring })
}

fn join(socket: &Socket, topic: &'static str, secret: &Value) -> Option<Channel> {
    let channel = socket.channel(topic).params(&json!({ "secret": secret })).create().ok()?;
    let (mut states, mut shouts) = (channel.status(), channel.on::<Value>("shout"));
    phx_web::spawn_local(async move {
        while let Some(state) = states.next().await {
            note(&format!("{topic} {state:?}"));
        }
    });
    phx_web::spawn_local(async move {
        while let Some(shout) = shouts.next().await {
            match shout {
                StreamItem::Message(message) => note(&format!("{topic} shout {message}")),
                StreamItem::Gap => note(&format!("{topic} gap")),
                _ => note(&format!("{topic} loss")),
            }
        }
    });
    let joining = channel.join();
    phx_web::spawn_local(async move { drop(joining.await) });
    Some(channel)
}

/// Pushes this many messages, one after another, each of which comes back.
async fn echoes(life: Rc<Life>, count: u64) -> Option<()> {
    let room = life.channels.first()?;
    for number in 0..count {
        let echoed: u64 = room.push("echo", &number).await.ok()?;
        (echoed == number).then_some(())?;
    }
    Some(())
}

/// Disconnects and connects this many times, and waits for the room each time.
async fn reconnects(life: Rc<Life>, count: u64) -> Option<()> {
    for number in 0..count {
        life.socket.disconnect().await;
        life.socket.connect().await.ok()?;
        let _echoed: u64 = life.channels.first()?.push("echo", &number).await.ok()?;
    }
    Some(())
}
