//! One room with the official clients and ours: each sees what the others send.

use std::time::Duration;

use phx_client::{Payload, StreamItem};
use phx_supabase::{Broadcast, Client};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::judge::{KEY, Language, Project, spawn};

/// Time in which everything that a client awaits must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// An official client. Dropping it ends it.
struct Official {
    _child: Child,
    commands: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Official {
    fn start(language: Language, url: &str) -> Self {
        let mut child = spawn(language, "room", url);
        let commands = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Official { _child: child, commands, lines }
    }

    async fn order(&mut self, command: &Value) {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.unwrap();
    }

    /// Reads lines until this was seen.
    async fn sees(&mut self, what: &str, value: &Value) {
        let mut others = Vec::new();
        let seen = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                let line: Value = serde_json::from_str(&line).unwrap();
                if line["saw"] == what && line["value"] == *value {
                    return true;
                }
                others.push(line);
            }
            false
        };
        let seen = tokio::time::timeout(PATIENCE, seen).await;
        assert!(matches!(seen, Ok(true)), "no {what} {value} after {others:?}");
    }
}

#[tokio::test]
async fn supabase_judge_room_of_all_three() {
    let project = Project::start().await;
    let url = format!("http://{}", project.listener.address());
    let mut js = Official::start(Language::JavaScript, &url);
    let mut py = Official::start(Language::Python, &url);
    js.sees("status", &json!("SUBSCRIBED")).await;
    py.sees("status", &json!("SUBSCRIBED")).await;

    let client = Client::builder(&url, KEY).connect(phx_tokio::socket).await.unwrap();
    let room = client.channel("room").ack(true).presence_key("rust").create().unwrap();
    let mut broadcasts = room.broadcasts();
    let presence = room.presence::<Value>().unwrap();
    room.join().await.unwrap();
    let mut next = async || {
        let item = tokio::time::timeout(PATIENCE, broadcasts.next()).await.unwrap();
        let Some(StreamItem::Message(Broadcast { event, payload, .. })) = item else {
            panic!("{item:?}");
        };
        let payload = match payload.is_binary() {
            true => json!({ "bytes": payload.as_bytes().to_vec() }),
            false => payload.decode().unwrap(),
        };
        json!([&*event, payload])
    };

    // JSON of each, to both others.
    let payload = json!({ "n": 1, "text": "hé ✓" });
    room.send("from rust", &payload).await.unwrap();
    let from = |name: &str| json!([format!("from {name}"), payload]);
    js.sees("broadcast", &from("rust")).await;
    py.sees("broadcast", &from("rust")).await;
    js.order(&json!({ "send": "from js", "payload": payload })).await;
    js.sees("sent", &json!("ok")).await;
    py.sees("broadcast", &from("js")).await;
    assert_eq!(next().await, from("js"));
    py.order(&json!({ "send": "from py", "payload": payload })).await;
    js.sees("broadcast", &from("py")).await;
    assert_eq!(next().await, from("py"));

    // Bytes both ways; the Python client's version of the protocol has none.
    room.send_bytes("bytes", vec![0, 1, 255]).await.unwrap();
    js.sees("broadcast", &json!(["bytes", { "bytes": [0, 1, 255] }])).await;
    js.order(&json!({ "send": "bytes", "bytes": [2, 3] })).await;
    js.sees("sent", &json!("ok")).await;
    assert_eq!(next().await, json!(["bytes", { "bytes": [2, 3] }]));

    // By HTTP, both ways: the JavaScript client's single broadcasts, its batch, and ours.
    js.order(&json!({ "post": "posted", "payload": payload })).await;
    js.sees("posted", &json!({ "success": true })).await;
    py.sees("broadcast", &json!(["posted", payload])).await;
    assert_eq!(next().await, json!(["posted", payload]));
    js.order(&json!({ "post": "bytes/é", "bytes": [0, 255] })).await;
    js.sees("posted", &json!({ "success": true })).await;
    assert_eq!(next().await, json!(["bytes/é", { "bytes": [0, 255] }]));
    js.order(&json!({ "batch": "batch", "payload": payload })).await;
    js.sees("posted", &json!("ok")).await;
    py.sees("broadcast", &json!(["batch", payload])).await;
    assert_eq!(next().await, json!(["batch", payload]));
    room.send_by_http("rust posts/é", &payload).await.unwrap();
    for other in [&mut js, &mut py] {
        other.sees("broadcast", &json!(["rust posts/é", payload])).await;
    }
    assert_eq!(next().await, json!(["rust posts/é", payload]));
    room.send_by_http("rust posts", Payload::binary(vec![7, 0])).await.unwrap();
    js.sees("broadcast", &json!(["rust posts", { "bytes": [7, 0] }])).await;
    assert_eq!(next().await, json!(["rust posts", { "bytes": [7, 0] }]));

    // Presence: each sees all three.
    js.order(&json!({ "track": { "n": 1 } })).await;
    js.sees("tracked", &json!("ok")).await;
    py.order(&json!({ "track": { "n": 2 } })).await;
    py.sees("present", &json!(["js", "py"])).await;
    room.track(&json!({ "n": 3 })).await.unwrap();
    let all = json!(["js", "py", "rust"]);
    js.sees("present", &all).await;
    py.sees("present", &all).await;
    // What the others see was sent to us before.
    room.send("after", &json!({})).await.unwrap();
    let mut keys: Vec<String> =
        presence.list().into_iter().map(|(key, _)| key.to_string()).collect();
    keys.sort();
    assert_eq!(json!(keys), all);
    client.disconnect().await;
    project.listener.stop().await;
}
