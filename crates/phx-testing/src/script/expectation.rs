//! One step of a script: the expected request, and the answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use phx_proto::{ByteString, CloseCode, Payload, Status};
use serde_json::Value;

#[derive(Clone)]
pub(super) struct Expectation {
    kind: Kind,
    topic: String,
    pub(super) payload: WantedPayload,
    /// Delay before the answer.
    pub(super) delay: Duration,
    pub(super) answer: Answer,
    /// Actions after the answer, in order.
    pub(super) acts: Vec<Act>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Join,
    Push(ByteString),
    Leave,
}

#[derive(Clone)]
pub(super) enum WantedPayload {
    Any,
    Equal(Payload),
    That(String, Arc<dyn Fn(&Payload) -> bool + Send + Sync>),
}

#[derive(Clone)]
pub(super) enum Answer {
    Reply(Status, Payload),
    Nothing,
    Crash,
    /// The server's answer to a leave.
    Ended,
}

#[derive(Clone)]
pub(super) enum Act {
    Wait(Duration),
    Push(ByteString, Payload),
    Broadcast(ByteString, Payload),
    Stop,
    Crash,
    Close(CloseCode),
    Cut,
}

/// A request from a client.
#[derive(Clone)]
pub(super) struct Came {
    pub(super) kind: Kind,
    pub(super) topic: ByteString,
    pub(super) payload: Payload,
}

/// Differences of a payload that are listed, at most; a last line says how many more there are.
const MAX_DIFFERENCES: usize = 8;

impl Expectation {
    pub(super) fn new(kind: Kind, topic: String) -> Self {
        Expectation {
            kind,
            topic,
            payload: WantedPayload::Any,
            delay: Duration::ZERO,
            answer: Answer::Nothing,
            acts: Vec::new(),
        }
    }

    /// Returns true if a channel lives after the step, as written so far.
    pub(super) fn has_channel(&self) -> bool {
        let answered = match (&self.kind, &self.answer) {
            (_, Answer::Crash | Answer::Ended) | (Kind::Join, Answer::Nothing) => false,
            (Kind::Join, Answer::Reply(status, _)) => *status == Status::Ok,
            _ => true,
        };
        answered && self.has_connection()
    }

    /// Returns true if the step, as written so far, leaves a connection that can still be ended.
    pub(super) fn has_connection(&self) -> bool {
        let ends = |act: &Act| matches!(act, Act::Stop | Act::Crash | Act::Close(_) | Act::Cut);
        !matches!(self.answer, Answer::Crash) && !self.acts.iter().any(ends)
    }

    /// Returns the differences to the message that came; empty if it matches.
    pub(super) fn differences(&self, came: &Came) -> Vec<String> {
        let mut found = Vec::new();
        match (&self.kind, &came.kind) {
            (Kind::Push(expected), Kind::Push(got)) if expected != got => {
                found.push(format!("event: expected {expected:?}, got {got:?}"));
            }
            (expected, got) if expected.name() != got.name() => {
                found.push(format!("expected a {}, got a {}", expected.name(), got.name()));
            }
            _ => {}
        }
        let matches = match self.topic.strip_suffix('*') {
            Some(prefix) => came.topic.starts_with(prefix),
            None => came.topic == self.topic,
        };
        if !matches {
            found.push(format!("topic: expected {:?}, got {:?}", self.topic, &*came.topic));
        }
        // The payload of an unrelated request would only distract.
        if found.is_empty() {
            found = self.payload.differences(&came.payload);
        }
        if found.len() > MAX_DIFFERENCES {
            let more = found.len() - MAX_DIFFERENCES;
            found.truncate(MAX_DIFFERENCES);
            found.push(format!("and {more} more"));
        }
        found
    }
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Kind::Join => "join",
            Kind::Push(_) => "push",
            Kind::Leave => "leave",
        }
    }

    fn describe(&self, topic: &str) -> String {
        match self {
            Kind::Push(event) => format!("push {event:?} on {topic:?}"),
            Kind::Join | Kind::Leave => format!("{} of {topic:?}", self.name()),
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind.describe(&self.topic))?;
        match &self.payload {
            WantedPayload::Any => Ok(()),
            WantedPayload::Equal(payload) => write!(f, " with {}", text(payload)),
            WantedPayload::That(description, _) => write!(f, " with a payload that {description}"),
        }
    }
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind.describe(&self.topic))?;
        match self.kind {
            Kind::Leave => Ok(()),
            Kind::Join | Kind::Push(_) => write!(f, " with {}", text(&self.payload)),
        }
    }
}

impl WantedPayload {
    fn differences(&self, got: &Payload) -> Vec<String> {
        let mut found = Vec::new();
        match self {
            WantedPayload::Any => {}
            WantedPayload::That(description, test) => {
                if !test(got) {
                    found.push(format!("payload: it isn't one that {description}"));
                }
            }
            WantedPayload::Equal(expected) => {
                match (expected.decode::<Value>(), got.decode::<Value>()) {
                    (Ok(expected), Ok(got)) => compare("payload", &expected, &got, &mut found),
                    _ if expected == got => {}
                    _ => {
                        let (expected, got) = (text(expected), text(got));
                        found.push(format!("payload: expected {expected}, got {got}"));
                    }
                }
            }
        }
        found
    }
}

/// Collects the differences of two JSON values, each with its path.
fn compare(path: &str, expected: &Value, got: &Value, found: &mut Vec<String>) {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            for (key, expected) in expected {
                let path = format!("{path}.{key}");
                match got.get(key) {
                    Some(got) => compare(&path, expected, got, found),
                    None => found.push(format!("{path}: expected {expected}, which is missing")),
                }
            }
            for (key, got) in got.iter().filter(|(key, _)| !expected.contains_key(*key)) {
                found.push(format!("{path}.{key}: not expected, got {got}"));
            }
        }
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => {
            for (index, (expected, got)) in expected.iter().zip(got).enumerate() {
                compare(&format!("{path}[{index}]"), expected, got, found);
            }
        }
        _ if expected == got => {}
        _ => found.push(format!("{path}: expected {expected}, got {got}")),
    }
}

/// JSON in one line, or the bytes escaped.
fn text(payload: &Payload) -> String {
    match (payload.as_json(), payload.decode::<Value>()) {
        (Some(_), Ok(value)) => value.to_string(),
        (Some(json), Err(_)) => json.to_owned(),
        (None, _) => format!("binary b\"{}\"", payload.as_bytes().escape_ascii()),
    }
}
