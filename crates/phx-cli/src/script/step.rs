//! The steps of a script, parsed from its lines.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phx_tokio::Payload;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::failure::chain;
use crate::record::Kind;
use crate::terminal::shown;

/// Timeout of a step that has no `timeout_ms`.
const PATIENCE: Duration = Duration::from_secs(10);

/// The names of all steps.
const STEPS: &str = "connect, join, params, push, wait, listen, leave, ping, sleep, disconnect";

/// One step with its common fields.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) task: Task,
    /// The user's id, returned with the outcome.
    pub(super) id: Option<Value>,
    pub(super) timeout: Duration,
}

/// The task of a step.
#[derive(Debug)]
pub(super) enum Task {
    Connect(Address),
    Join {
        topic: String,
        params: Payload,
        replace: bool,
        expect: Expect,
    },
    /// Sets the params of the next rejoins.
    Params {
        topic: String,
        params: Payload,
    },
    Push {
        topic: String,
        event: String,
        payload: Payload,
        expect: Expect,
    },
    Leave {
        topic: String,
    },
    /// Prints messages on topics without joining them.
    Listen {
        topic: String,
    },
    Wait(Pattern),
    Sleep(Duration),
    Ping,
    Disconnect,
}

impl Task {
    /// Replaces the topic of a step about one channel.
    pub(super) fn map_topic(mut self, map: impl Fn(&str) -> String) -> Self {
        let topic = match &mut self {
            Task::Join { topic, .. }
            | Task::Params { topic, .. }
            | Task::Push { topic, .. }
            | Task::Leave { topic }
            | Task::Wait(Pattern { topic: Some(topic), .. }) => topic,
            Task::Connect(_)
            | Task::Listen { .. }
            | Task::Wait(_)
            | Task::Sleep(_)
            | Task::Ping
            | Task::Disconnect => return self,
        };
        *topic = map(topic);
        self
    }
}

/// The address of a connection, with params, headers and token.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Address {
    pub(super) url: Option<String>,
    pub(super) params: BTreeMap<String, String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) auth_token: Option<String>,
}

/// The outcome that a join or a push must have.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Expect {
    #[default]
    Ok,
    Error,
    Any,
    /// The step waits for nothing.
    None,
}

/// Pattern of a `wait`: all given fields must match.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) kind: Kind,
    pub(super) topic: Option<String>,
    pub(super) event: Option<String>,
    /// JSON that the payload must contain.
    pub(super) payload: Option<Value>,
}

/// All fields of a line.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Line {
    r#do: String,
    id: Option<Value>,
    timeout_ms: Option<u64>,
    url: Option<String>,
    params: Option<Box<RawValue>>,
    headers: Option<BTreeMap<String, String>>,
    auth_token: Option<String>,
    topic: Option<String>,
    event: Option<String>,
    payload: Option<Box<RawValue>>,
    binary: Option<String>,
    expect: Option<Expect>,
    replace: Option<bool>,
    kind: Option<Kind>,
    ms: Option<u64>,
}

impl Step {
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let mut line: Line = serde_json::from_str(line).map_err(|error| unfit(&error))?;
        let id = line.id.take();
        let timeout = line.timeout_ms.take().map_or(PATIENCE, Duration::from_millis);
        let task = line.task()?;
        match line.left_over() {
            None => Ok(Step { task, id, timeout }),
            Some(name) => Err(format!("`{}` has no `{name}`", line.r#do)),
        }
    }
}

impl Line {
    /// Takes the step's fields.
    fn task(&mut self) -> Result<Task, String> {
        Ok(match &*self.r#do.clone() {
            "connect" => Task::Connect(Address {
                url: self.url.take(),
                params: match self.params.take() {
                    Some(params) => serde_json::from_str(params.get())
                        .map_err(|_| "expected `params` of `connect` to be strings".to_owned())?,
                    None => BTreeMap::new(),
                },
                headers: self.headers.take().unwrap_or_default(),
                auth_token: self.auth_token.take(),
            }),
            "join" => Task::Join {
                topic: self.needs_topic()?,
                params: json(self.params.take())?,
                replace: self.replace.take().unwrap_or_default(),
                expect: match self.expect.take().unwrap_or_default() {
                    Expect::None => return Err("a join can't expect `none`".to_owned()),
                    expect => expect,
                },
            },
            "params" => Task::Params {
                topic: self.needs_topic()?,
                params: json(Some(self.params.take().ok_or("`params` needs `params`")?))?,
            },
            "push" => Task::Push {
                topic: self.needs_topic()?,
                event: self.event.take().ok_or("`push` needs an `event`")?,
                payload: match self.binary.take() {
                    Some(text) => {
                        let bytes = STANDARD.decode(text);
                        Payload::binary(bytes.map_err(|_| "`binary` isn't base64".to_owned())?)
                    }
                    None => json(self.payload.take())?,
                },
                expect: self.expect.take().unwrap_or_default(),
            },
            "leave" => Task::Leave { topic: self.needs_topic()? },
            "listen" => Task::Listen { topic: self.needs_topic()? },
            "wait" => Task::Wait(Pattern {
                kind: self.kind.take().unwrap_or(Kind::Message),
                topic: self.topic.take(),
                event: self.event.take(),
                payload: match self.payload.take() {
                    Some(payload) => serde_json::from_str(payload.get()).map(Some),
                    None => Ok(None),
                }
                .map_err(|error| unfit(&error))?,
            }),
            "sleep" => {
                Task::Sleep(Duration::from_millis(self.ms.take().ok_or("`sleep` needs `ms`")?))
            }
            "ping" => Task::Ping,
            "disconnect" => Task::Disconnect,
            "" => return Err("the line has no `do`".to_owned()),
            name => return Err(format!("there is no step `{name}`: expected one of {STEPS}")),
        })
    }

    fn needs_topic(&mut self) -> Result<String, String> {
        self.topic.take().ok_or_else(|| format!("`{}` needs a `topic`", self.r#do))
    }

    /// Returns a given field that the step doesn't have.
    fn left_over(&self) -> Option<&'static str> {
        let fields = [
            ("url", self.url.is_some()),
            ("params", self.params.is_some()),
            ("headers", self.headers.is_some()),
            ("auth_token", self.auth_token.is_some()),
            ("topic", self.topic.is_some()),
            ("event", self.event.is_some()),
            ("payload", self.payload.is_some()),
            ("binary", self.binary.is_some()),
            ("expect", self.expect.is_some()),
            ("replace", self.replace.is_some()),
            ("kind", self.kind.is_some()),
            ("ms", self.ms.is_some()),
        ];
        fields.into_iter().find_map(|(name, given)| given.then_some(name))
    }
}

/// Describes the mistake in a line. It quotes names of fields but no values, which may be secrets.
fn unfit(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if !error.is_data() || text.starts_with("unknown field") {
        return shown(&text);
    }
    // The text after this has names of types and this program's words.
    let expected = text.rsplit_once("expected ").map_or("another value", |(_, expected)| expected);
    let expected = expected.rsplit_once(" at line ").map_or(expected, |(expected, _)| expected);
    let expected = match expected {
        "u64" => "a whole number",
        "a borrowed string" => "a string",
        "struct Line" => "an object",
        expected => expected,
    };
    format!("expected {expected} at column {}", error.column())
}

fn json(text: Option<Box<RawValue>>) -> Result<Payload, String> {
    match text {
        Some(text) => {
            Payload::from_json_text(String::from(text.get())).map_err(|error| chain(&error))
        }
        None => Ok(Payload::empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_stay_as_they_are_written() {
        let line = r#"{"do":"push","topic":"a","event":"e","payload":{"b":1.50,"a":2},"id":7}"#;
        let step = Step::parse(line).unwrap();
        let Task::Push { payload, expect, .. } = step.task else { panic!("it is a push") };
        assert_eq!(payload.as_json(), Some(r#"{"b":1.50,"a":2}"#));
        assert_eq!((expect, step.id), (Expect::Ok, Some(Value::from(7))));
    }

    #[test]
    fn mistakes_say_what_was_expected() {
        for (line, why) in [
            (r#"{"do":"dance"}"#, "there is no step `dance`: expected one of connect, join"),
            (r#"{}"#, "no `do`"),
            (r#"{"do":"join"}"#, "`join` needs a `topic`"),
            (r#"{"do":"leave","topic":"a","event":"b"}"#, "`leave` has no `event`"),
            (r#"{"do":"join","topic":"a","expect":"none"}"#, "can't expect"),
            (r#"{"do":"ping","timeout":1}"#, "unknown field `timeout`"),
            (r#"{"do":"push","topic":"a","event":"e","binary":"!"}"#, "`binary`"),
            (r#"{"do":"push","topic":"a","event":"e","binary":"","payload":1}"#, "no `payload`"),
            ("{", "EOF"),
            (r#"{"do":"join","topic":"a","expect":"hush"}"#, "expected one of `ok`, `error`"),
            (r#"{"do":"sleep","ms":"hush"}"#, "expected a whole number at column"),
            (r#"{"do":"sleep","ms":"x, expected hush"}"#, "expected a whole number at column"),
            (r#"{"do":"join","topic":["hush"]}"#, "expected a string at column"),
            (r#"{"do":"wait","kind":"hush"}"#, "expected one of `connected`, `disconnected`"),
            (r#""hush""#, "expected an object at column"),
            (r#"{"do":"params","topic":"a"}"#, "`params` needs `params`"),
            (r#"{"do":"connect","params":["hush"]}"#, "to be strings"),
        ] {
            let error = Step::parse(line).unwrap_err();
            assert!(error.contains(why) && !error.contains("hush"), "{line}: {error}");
        }
    }
}
