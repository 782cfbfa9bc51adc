//! Reads a recording, replays its client's side, and compares the server's.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use phx_proto::{Frame, Instant};
use phx_testing::{Action, ConnectRequest, Refusal, Server, SocketId};
use serde::Deserialize;
use serde_json::Value;

use crate::app;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Shortened,
}

#[derive(Deserialize)]
struct Line {
    t_ms: f64,
    conn: Option<u32>,
    dir: String,
    kind: String,
    data: Option<String>,
    #[serde(alias = "data_invalid_utf8_b64")]
    b64: Option<String>,
    text: Option<String>,
    code: Option<u16>,
    #[serde(default)]
    echo: bool,
    url: Option<String>,
    #[serde(default)]
    req_headers: Vec<(String, String)>,
    #[serde(default)]
    res_headers: Vec<(String, String)>,
    status: Option<u16>,
    body_text: Option<String>,
}

/// One thing that the server said on a connection.
#[derive(Clone, PartialEq)]
enum Answer {
    Accepted { protocol: Option<String> },
    Refused { status: u16, headers: Vec<(String, String)>, body: String },
    Text(Value),
    Binary(Vec<u8>),
    Close(u16),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Accepted { protocol } => write!(f, "101 {protocol:?}"),
            Answer::Refused { status, headers, body } => write!(f, "{status} {headers:?} {body}"),
            Answer::Text(text) => write!(f, "{text}"),
            Answer::Binary(bytes) => write!(f, "{}", bytes.escape_ascii()),
            Answer::Close(code) => write!(f, "close {code}"),
        }
    }
}

type Answers = BTreeMap<u32, Vec<Answer>>;

/// How many answers were equal, or the first that wasn't.
pub(crate) fn compare(transcript: &str, comparison: Comparison) -> Result<usize, String> {
    let mut lines: Vec<Line> =
        transcript.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.sort_by(|a, b| a.t_ms.total_cmp(&b.t_ms));
    let recorded = normalize(recorded_answers(&lines));
    let replayed = normalize(Replay::run(&lines));
    let mut equal = 0;
    for (conn, expected) in &recorded {
        let got = replayed.get(conn).map(Vec::as_slice).unwrap_or_default();
        let got = match comparison {
            Comparison::Equal => got.to_vec(),
            Comparison::Shortened => {
                got.iter().filter(|answer| expected.contains(answer)).cloned().collect()
            }
        };
        for index in 0..expected.len().max(got.len()) {
            let (expected, got) = (expected.get(index), got.get(index));
            if expected != got {
                return Err(format!(
                    "answer {index} on connection {conn}:\n  recorded {expected:?}\n  got      {got:?}"
                ));
            }
            equal += 1;
        }
    }
    if equal == 0 {
        return Err("the recording has no answers".to_owned());
    }
    Ok(equal)
}

/// Presence refs become their number in the order of first use, over all connections, and the
/// times in metas become 0.
fn normalize(mut answers: Answers) -> Answers {
    let mut refs = Vec::new();
    for answer in answers.values_mut().flatten() {
        if let Answer::Text(text) = answer {
            normalize_value(text, &mut refs);
        }
    }
    answers
}

fn normalize_value(value: &mut Value, refs: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| normalize_value(value, refs)),
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value.as_str()) {
                    ("online_at", _) => *value = 0.into(),
                    ("phx_ref" | "phx_ref_prev", Some(name)) => {
                        let known = refs.iter().position(|known| known == name);
                        let number = known.unwrap_or_else(|| {
                            refs.push(name.to_owned());
                            refs.len() - 1
                        });
                        *value = number.into();
                    }
                    _ => normalize_value(value, refs),
                }
            }
        }
        _ => {}
    }
}

fn recorded_answers(lines: &[Line]) -> Answers {
    let mut answers = Answers::new();
    for line in lines {
        let answer = match (line.dir.as_str(), line.kind.as_str()) {
            ("meta", "open") => {
                let protocol = line
                    .res_headers
                    .iter()
                    .find(|(name, _)| name == "sec-websocket-protocol")
                    .map(|(_, value)| value.clone());
                Answer::Accepted { protocol }
            }
            ("meta", "reject") => Answer::Refused {
                status: line.status.unwrap(),
                headers: line.res_headers.clone(),
                body: line.body_text.clone().unwrap_or_default(),
            },
            ("s2c", "text") => Answer::Text(text(line.data.as_ref().unwrap())),
            ("s2c", "binary") => Answer::Binary(bytes(line)),
            // What the proxy saw when a refused upgrade was over.
            ("s2c", "close") if line.echo && line.code == Some(1006) => continue,
            ("s2c", "close") => Answer::Close(line.code.unwrap()),
            _ => continue,
        };
        answers.entry(line.conn.unwrap()).or_default().push(answer);
    }
    answers
}

struct Replay {
    server: Server,
    sockets: BTreeMap<u32, SocketId>,
    answers: Answers,
}

impl Replay {
    fn run(lines: &[Line]) -> Answers {
        let url = lines.iter().find_map(|line| line.url.as_deref()).unwrap_or_default();
        let (path, idle_timeout) = if url.starts_with("/socket_short") {
            ("/socket_short", Duration::from_secs(2))
        } else {
            ("/socket", Duration::from_secs(60))
        };
        let server = app::server(path, idle_timeout);
        let mut replay = Replay { server, sockets: BTreeMap::new(), answers: Answers::new() };
        for line in lines {
            replay.step(line);
        }
        replay.answers
    }

    fn step(&mut self, line: &Line) {
        let now = Instant::from_epoch(Duration::from_secs_f64(line.t_ms / 1000.0));
        self.server.handle_timeout(now);
        if line.text.as_deref() == Some("SIGTERM to the server") {
            self.server.shutdown(now);
        }
        match (line.dir.as_str(), line.kind.as_str()) {
            ("meta", "open" | "reject") => self.connect(now, line),
            ("c2s", kind) => {
                if let Some(socket) = line.conn.and_then(|conn| self.sockets.get(&conn).copied()) {
                    self.client_said(now, socket, kind, line);
                }
            }
            _ => {}
        }
        self.collect();
    }

    fn connect(&mut self, now: Instant, line: &Line) {
        let mut request = ConnectRequest::new(line.url.as_ref().unwrap());
        for (name, value) in &line.req_headers {
            request = request.with_header(name, value);
        }
        let conn = line.conn.unwrap();
        let answer = match self.server.connect(now, &request) {
            Ok(accepted) => {
                self.sockets.insert(conn, accepted.socket);
                Answer::Accepted { protocol: accepted.protocol.map(str::to_owned) }
            }
            Err(refusal) => refused(&refusal),
        };
        self.answers.entry(conn).or_default().push(answer);
    }

    fn client_said(&mut self, now: Instant, socket: SocketId, kind: &str, line: &Line) {
        match kind {
            "text" => {
                let text = match &line.data {
                    Some(text) => text.clone().into_bytes(),
                    None => bytes(line),
                };
                self.server.handle_frame(now, socket, Frame::text(text));
            }
            "binary" => self.server.handle_frame(now, socket, Frame::binary(bytes(line))),
            "ping" => self.server.handle_ping(now, socket),
            "close" if !line.echo => self.server.handle_close(now, socket),
            _ => {}
        }
    }

    fn collect(&mut self) {
        while let Some(action) = self.server.poll_action() {
            let (socket, answer) = match action {
                Action::Send { socket, frame: Frame::Text(data), .. } => {
                    (socket, Answer::Text(text(std::str::from_utf8(&data).unwrap())))
                }
                Action::Send { socket, frame: Frame::Binary(data), .. } => {
                    (socket, Answer::Binary(data.to_vec()))
                }
                Action::Close { socket, code, .. } => (socket, Answer::Close(code.as_u16())),
                Action::Drop { socket, .. } => (socket, Answer::Close(1006)),
                _ => continue,
            };
            let conn = self.sockets.iter().find(|(_, known)| **known == socket).unwrap().0;
            self.answers.entry(*conn).or_default().push(answer);
        }
    }
}

fn refused(refusal: &Refusal) -> Answer {
    Answer::Refused {
        status: refusal.status(),
        headers: refusal.headers().to_vec(),
        body: String::from_utf8(refusal.body().to_vec()).unwrap(),
    }
}

/// A text frame, with its refs as strings: a number is echoed as the string of its digits.
fn text(data: &str) -> Value {
    let mut message: Value = serde_json::from_str(data).unwrap();
    if let Some(reference) = message.get_mut(1).filter(|reference| reference.is_number()) {
        *reference = reference.to_string().into();
    }
    message
}

fn bytes(line: &Line) -> Vec<u8> {
    STANDARD.decode(line.b64.as_deref().unwrap_or_default()).unwrap()
}
