//! Replays the client's side of a recording, and compares the server's.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use phx_conformance::recordings::{Fact, Line, Recording, Request, Side};
use phx_proto::{Frame, Instant};
use phx_testing::{Action, ConnectRequest, Server, SocketId, UpgradeRejection};
use serde_json::Value;

use super::app;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Shortened,
}

/// One frame or end that the server sent on a connection.
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

/// Returns the number of equal answers, or the first that differs.
pub(crate) fn compare(recording: &Recording, comparison: Comparison) -> Result<usize, String> {
    let recorded = normalize(recorded_answers(&recording.lines));
    let replayed = normalize(Replay::run(&recording.lines));
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
        let answer = match &line.fact {
            Fact::Open(upgrade) => {
                let mut headers = upgrade.answer.headers.iter();
                let protocol = headers.find(|(name, _)| name == "sec-websocket-protocol");
                Answer::Accepted { protocol: protocol.map(|(_, value)| value.clone()) }
            }
            Fact::Reject(upgrade) => Answer::Refused {
                status: upgrade.answer.status,
                headers: upgrade.answer.headers.clone(),
                body: upgrade.answer.body.clone(),
            },
            _ if line.from != Side::Server => continue,
            // What the proxy saw when a refused upgrade was over.
            Fact::Close { code: 1006, echo: true, .. } => continue,
            Fact::Close { code, .. } => Answer::Close(*code),
            _ => match line.frame() {
                Some(frame) => said(&frame),
                None => continue,
            },
        };
        answers.entry(line.conn).or_default().push(answer);
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
        let short = lines.iter().any(|line| match &line.fact {
            Fact::Open(upgrade) => upgrade.request.url.starts_with("/socket_short"),
            _ => false,
        });
        let (path, idle_timeout) = if short { ("/socket_short", 2) } else { ("/socket", 60) };
        let server = app::server(path, Duration::from_secs(idle_timeout));
        let mut replay = Replay { server, sockets: BTreeMap::new(), answers: Answers::new() };
        for line in lines {
            replay.step(line);
        }
        replay.answers
    }

    fn step(&mut self, line: &Line) {
        let now = line.at;
        self.server.handle_timeout(now);
        let socket = self.sockets.get(&line.conn).copied();
        match (&line.fact, socket.filter(|_| line.from == Side::Client)) {
            (Fact::Note { text }, _) if text == "SIGTERM to the server" => {
                self.server.shutdown(now);
            }
            (Fact::Open(upgrade) | Fact::Reject(upgrade), _) => {
                self.connect(now, line.conn, &upgrade.request);
            }
            (Fact::Ping, Some(socket)) => self.server.handle_ping(now, socket),
            (Fact::Close { echo: false, .. }, Some(socket)) => {
                self.server.handle_close(now, socket);
            }
            (_, Some(socket)) => {
                if let Some(frame) = line.frame() {
                    self.server.handle_frame(now, socket, frame);
                }
            }
            _ => {}
        }
        self.collect();
    }

    fn connect(&mut self, now: Instant, conn: u32, recorded: &Request) {
        let request = ConnectRequest::new(&recorded.url);
        let request = recorded
            .headers
            .iter()
            .fold(request, |request, (name, value)| request.with_header(name, value));
        let answer = match self.server.connect(now, &request) {
            Ok(accepted) => {
                self.sockets.insert(conn, accepted.socket);
                Answer::Accepted { protocol: accepted.protocol.map(str::to_owned) }
            }
            Err(refusal) => refused(&refusal),
        };
        self.answers.entry(conn).or_default().push(answer);
    }

    fn collect(&mut self) {
        while let Some(action) = self.server.poll_action() {
            let (socket, answer) = match action {
                Action::Send { socket, frame, .. } => (socket, said(&frame)),
                Action::Close { socket, code, .. } => (socket, Answer::Close(code.as_u16())),
                Action::Drop { socket, .. } => (socket, Answer::Close(1006)),
                _ => continue,
            };
            let conn = self.sockets.iter().find(|(_, known)| **known == socket).unwrap().0;
            self.answers.entry(*conn).or_default().push(answer);
        }
    }
}

fn refused(refusal: &UpgradeRejection) -> Answer {
    Answer::Refused {
        status: refusal.status(),
        headers: refusal.headers().to_vec(),
        body: String::from_utf8(refusal.body().to_vec()).unwrap(),
    }
}

/// A frame; the refs of a text are strings: a number is echoed as the string of its digits.
fn said(frame: &Frame) -> Answer {
    if !frame.is_text() {
        return Answer::Binary(frame.as_bytes().to_vec());
    }
    let mut message: Value = serde_json::from_slice(frame.as_bytes()).unwrap();
    if let Some(reference) = message.get_mut(1).filter(|reference| reference.is_number()) {
        *reference = reference.to_string().into();
    }
    Answer::Text(message)
}
