//! Replays the client's side of a recording, and what its script did on the server's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use phx_client::{Frame, Instant, Payload};
use phx_conformance::recordings::{Fact, Line, Recording, Side};
use phx_supabase::Broadcast;
use phx_supabase::testing::{self, Change, Command, RealtimeServer, Token};
use phx_testing::{Action, ConnectRequest, HttpRequest, Server, SocketId};
use serde_json::{Value, json};

use super::answers::{self, Answer, Answers, Comparison};

pub(crate) fn compare(recording: &Recording, comparison: Comparison) -> Result<usize, String> {
    let mut replay = Replay::new(topic_of(recording), comparison);
    for line in &recording.lines {
        replay.step(line);
    }
    let recorded = answers::recorded(&recording.lines);
    answers::compare(recorded, replay.answers, comparison, &replay.interrupted)
}

/// The server of the recordings, as their README describes it.
fn server(comparison: Comparison) -> RealtimeServer {
    let expired = |token: &str| match token.starts_with("expired") {
        true => Token::Expired { ago: Duration::from_secs(10) },
        false => Token::VALID,
    };
    let server = RealtimeServer::new("anon-key")
        .keys(expired)
        .tokens(move |token, _| expired(token))
        .error_delay(Duration::from_millis(300))
        .joins(|join| match &*join.channel {
            "denied" => Err("Unauthorized: You do not have permissions to read from this Channel \
                             topic: denied"
                .to_owned()),
            _ => Ok(()),
        })
        .after_join(|join| {
            let command = match &*join.channel {
                "expiring" => Command::Shutdown("Token has expired 0 seconds ago".to_owned()),
                "crashing" => Command::Crash,
                _ => return None,
            };
            // Less than it took: the times are those of the proxy.
            Some((Duration::from_millis(480), command))
        });
    match comparison {
        Comparison::Equal => server,
        Comparison::Among => server.presence_calls(u32::MAX, Duration::from_secs(1)),
    }
}

/// The topic of the recording's first join.
fn topic_of(recording: &Recording) -> String {
    let frames = recording.lines.iter().filter_map(Line::frame);
    let topic = frames.filter(Frame::is_text).find_map(|frame| {
        let message: Value = serde_json::from_slice(frame.as_bytes()).unwrap();
        let topic = message.get(2).or_else(|| message.get("topic"))?;
        Some(topic.as_str()?.to_owned())
    });
    topic.unwrap_or_default()
}

struct Replay {
    server: Server,
    topic: String,
    sockets: BTreeMap<u32, SocketId>,
    answers: Answers,
    /// Connections whose last answers the proxy swallowed.
    interrupted: BTreeSet<u32>,
    operator_disconnects: bool,
    /// The script's broadcasts and changes are noted.
    is_noted: bool,
    /// Time of each connection's last frame of the client.
    last_sent: BTreeMap<u32, Instant>,
}

/// What the client sends in so short a time before its close isn't answered any more.
const BEHIND: Duration = Duration::from_millis(2);

impl Replay {
    fn new(topic: String, comparison: Comparison) -> Self {
        Replay {
            server: server(comparison).builder().build(),
            topic,
            sockets: BTreeMap::new(),
            answers: Answers::default(),
            interrupted: BTreeSet::new(),
            operator_disconnects: false,
            is_noted: false,
            last_sent: BTreeMap::new(),
        }
    }

    fn step(&mut self, line: &Line) {
        let now = line.at;
        self.server.handle_timeout(now);
        self.collect();
        let socket = self.sockets.get(&line.conn).copied();
        match (&line.fact, line.from, socket) {
            (Fact::Note { text }, ..) => self.script(now, text),
            (Fact::Open(upgrade), ..) => self.connect(now, line.conn, &upgrade.request.url),
            (Fact::Reject(upgrade), ..) if upgrade.answer.status > 0 => {
                self.connect(now, line.conn, &upgrade.request.url);
            }
            (Fact::HttpReq { method, url, headers, body, .. }, ..) => {
                // The type of the content isn't recorded.
                let is_json = serde_json::from_str::<Value>(body).is_ok();
                let kind = if is_json { "json" } else { "octet-stream" };
                let request = HttpRequest::new(method, url).with_body(body.clone());
                let request = request.with_header("content-type", &format!("application/{kind}"));
                let request = headers
                    .iter()
                    .fold(request, |request, (name, value)| request.with_header(name, value));
                self.server.handle_request(now, request);
            }
            (Fact::Ping, Side::Client, Some(socket)) => self.server.handle_ping(now, socket),
            (Fact::Close { .. }, _, Some(socket)) => {
                let by_proxy = line.from == Side::Server && !self.operator_disconnects;
                let last_sent = self.last_sent.get(&line.conn);
                if by_proxy || last_sent.is_some_and(|at| now < *at + BEHIND) {
                    self.interrupted.insert(line.conn);
                }
                // What is answered to a close isn't recorded: the proxy closes by itself.
                self.sockets.remove(&line.conn);
                self.server.handle_lost(now, socket);
            }
            (_, Side::Client, Some(socket)) => {
                if let Some(frame) = line.frame() {
                    self.last_sent.insert(line.conn, now);
                    self.server.handle_frame(now, socket, frame);
                }
            }
            (_, Side::Server, Some(_)) => self.unnoted(now, line),
            _ => {}
        }
        self.collect();
    }

    fn connect(&mut self, now: Instant, conn: u32, url: &str) {
        let answer = match self.server.connect(now, &ConnectRequest::new(url)) {
            Ok(accepted) => {
                self.sockets.insert(conn, accepted.socket);
                Answer::Accepted
            }
            Err(refusal) => Answer::Http {
                status: refusal.status(),
                body: String::from_utf8(refusal.body().to_vec()).unwrap(),
            },
        };
        self.answers.add(conn, answer);
    }

    /// What the script did, by its note.
    fn script(&mut self, now: Instant, note: &str) {
        let meta = json!({ "id": "00000000-0000-4000-8000-00000000000a" });
        let meta = Payload::json(&meta).unwrap();
        let json = |x: u32| Payload::json(&json!({ "x": x })).unwrap();
        let bytes = || Payload::binary(vec![1, 2, 255]);
        let cursor = |payload| Broadcast::new("cursor", payload);
        self.is_noted |= note.starts_with("server: ");
        match note {
            "server: json" => self.broadcast(now, &cursor(json(2))),
            "server: json_meta" => self.broadcast(now, &cursor(json(2)).with_meta(meta)),
            "server: bin" => self.broadcast(now, &cursor(bytes())),
            "server: bin_meta" => self.broadcast(now, &cursor(bytes()).with_meta(meta)),
            "server: text" => self.broadcast_text(now, &cursor(json(3))),
            "server: text_meta" => self.broadcast_text(now, &cursor(json(3)).with_meta(meta)),
            "server: kind2" => self.push_bytes_from_another(now),
            "server: binpush" => {
                for socket in self.sockets.values() {
                    let payload = Payload::binary(vec![9, 9]);
                    assert!(self.server.push(now, *socket, &self.topic, "raw", payload));
                }
            }
            "server: INSERT" => self.change(now, "INSERT"),
            "server: UPDATE" => self.change(now, "UPDATE"),
            "server: DELETE" => self.change(now, "DELETE"),
            "disconnect by the operator" => self.disconnect(now),
            "server answers nothing from now" | "unsubscribe, server answers nothing" => {
                self.interrupted.extend(self.sockets.keys());
            }
            // Noted after it had its effect.
            _ if note.starts_with("muted: ") => self.interrupted.extend(self.sockets.keys()),
            _ => {}
        }
    }

    /// What the script did without a note, by what the recorded server said.
    fn unnoted(&mut self, now: Instant, line: &Line) {
        let Some(frame) = line.frame().filter(Frame::is_text) else { return };
        let message: Value = serde_json::from_slice(frame.as_bytes()).unwrap();
        let payload = &message[4];
        let text = payload["message"].as_str().unwrap_or_default();
        let kind = payload["data"]["type"].as_str();
        if let Some(kind) = kind.filter(|_| message[3] == "postgres_changes" && !self.is_noted) {
            self.change(now, kind);
        } else if text == answers::DISCONNECT && !self.operator_disconnects {
            self.disconnect(now);
        } else if text.starts_with("{:error, ") {
            let command = Command::System {
                extension: "postgres_changes".to_owned(),
                status: "error".to_owned(),
                message: text.to_owned(),
            };
            testing::send(&mut self.server, now, &self.topic, &command);
        }
    }

    fn disconnect(&mut self, now: Instant) {
        self.operator_disconnects = true;
        testing::disconnect(&mut self.server, now);
    }

    fn broadcast(&mut self, now: Instant, broadcast: &Broadcast) {
        testing::broadcast(&mut self.server, now, &self.topic, broadcast);
    }

    fn broadcast_text(&mut self, now: Instant, broadcast: &Broadcast) {
        let payload = broadcast.to_text().unwrap();
        self.server.broadcast(now, self.topic.as_str(), "broadcast", payload);
    }

    fn change(&mut self, now: Instant, kind: &str) {
        let row = json!({ "id": 7, "body": "hello" });
        let key = json!({ "id": 7 });
        let mut change = match kind {
            "INSERT" => Change::insert("msgs", row),
            "UPDATE" => Change::update("msgs", row, key),
            _ => Change::delete("msgs", key),
        };
        change.columns =
            json!([{ "name": "id", "type": "int8" }, { "name": "body", "type": "text" }]);
        testing::change(&mut self.server, now, &self.topic, &change);
    }

    /// A client that isn't recorded pushes `broadcast` as a frame of kind 0.
    fn push_bytes_from_another(&mut self, now: Instant) {
        let url = "/realtime/v1/websocket?apikey=anon-key&vsn=2.0.0";
        let other = self.server.connect(now, &ConnectRequest::new(url)).unwrap().socket;
        let join = json!(["1", "1", self.topic, "phx_join", {}]).to_string();
        self.server.handle_frame(now, other, Frame::text(join));
        let mut push = vec![0, 1, 1, u8::try_from(self.topic.len()).unwrap(), 9];
        push.extend_from_slice(format!("12{}broadcast\t\t", self.topic).as_bytes());
        self.server.handle_frame(now, other, Frame::binary(push));
        self.server.handle_lost(now, other);
    }

    fn collect(&mut self) {
        while let Some(action) = self.server.poll_action() {
            let (socket, answer) = match action {
                Action::Send { socket, frame, .. } => (socket, Answer::of_frame(&frame)),
                Action::Close { socket, code, .. } => (socket, Answer::Close(code.as_u16())),
                Action::Drop { socket, .. } => (socket, Answer::Close(1006)),
                Action::Answer { answer, .. } => {
                    let body = String::from_utf8(answer.body().to_vec()).unwrap();
                    self.answers.add(0, Answer::Http { status: answer.status(), body });
                    continue;
                }
                _ => continue,
            };
            // A connection that isn't recorded has no answers.
            if let Some((conn, _)) = self.sockets.iter().find(|(_, known)| **known == socket) {
                self.answers.add(*conn, answer);
            }
        }
    }
}
