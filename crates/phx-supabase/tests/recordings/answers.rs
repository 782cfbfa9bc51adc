//! The server's answers, as they were recorded and as they are replayed, and their comparison.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use phx_client::Frame;
use phx_conformance::recordings::{Answer as HttpAnswer, Fact, Line, Side};
use serde_json::Value;

/// How the answers of a recording are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// All are equal.
    Equal,
    /// The recorded ones are among the server's, in their order.
    Among,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Comparison::Equal => "equal",
            Comparison::Among => "equal as far as the recorded server knows them",
        })
    }
}

/// Answer on a connection, or to a request: those have the connection 0.
#[derive(Clone, PartialEq)]
pub(crate) enum Answer {
    Accepted,
    Http { status: u16, body: String },
    Text(Value),
    Binary(Vec<u8>),
    Close(u16),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Accepted => write!(f, "101"),
            Answer::Http { status, body } => write!(f, "{status} {body}"),
            Answer::Text(text) => write!(f, "{text}"),
            Answer::Binary(bytes) => write!(f, "{}", bytes.escape_ascii()),
            Answer::Close(code) => write!(f, "close {code}"),
        }
    }
}

/// By connection, heartbeats apart: the processes of a socket and of its channels have no order among them.
#[derive(Default)]
pub(crate) struct Answers(BTreeMap<(u32, bool), Vec<Answer>>);

impl Answers {
    pub(crate) fn add(&mut self, conn: u32, answer: Answer) {
        let is_heartbeat = match &answer {
            Answer::Text(message) => message
                .get(2)
                .or_else(|| message.get("topic"))
                .is_some_and(|topic| topic == "phoenix"),
            _ => false,
        };
        self.0.entry((conn, is_heartbeat)).or_default().push(answer);
    }
}

impl Answer {
    pub(crate) fn of_frame(frame: &Frame) -> Self {
        match frame {
            Frame::Text(text) => Answer::Text(serde_json::from_slice(text).unwrap()),
            Frame::Binary(bytes) => Answer::Binary(bytes.to_vec()),
        }
    }
}

/// Text of an operator's disconnect, which the server's close follows.
pub(crate) const DISCONNECT: &str = "Server requested disconnect";

/// The recorded answers of the server: closes of the proxy, and its answers to closes, aren't.
pub(crate) fn recorded(lines: &[Line]) -> Answers {
    let mut answers = Answers::default();
    let mut server_closes = false;
    for line in lines {
        let answer = match &line.fact {
            Fact::Open(_) => Answer::Accepted,
            // The proxy resets a connection without an answer.
            Fact::Reject(upgrade) if upgrade.answer.status == 0 => continue,
            Fact::Reject(upgrade) => http(&upgrade.answer),
            Fact::HttpRes { answer, .. } => http(answer),
            _ if line.from != Side::Server => continue,
            Fact::Close { code, echo: false, .. } if server_closes => Answer::Close(*code),
            _ => match line.frame() {
                Some(frame) => {
                    server_closes |= String::from_utf8_lossy(frame.as_bytes()).contains(DISCONNECT);
                    Answer::of_frame(&frame)
                }
                None => continue,
            },
        };
        answers.add(line.conn, answer);
    }
    answers
}

fn http(answer: &HttpAnswer) -> Answer {
    Answer::Http { status: answer.status, body: answer.body.clone() }
}

/// Number of equal answers, or the first difference. On the connections of `interrupted`, a proxy swallowed the last
/// answers.
pub(crate) fn compare(
    recorded: Answers,
    replayed: Answers,
    comparison: Comparison,
    interrupted: &BTreeSet<u32>,
) -> Result<usize, String> {
    let (recorded, replayed) = (normalized(recorded), normalized(replayed));
    let mut equal = 0;
    for (key, expected) in &recorded.0 {
        let (conn, _) = key;
        let mut got = replayed.0.get(key).cloned().unwrap_or_default();
        if comparison == Comparison::Among {
            let mut rest = expected.iter().peekable();
            got.retain(|answer| rest.next_if(|next| *next == answer).is_some());
        }
        if interrupted.contains(conn) {
            got.truncate(expected.len());
        }
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
    match equal {
        0 => Err("the recording has no answers".to_owned()),
        _ => Ok(equal),
    }
}

/// Presence refs and ids of bindings become their numbers in the order of first use.
fn normalized(mut answers: Answers) -> Answers {
    let mut names = Names::default();
    for answer in answers.0.values_mut().flatten() {
        if let Answer::Text(text) = answer {
            names.replace_in(text);
        }
    }
    answers
}

#[derive(Default)]
struct Names(Vec<Value>);

impl Names {
    fn replace(&mut self, name: &mut Value) {
        let known = self.0.iter().position(|known| known == name);
        let number = known.unwrap_or_else(|| {
            self.0.push(name.clone());
            self.0.len() - 1
        });
        *name = format!("name {number}").into();
    }

    fn replace_in(&mut self, value: &mut Value) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(|value| self.replace_in(value)),
            Value::Object(map) => {
                for (key, value) in map {
                    match (key.as_str(), &mut *value) {
                        ("phx_ref" | "phx_ref_prev", name) => self.replace(name),
                        ("ids", Value::Array(ids)) => {
                            for id in ids {
                                self.replace(id);
                            }
                        }
                        ("postgres_changes", Value::Array(bindings)) => {
                            for binding in bindings {
                                self.replace(&mut binding["id"]);
                            }
                        }
                        _ => self.replace_in(value),
                    }
                }
            }
            _ => {}
        }
    }
}
