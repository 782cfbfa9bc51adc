//! Plays the server's side of a recording over a real socket, and compares the client's frames.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tokio::{TokioAdapter, accept_async};
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use futures::StreamExt as _;
use phx_client::{Bytes, Frame};
use phx_conformance::recordings::{Answer, Fact, Line, Recording, Side};
use phx_supabase::{Client, ClientBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(20);

/// A recording, and the part of it that is played.
pub(crate) struct Part {
    lines: Vec<Line>,
    listener: TcpListener,
    refs: BTreeMap<String, String>,
    stream: Option<WebSocketStream<TokioAdapter<TcpStream>>>,
}

impl Part {
    /// The lines of these connections, up to the first that `ends`.
    pub(crate) async fn open(
        name: &str,
        conns: &[u32],
        mut ends: impl FnMut(&Line) -> bool,
    ) -> Self {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/transcripts"));
        let recording = Recording::open_in(folder, name).unwrap();
        let lines = recording.lines.into_iter().filter(|line| conns.contains(&line.conn));
        let lines = lines.take_while(|line| !ends(line)).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Part { lines, listener, refs: BTreeMap::new(), stream: None }
    }

    pub(crate) fn client(&self) -> ClientBuilder {
        let address = self.listener.local_addr().unwrap();
        Client::builder(&format!("http://{address}"), "anon-key")
    }

    /// Plays it to its end, and returns the number of the client's frames. The connection stays open.
    pub(crate) async fn play(&mut self) -> usize {
        let lines = std::mem::take(&mut self.lines);
        let mut compared = 0;
        for line in &lines {
            let played = tokio::time::timeout(PATIENCE, self.step(line)).await;
            compared += played.unwrap_or_else(|_| panic!("line {}: nothing came", line.number));
        }
        compared
    }

    async fn step(&mut self, line: &Line) -> usize {
        match (&line.fact, line.from, line.frame()) {
            (Fact::Open(_), ..) => {
                let (stream, _) = self.listener.accept().await.unwrap();
                self.stream = Some(accept_async(stream).await.unwrap());
            }
            (Fact::Reject(upgrade), ..) => self.refuse(&upgrade.answer).await,
            (Fact::Close { code: 1006, .. }, Side::Server, _) => self.stream = None,
            (Fact::Close { code, .. }, Side::Server, _) => {
                if let Some(mut stream) = self.stream.take() {
                    let frame = CloseFrame { code: (*code).into(), reason: "".into() };
                    stream.close(Some(frame)).await.unwrap();
                    // The client's answer, if it still gives one.
                    while let Some(Ok(_)) = stream.next().await {}
                }
            }
            (_, Side::Client, Some(recorded)) if !is_heartbeat(&recorded) => {
                let ours = self.received().await;
                self.compare(line.number, &recorded, &ours);
                return 1;
            }
            (_, Side::Server, Some(recorded)) if !is_heartbeat(&recorded) => {
                let message = match self.answered(&recorded) {
                    Frame::Text(text) => Message::text(String::from_utf8(text.to_vec()).unwrap()),
                    Frame::Binary(data) => Message::Binary(data),
                };
                self.stream.as_mut().unwrap().send(message).await.unwrap();
            }
            _ => {}
        }
        0
    }

    /// Answers an upgrade as recorded; without an answer, ends the connection.
    async fn refuse(&mut self, answer: &Answer) {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.unwrap() > 0 {}
        if answer.status > 0 {
            let (status, body) = (answer.status, &answer.body);
            let len = body.len();
            let text = format!("HTTP/1.1 {status} X\r\nContent-Length: {len}\r\n\r\n{body}");
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    }

    /// Waits for a connection behind the recording's last.
    pub(crate) async fn another_attempt(&self) {
        tokio::time::timeout(PATIENCE, self.listener.accept()).await.unwrap().unwrap();
    }

    async fn received(&mut self) -> Frame {
        loop {
            let message = self.stream.as_mut().unwrap().next().await.unwrap().unwrap();
            let frame = match message {
                Message::Text(text) => Frame::text(Bytes::from(text)),
                Message::Binary(data) => Frame::binary(data),
                _ => continue,
            };
            if !is_heartbeat(&frame) {
                return frame;
            }
        }
    }

    fn compare(&mut self, number: usize, recorded: &Frame, ours: &Frame) {
        let (mut recorded, ours) = (read(recorded), read(ours));
        // A token has no reply, so ours has no ref.
        if ours["event"] == "access_token" {
            recorded["ref"].take();
        }
        for at in ["join_ref", "ref"] {
            if let (Some(theirs), Some(ours)) = (recorded[at].as_str(), ours[at].as_str()) {
                let known = self.refs.entry(theirs.to_owned()).or_insert_with(|| ours.to_owned());
                recorded[at] = json!(known);
            }
        }
        assert_eq!(ours, recorded, "line {number}");
    }

    /// A frame of the server, with our refs in the place of the recorded ones.
    fn answered(&self, recorded: &Frame) -> Frame {
        let Frame::Text(text) = recorded else {
            return recorded.clone();
        };
        let mut message: Value = serde_json::from_slice(text).unwrap();
        let replace = |reference: &mut Value| {
            if let Some(ours) = reference.as_str().and_then(|theirs| self.refs.get(theirs)) {
                *reference = json!(ours);
            }
        };
        match &mut message {
            Value::Array(fields) => fields.iter_mut().take(2).for_each(replace),
            fields => replace(&mut fields["ref"]),
        }
        Frame::text(message.to_string())
    }
}

/// A client's frame, its JSON as values. What a join leaves out has its default, and a presence key without presence
/// says nothing.
fn read(frame: &Frame) -> Value {
    let bytes = frame.as_bytes();
    if !frame.is_text() {
        let (header, mut rest) = bytes.split_at(7);
        let [join_ref, reference, topic, event, meta] = [1, 2, 3, 4, 5].map(|at| {
            let (part, after) = rest.split_at(usize::from(header[at]));
            rest = after;
            String::from_utf8(part.to_vec()).unwrap()
        });
        let body = match header[6] {
            1 => serde_json::from_slice(rest).unwrap(),
            _ => json!({ "bytes": rest }),
        };
        return json!({
            "kind": header[0], "join_ref": join_ref, "ref": reference, "topic": topic,
            "event": event, "meta": meta, "payload": body,
        });
    }
    let mut message: Value = serde_json::from_slice(bytes).unwrap();
    if let Value::Array(fields) = message {
        let [join_ref, reference, topic, event, payload] = fields.try_into().unwrap();
        message = json!({
            "join_ref": join_ref, "ref": reference, "topic": topic, "event": event,
            "payload": payload,
        });
    } else {
        // In V1 a join_ref means nothing.
        message["join_ref"] = Value::Null;
    }
    let is_join = message["event"] == "phx_join";
    let payload = &mut message["payload"];
    if is_join {
        payload.as_object_mut().unwrap().remove("version");
        for flag in ["ack", "self"] {
            let flag = &mut payload["config"]["broadcast"][flag];
            *flag = json!(*flag == true);
        }
        if payload["config"]["presence"]["enabled"] == false {
            payload["config"]["presence"]["key"] = json!("");
        }
    } else if let Some(call) = payload.get("event").cloned() {
        payload["type"].take();
        if call == "untrack" {
            payload["payload"].take();
        }
    }
    message
}

fn is_heartbeat(frame: &Frame) -> bool {
    frame.is_text() && String::from_utf8_lossy(frame.as_bytes()).contains("\"phoenix\"")
}
