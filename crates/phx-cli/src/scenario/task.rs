//! The steps of a scenario: what they do, as they are written and with their placeholders filled in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use phx_tokio::{ByteString, Payload, SocketBuilder};
use serde::Deserialize;
use serde_json::Value;

use super::data::Table;
use super::template::{Json, Text, Unfilled};
use super::variables::{TooLarge, Variable, Variables};
use crate::record::Kind;

/// One step with its common fields.
#[derive(Debug)]
pub(crate) struct Step {
    /// Number of its line in the file.
    pub(crate) line: u64,
    /// The name in reports: the user's, or made of the step's fields as they are written.
    pub(crate) name: String,
    pub(crate) task: Task<Text, Json>,
    /// The user's id, returned with the outcome.
    pub(crate) id: Option<Value>,
    pub(crate) timeout: Duration,
    /// Variables that are taken from the answer, with JSON pointers.
    pub(crate) save: Vec<(Arc<str>, String)>,
}

/// The task of a step, of texts `T` and JSON values `J`.
#[derive(Debug)]
pub(crate) enum Task<T = ByteString, J = Payload> {
    Connect(Address<T>),
    Join {
        topic: T,
        params: J,
        replace: bool,
        expect: Expect,
    },
    /// Sets the params of the next rejoins.
    Params {
        topic: T,
        params: J,
    },
    Push {
        topic: T,
        event: T,
        payload: Content<J>,
        expect: Expect,
    },
    Leave {
        topic: T,
    },
    /// Prints messages on topics without joining them.
    Listen {
        topic: T,
    },
    Wait(Pattern<T, J>),
    /// Waits until the list of those present is as wanted.
    Presence {
        topic: T,
        /// The key that must be present.
        key: Option<T>,
        /// The least number of keys.
        at_least: u64,
    },
    /// Waits for a time between the two.
    Sleep {
        least: Duration,
        most: Duration,
    },
    Ping,
    Disconnect,
    /// Sets variables.
    Set(Vec<(Arc<str>, J)>),
    /// Sets the variables of a row.
    Data(Arc<Table>, Order),
    Live(Live<T, J>),
}

/// A step of a Phoenix LiveView.
#[derive(Debug)]
pub(crate) enum Live<T = ByteString, J = Payload> {
    /// Fetches a page.
    Page { path: T },
    /// Joins the view of the page.
    Mount,
    Click {
        /// The kind of event, such as `click` or `keydown`.
        kind: T,
        event: T,
        value: J,
        /// The number of a component.
        cid: Option<u64>,
    },
    Form {
        event: T,
        /// An object of the fields' values.
        fields: J,
        /// The field that changed.
        target: Option<T>,
        cid: Option<u64>,
    },
    /// Goes to other params of the view.
    Patch { path: T },
    /// Goes to another view of the same session.
    Navigate { path: T },
    /// Sends a file of so many bytes.
    Upload { size: usize },
}

/// The payload of a push.
#[derive(Debug)]
pub(crate) enum Content<J> {
    Json(J),
    Binary(Payload),
}

/// The order in which users take rows of a data file.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Each user has the row of its number.
    #[default]
    User,
    /// Each step takes the next row.
    Next,
    Random,
}

/// The address of a connection, with params, headers and token.
#[derive(Debug, PartialEq)]
pub(crate) struct Address<T = ByteString> {
    pub(crate) url: Option<T>,
    pub(crate) params: BTreeMap<String, T>,
    pub(crate) headers: BTreeMap<String, T>,
    pub(crate) auth_token: Option<T>,
}

impl<T> Default for Address<T> {
    fn default() -> Self {
        Address { url: None, params: BTreeMap::new(), headers: BTreeMap::new(), auth_token: None }
    }
}

impl<T> Address<T> {
    /// Returns true if nothing of it is given.
    pub(crate) fn is_empty(&self) -> bool {
        let Address { url, params, headers, auth_token } = self;
        url.is_none() && params.is_empty() && headers.is_empty() && auth_token.is_none()
    }
}

impl Address {
    /// Adds the params, headers and token to a socket's settings.
    pub(crate) fn settle(&self, mut builder: SocketBuilder) -> SocketBuilder {
        for (name, value) in &self.params {
            builder = builder.param(name, value);
        }
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        if let Some(token) = &self.auth_token {
            builder = builder.auth_token(token);
        }
        builder
    }
}

/// The outcome that a join or a push must have.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Expect {
    #[default]
    Ok,
    Error,
    Any,
    /// The step waits for nothing.
    None,
}

/// Pattern of a `wait`: all given fields must match.
#[derive(Debug)]
pub(crate) struct Pattern<T = ByteString, J = Payload> {
    pub(crate) kind: Kind,
    pub(crate) topic: Option<T>,
    pub(crate) event: Option<T>,
    /// JSON that the payload must contain.
    pub(crate) payload: Option<J>,
}

/// Why the variables of a step can't be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsaved {
    /// The answer isn't JSON.
    NotJson,
    /// The pointer finds nothing in the answer.
    NotFound,
    TooLarge,
}

impl From<TooLarge> for Unsaved {
    fn from(TooLarge: TooLarge) -> Self {
        Unsaved::TooLarge
    }
}

impl Step {
    /// Returns true for a push that waits for its reply.
    pub(crate) fn is_measured_push(&self) -> bool {
        match &self.task {
            Task::Push { expect, .. } => *expect != Expect::None,
            Task::Live(live) => {
                matches!(live, Live::Click { .. } | Live::Form { .. } | Live::Patch { .. })
            }
            _ => false,
        }
    }

    /// The task with the values of the variables.
    pub(crate) fn fill(&self, variables: &Variables) -> Result<Task, Unfilled> {
        self.task.map(&|text| text.fill(variables), &|json| json.fill(variables))
    }

    /// Sets the variables that are taken from an answer.
    pub(crate) fn save(&self, answer: &Payload, variables: &mut Variables) -> Result<(), Unsaved> {
        if self.save.is_empty() {
            return Ok(());
        }
        let answer: Value = answer.decode().map_err(|_| Unsaved::NotJson)?;
        for (name, pointer) in &self.save {
            let found = answer.pointer(pointer).ok_or(Unsaved::NotFound)?;
            variables.set(name, Variable::from_value(found)?);
        }
        Ok(())
    }
}

impl<T, J> Task<T, J> {
    /// Returns false for steps that change what a user has one of: its connection and its live view.
    pub(crate) fn may_run_at_once(&self) -> bool {
        !matches!(self, Task::Connect(_) | Task::Disconnect | Task::Live(_))
    }

    /// The same task with all texts and JSON values replaced.
    fn map<U, K, E>(
        &self,
        text: &impl Fn(&T) -> Result<U, E>,
        json: &impl Fn(&J) -> Result<K, E>,
    ) -> Result<Task<U, K>, E> {
        let maybe = |field: &Option<T>| field.as_ref().map(text).transpose();
        Ok(match self {
            Task::Connect(address) => Task::Connect(address.map(text)?),
            Task::Join { topic, params, replace, expect } => Task::Join {
                topic: text(topic)?,
                params: json(params)?,
                replace: *replace,
                expect: *expect,
            },
            Task::Params { topic, params } => {
                Task::Params { topic: text(topic)?, params: json(params)? }
            }
            Task::Push { topic, event, payload, expect } => Task::Push {
                topic: text(topic)?,
                event: text(event)?,
                payload: match payload {
                    Content::Json(payload) => Content::Json(json(payload)?),
                    Content::Binary(payload) => Content::Binary(payload.clone()),
                },
                expect: *expect,
            },
            Task::Leave { topic } => Task::Leave { topic: text(topic)? },
            Task::Listen { topic } => Task::Listen { topic: text(topic)? },
            Task::Wait(Pattern { kind, topic, event, payload }) => Task::Wait(Pattern {
                kind: *kind,
                topic: maybe(topic)?,
                event: maybe(event)?,
                payload: payload.as_ref().map(json).transpose()?,
            }),
            Task::Presence { topic, key, at_least } => {
                Task::Presence { topic: text(topic)?, key: maybe(key)?, at_least: *at_least }
            }
            Task::Sleep { least, most } => Task::Sleep { least: *least, most: *most },
            Task::Ping => Task::Ping,
            Task::Disconnect => Task::Disconnect,
            Task::Set(values) => {
                let set = values.iter().map(|(name, value)| Ok((Arc::clone(name), json(value)?)));
                Task::Set(set.collect::<Result<_, E>>()?)
            }
            Task::Data(table, order) => Task::Data(Arc::clone(table), *order),
            Task::Live(live) => Task::Live(match live {
                Live::Page { path } => Live::Page { path: text(path)? },
                Live::Mount => Live::Mount,
                Live::Click { kind, event, value, cid } => Live::Click {
                    kind: text(kind)?,
                    event: text(event)?,
                    value: json(value)?,
                    cid: *cid,
                },
                Live::Form { event, fields, target, cid } => Live::Form {
                    event: text(event)?,
                    fields: json(fields)?,
                    target: maybe(target)?,
                    cid: *cid,
                },
                Live::Patch { path } => Live::Patch { path: text(path)? },
                Live::Navigate { path } => Live::Navigate { path: text(path)? },
                Live::Upload { size } => Live::Upload { size: *size },
            }),
        })
    }
}

impl<T> Address<T> {
    fn map<U, E>(&self, text: &impl Fn(&T) -> Result<U, E>) -> Result<Address<U>, E> {
        let all = |fields: &BTreeMap<String, T>| {
            fields
                .iter()
                .map(|(name, value)| Ok::<_, E>((name.clone(), text(value)?)))
                .collect::<Result<_, E>>()
        };
        Ok(Address {
            url: self.url.as_ref().map(text).transpose()?,
            params: all(&self.params)?,
            headers: all(&self.headers)?,
            auth_token: self.auth_token.as_ref().map(text).transpose()?,
        })
    }
}

impl Task<Text, Json> {
    /// Calls a function with the name of each variable that it needs.
    pub(crate) fn each_name(&self, mut each: impl FnMut(&Arc<str>)) {
        let names = std::cell::RefCell::new(&mut each);
        let text = |text: &Text| {
            text.names().for_each(|name| (names.borrow_mut())(name));
            Ok::<(), std::convert::Infallible>(())
        };
        let json = |json: &Json| {
            json.names().for_each(|name| (names.borrow_mut())(name));
            Ok(())
        };
        let Ok(_) = self.map(&text, &json);
    }
}

impl Pattern {
    /// Returns whether a payload has the parts that are wanted.
    pub(crate) fn matches_payload(&self, payload: Option<&Payload>) -> bool {
        self.payload.as_ref().is_none_or(|part| {
            let part: Option<Value> = part.decode().ok();
            let whole: Option<Value> = payload.and_then(|payload| payload.decode().ok());
            whole.zip(part).is_some_and(|(whole, part)| contains(&whole, &part))
        })
    }
}

/// Objects contain those that have some of their fields; all other values must be equal.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(name, part)| whole.get(name).is_some_and(|whole| contains(whole, part))),
        (whole, part) => whole == part,
    }
}

impl Task {
    /// Replaces the topic of a step about one channel.
    pub(crate) fn map_topic(mut self, map: impl Fn(&str) -> String) -> Self {
        let topic = match &mut self {
            Task::Join { topic, .. }
            | Task::Params { topic, .. }
            | Task::Push { topic, .. }
            | Task::Leave { topic }
            | Task::Presence { topic, .. }
            | Task::Wait(Pattern { topic: Some(topic), .. }) => topic,
            Task::Connect(_)
            | Task::Listen { .. }
            | Task::Wait(_)
            | Task::Sleep { .. }
            | Task::Ping
            | Task::Disconnect
            | Task::Set(_)
            | Task::Data(..)
            | Task::Live(_) => return self,
        };
        *topic = map(topic).into();
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_contains_parts_of_itself() {
        let whole = json!({ "a": { "b": 1, "c": [1, 2] }, "d": null });
        for part in [json!({}), json!({ "a": { "b": 1 } }), json!({ "a": { "c": [1, 2] } })] {
            assert!(contains(&whole, &part), "{part}");
        }
        for part in [json!({ "x": null }), json!({ "a": { "c": [1] } }), json!([]), json!(null)] {
            assert!(!contains(&whole, &part), "{part}");
        }
    }

    #[test]
    fn values_are_taken_from_answers() {
        let save = |pointer: &str| Step {
            line: 1,
            name: String::new(),
            task: Task::Ping,
            id: None,
            timeout: Duration::ZERO,
            save: vec![("it".into(), pointer.to_owned())],
        };
        let answer = Payload::json(&json!({ "a": [{ "b/c": "x" }], "n": 7 })).unwrap();
        for (pointer, found) in [("/a/0/b~1c", "x"), ("/n", "7"), ("/a", r#"[{"b/c":"x"}]"#)] {
            let mut variables = Variables::default();
            save(pointer).save(&answer, &mut variables).unwrap();
            let mut text = String::new();
            variables.get("it").unwrap().write_text(&mut text);
            assert_eq!(text, found);
        }
        let mut variables = Variables::default();
        assert_eq!(save("/b").save(&answer, &mut variables), Err(Unsaved::NotFound));
        let bytes = Payload::binary(vec![1]);
        assert_eq!(save("/b").save(&bytes, &mut variables), Err(Unsaved::NotJson));
        let large = Payload::json(&"x".repeat(1 << 17)).unwrap();
        assert_eq!(save("").save(&large, &mut variables), Err(Unsaved::TooLarge));
    }
}
