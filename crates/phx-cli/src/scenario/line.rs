//! The lines of a scenario, parsed: each is an object whose field `do` names a step or begins or ends a block.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phx_tokio::Payload;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::data::{MAX_DATA, Table};
use super::task::{Address, Content, Expect, Live, Order, Pattern, Step, Task};
use super::template::{Json, Malformed, Text, is_name};
use crate::record::Kind;
use crate::terminal::shown;
use crate::value;

/// Timeout of a step that has no `timeout_ms`.
const PATIENCE: Duration = Duration::from_secs(10);

/// The names of all steps.
const STEPS: &str = "connect, join, params, push, wait, presence, listen, leave, ping, sleep, disconnect, \
                     set, data, page, mount, click, form, patch, navigate, upload, loop, group, choose, option, end";

/// Longest pause and longest timeout of a step.
const MAX_TIME: Duration = Duration::from_secs(24 * 3_600);

/// Largest number of passes of a loop, and largest weight of an option.
const MAX_TIMES: u64 = 1_000_000_000;

/// Passes of a loop that may run at the same time.
const MAX_AT_ONCE: u64 = 1_000;

/// Bytes of an upload.
const MAX_UPLOAD: u64 = 1 << 30;

/// Bytes of a step's name.
const MAX_NAME: usize = 128;

/// A line that was parsed.
#[derive(Debug)]
pub(crate) enum Line {
    Step(Box<Step>),
    Loop(Loop),
    /// A block that is measured as a whole, under this name.
    Group(String),
    /// A block of options, of which one is taken.
    Choose,
    /// An option of a `choose` with its weight.
    Option(u64),
    End,
}

/// The limits of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loop {
    pub(crate) times: Option<u64>,
    pub(crate) duration: Option<Duration>,
    /// The time from the start of a pass to the start of the next one.
    pub(crate) every: Option<Duration>,
    /// Number of passes that may run at the same time, each with variables of its own.
    pub(crate) at_once: Option<usize>,
}

/// All fields of a line.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Fields {
    r#do: String,
    id: Option<Value>,
    name: Option<String>,
    timeout_ms: Option<u64>,
    save: Option<BTreeMap<String, String>>,
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
    to_ms: Option<u64>,
    key: Option<String>,
    at_least: Option<u64>,
    variables: Option<BTreeMap<String, Box<RawValue>>>,
    file: Option<String>,
    r#as: Option<String>,
    order: Option<Order>,
    times: Option<u64>,
    for_ms: Option<u64>,
    every_ms: Option<u64>,
    at_once: Option<u64>,
    weight: Option<u64>,
    path: Option<String>,
    r#type: Option<String>,
    value: Option<Box<RawValue>>,
    fields: Option<Box<RawValue>>,
    target: Option<String>,
    cid: Option<u64>,
    bytes: Option<u64>,
}

impl Line {
    /// Parses a line. `directory` is where the names of data files begin. The error says what was expected, with the column,
    /// and quotes no value.
    pub(crate) fn parse(number: u64, text: &str, directory: &str) -> Result<Self, String> {
        let mut fields: Fields = serde_json::from_str(text).map_err(|error| unfit(&error))?;
        let line = fields.line(number, text, directory)?;
        match fields.left_over() {
            None => Ok(line),
            Some(name) => Err(at(text, name, format!("`{}` has no `{name}`", fields.r#do))),
        }
    }
}

impl Fields {
    fn line(&mut self, number: u64, text: &str, directory: &str) -> Result<Line, String> {
        let kind = self.r#do.clone();
        Ok(match &*kind {
            "loop" => Line::Loop(self.limits(text)?),
            "group" => {
                let name = self.name.take().ok_or_else(|| needs(&kind, "a `name`"))?;
                Line::Group(checked_name(text, name)?)
            }
            "choose" => Line::Choose,
            "option" => Line::Option(self.count(text, "weight")?.unwrap_or(1)),
            "end" => Line::End,
            _ => {
                let task = self.task(text, directory)?;
                let save = self.saved(text, &task)?;
                let timeout = self.timeout_ms.take().map_or(PATIENCE, Duration::from_millis);
                let name = self.name.take().unwrap_or_else(|| name_of(&kind, &task));
                Line::Step(Box::new(Step {
                    line: number,
                    name: checked_name(text, name)?,
                    task,
                    id: self.id.take(),
                    timeout: timeout.min(MAX_TIME),
                    save,
                }))
            }
        })
    }

    /// Takes the fields of a step.
    fn task(&mut self, text: &str, directory: &str) -> Result<Task<Text, Json>, String> {
        let kind = self.r#do.clone();
        let template = |name: &str, field: Option<String>| {
            let parsed = field.map(|field| Text::parse(&field)).transpose();
            parsed.map_err(|_| placeholder(text, name))
        };
        let topic = template("topic", self.topic.take())?;
        let needs_topic = || topic.clone().ok_or_else(|| needs(&kind, "a `topic`"));
        Ok(match &*kind {
            "connect" => Task::Connect(Address {
                url: template("url", self.url.take())?,
                params: match self.params.take() {
                    Some(params) => {
                        let params = serde_json::from_str(params.get());
                        let expected = "expected `params` of `connect` to be strings";
                        texts(text, "params", params.map_err(|_| at(text, "params", expected))?)?
                    }
                    None => BTreeMap::new(),
                },
                headers: texts(text, "headers", self.headers.take().unwrap_or_default())?,
                auth_token: template("auth_token", self.auth_token.take())?,
            }),
            "join" => Task::Join {
                topic: needs_topic()?,
                params: json(text, "params", self.params.take())?,
                replace: self.replace.take().unwrap_or_default(),
                expect: match self.expect.take().unwrap_or_default() {
                    Expect::None => return Err(at(text, "expect", "a join can't expect `none`")),
                    expect => expect,
                },
            },
            "params" => {
                let params = self.params.take().ok_or_else(|| needs(&kind, "`params`"))?;
                Task::Params { topic: needs_topic()?, params: json(text, "params", Some(params))? }
            }
            "push" => {
                let event = template("event", self.event.take())?;
                Task::Push {
                    topic: needs_topic()?,
                    event: event.ok_or_else(|| needs(&kind, "an `event`"))?,
                    payload: match self.binary.take() {
                        Some(base64) => {
                            let bytes = STANDARD.decode(base64);
                            let bytes =
                                bytes.map_err(|_| at(text, "binary", "`binary` isn't base64"))?;
                            Content::Binary(Payload::binary(bytes))
                        }
                        None => Content::Json(json(text, "payload", self.payload.take())?),
                    },
                    expect: self.expect.take().unwrap_or_default(),
                }
            }
            "leave" => Task::Leave { topic: needs_topic()? },
            "listen" => Task::Listen { topic: needs_topic()? },
            "wait" => Task::Wait(Pattern {
                kind: self.kind.take().unwrap_or(Kind::Message),
                topic,
                event: template("event", self.event.take())?,
                payload: match self.payload.take() {
                    Some(payload) => Some(json(text, "payload", Some(payload))?),
                    None => None,
                },
            }),
            "presence" => Task::Presence {
                topic: needs_topic()?,
                key: template("key", self.key.take())?,
                at_least: self.at_least.take().unwrap_or(1),
            },
            "sleep" => {
                let least = self.time(text, "ms")?.ok_or_else(|| needs(&kind, "`ms`"))?;
                let most = self.time(text, "to_ms")?.unwrap_or(least);
                if most < least {
                    return Err(at(text, "to_ms", "expected `to_ms` to be at least `ms`"));
                }
                Task::Sleep { least, most }
            }
            "ping" => Task::Ping,
            "disconnect" => Task::Disconnect,
            "set" => {
                let variables = self.variables.take().ok_or_else(|| needs(&kind, "`variables`"))?;
                let mut values = Vec::new();
                for (name, value) in variables {
                    let name = variable(text, &name)?;
                    values.push((name, json(text, "variables", Some(value))?));
                }
                Task::Set(values)
            }
            "data" => {
                let file = self.file.take().ok_or_else(|| needs(&kind, "a `file`"))?;
                let prefix = self.r#as.take();
                if prefix.as_ref().is_some_and(|prefix| !is_name(prefix)) {
                    return Err(unnamed(text, "as"));
                }
                let table = table(&file, directory, prefix.as_deref());
                let table = table.map_err(|why| at(text, "file", why))?;
                Task::Data(Arc::new(table), self.order.take().unwrap_or_default())
            }
            "page" | "mount" | "click" | "form" | "patch" | "navigate" | "upload" => {
                Task::Live(self.live(&kind, text)?)
            }
            "" => return Err(at(text, "do", "the line has no `do`: expected the name of a step")),
            name => {
                let text_of =
                    format!("there is no step `{}`: expected one of {STEPS}", shown(name));
                return Err(at(text, "do", text_of));
            }
        })
    }

    /// Takes the fields of a step of a live view.
    fn live(&mut self, kind: &str, text: &str) -> Result<Live<Text, Json>, String> {
        let template = |name: &str, field: Option<String>| {
            let parsed = field.map(|field| Text::parse(&field)).transpose();
            parsed.map_err(|_| placeholder(text, name))
        };
        let path = template("path", self.path.take())?;
        if path.as_ref().is_some_and(|path| !path.source().starts_with(['/', '$'])) {
            return Err(at(text, "path", "expected a path on the socket's server, such as \"/\""));
        }
        let event = template("event", self.event.take_if(|_| matches!(kind, "click" | "form")))?;
        let needs_path = || path.ok_or_else(|| needs(kind, "a `path`"));
        let needs_event = || event.ok_or_else(|| needs(kind, "an `event`"));
        Ok(match kind {
            "page" => Live::Page { path: needs_path()? },
            "mount" => Live::Mount,
            "click" => Live::Click {
                kind: Text::parse(self.r#type.take().as_deref().unwrap_or("click"))
                    .map_err(|_| placeholder(text, "type"))?,
                event: needs_event()?,
                value: json(text, "value", self.value.take())?,
                cid: self.cid.take(),
            },
            "form" => Live::Form {
                event: needs_event()?,
                fields: json(text, "fields", self.fields.take())?,
                target: template("target", self.target.take())?,
                cid: self.cid.take(),
            },
            "patch" => Live::Patch { path: needs_path()? },
            "navigate" => Live::Navigate { path: needs_path()? },
            _ => {
                let bytes = self.bytes.take().ok_or_else(|| needs(kind, "`bytes`"))?;
                let size = usize::try_from(bytes).ok().filter(|_| bytes <= MAX_UPLOAD);
                let expected = format!("expected at most {MAX_UPLOAD} bytes");
                Live::Upload { size: size.ok_or_else(|| at(text, "bytes", expected))? }
            }
        })
    }

    fn limits(&mut self, text: &str) -> Result<Loop, String> {
        let limits = Loop {
            times: self.count(text, "times")?,
            duration: self.time(text, "for_ms")?,
            every: self.time(text, "every_ms")?,
            at_once: self.count(text, "at_once")?.and_then(|count| usize::try_from(count).ok()),
        };
        if limits.times.is_none() && limits.duration.is_none() {
            return Err(needs("loop", "`times` or `for_ms`"));
        }
        Ok(limits)
    }

    /// Takes a number of passes or a weight.
    fn count(&mut self, text: &str, name: &'static str) -> Result<Option<u64>, String> {
        let (count, most) = match name {
            "times" => (self.times.take(), MAX_TIMES),
            "at_once" => (self.at_once.take(), MAX_AT_ONCE),
            _ => (self.weight.take(), MAX_TIMES),
        };
        if count.is_some_and(|count| !(1..=most).contains(&count)) {
            return Err(at(text, name, format!("expected a whole number from 1 to {most}")));
        }
        Ok(count)
    }

    fn time(&mut self, text: &str, name: &'static str) -> Result<Option<Duration>, String> {
        let millis = match name {
            "ms" => self.ms.take(),
            "to_ms" => self.to_ms.take(),
            "for_ms" => self.for_ms.take(),
            _ => self.every_ms.take(),
        };
        let time = millis.map(Duration::from_millis);
        if time.is_some_and(|time| time > MAX_TIME) {
            return Err(at(text, name, "expected at most a day, 86400000"));
        }
        Ok(time)
    }

    /// Takes the variables that the step sets from its answer.
    fn saved(
        &mut self,
        text: &str,
        task: &Task<Text, Json>,
    ) -> Result<Vec<(Arc<str>, String)>, String> {
        let has_answer = match task {
            Task::Join { .. } | Task::Wait(_) => true,
            Task::Live(live) => !matches!(live, Live::Page { .. } | Live::Upload { .. }),
            Task::Push { expect, .. } => *expect != Expect::None,
            _ => false,
        };
        let Some(save) = self.save.take_if(|_| has_answer) else { return Ok(Vec::new()) };
        let mut saved = Vec::new();
        for (name, pointer) in save {
            if !pointer.is_empty() && !pointer.starts_with('/') {
                return Err(at(text, "save", "expected JSON pointers, such as \"/user/id\""));
            }
            saved.push((variable(text, &name)?, pointer));
        }
        Ok(saved)
    }

    /// Returns a given field that the step doesn't have.
    fn left_over(&self) -> Option<&'static str> {
        let fields = [
            ("name", self.name.is_some()),
            ("timeout_ms", self.timeout_ms.is_some()),
            ("id", self.id.is_some()),
            ("save", self.save.is_some()),
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
            ("to_ms", self.to_ms.is_some()),
            ("key", self.key.is_some()),
            ("at_least", self.at_least.is_some()),
            ("variables", self.variables.is_some()),
            ("file", self.file.is_some()),
            ("as", self.r#as.is_some()),
            ("order", self.order.is_some()),
            ("times", self.times.is_some()),
            ("for_ms", self.for_ms.is_some()),
            ("every_ms", self.every_ms.is_some()),
            ("at_once", self.at_once.is_some()),
            ("weight", self.weight.is_some()),
            ("path", self.path.is_some()),
            ("type", self.r#type.is_some()),
            ("value", self.value.is_some()),
            ("fields", self.fields.is_some()),
            ("target", self.target.is_some()),
            ("cid", self.cid.is_some()),
            ("bytes", self.bytes.is_some()),
        ];
        fields.into_iter().find_map(|(name, given)| given.then_some(name))
    }
}

/// The name of a step in reports: its fields as they are written, which holds no value of a variable.
fn name_of(kind: &str, task: &Task<Text, Json>) -> String {
    let what = match task {
        Task::Push { event, .. } => Some(event),
        Task::Wait(Pattern { event: Some(event), .. }) => Some(event),
        Task::Live(Live::Click { event, .. } | Live::Form { event, .. }) => Some(event),
        Task::Live(Live::Page { path } | Live::Patch { path } | Live::Navigate { path }) => {
            Some(path)
        }
        _ => None,
    };
    match what {
        Some(what) => format!("{kind} {}", what.source()),
        None => kind.to_owned(),
    }
}

fn checked_name(text: &str, name: String) -> Result<String, String> {
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(at(text, "name", format!("expected a name of 1 to {MAX_NAME} bytes")));
    }
    Ok(name)
}

fn variable(text: &str, name: &str) -> Result<Arc<str>, String> {
    if is_name(name) { Ok(name.into()) } else { Err(unnamed(text, name)) }
}

fn unnamed(text: &str, name: &str) -> String {
    at(text, name, "expected a variable's name, of letters, digits, `_` and `.`")
}

fn texts(
    text: &str,
    name: &str,
    fields: BTreeMap<String, String>,
) -> Result<BTreeMap<String, Text>, String> {
    let parsed = fields.into_iter().map(|(name, value)| Ok((name, Text::parse(&value)?)));
    parsed.collect::<Result<_, Malformed>>().map_err(|_| placeholder(text, name))
}

/// A JSON value with placeholders; without one it is an empty object.
fn json(text: &str, name: &str, field: Option<Box<RawValue>>) -> Result<Json, String> {
    match field {
        Some(field) => Json::parse(field.get()).map_err(|_| placeholder(text, name)),
        None => Ok(Json::Fixed(Payload::empty())),
    }
}

fn placeholder(text: &str, name: &str) -> String {
    at(text, name, format!("expected `${{name}}` in `{name}`, or `$${{` for a literal one"))
}

fn table(file: &str, directory: &str, prefix: Option<&str>) -> Result<Table, String> {
    let path = std::path::Path::new(directory).join(file);
    let (bytes, name) = value::read(&path.to_string_lossy(), MAX_DATA)?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{name} isn't UTF-8"))?;
    Table::parse(&text, prefix).map_err(|why| format!("{name}: {why}"))
}

/// A mistake with the column of a field's name, or of the line's start.
fn at(text: &str, field: &str, what: impl Into<String>) -> String {
    let what = what.into();
    let found = text.find(&format!("\"{field}\"")).unwrap_or_default();
    let column = text.get(..found).map_or(0, |before| before.chars().count());
    format!("{what} at column {}", column.saturating_add(1))
}

fn needs(kind: &str, what: &str) -> String {
    format!("`{kind}` needs {what} at column 1")
}

/// Describes the mistake in a line. It quotes names of fields but no values, which may be secrets.
fn unfit(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if !error.is_data() || text.starts_with("unknown field") {
        return shown(&text).replace(" at line 1 column ", " at column ");
    }
    // The text after this has names of types and this program's words.
    let expected = text.rsplit_once("expected ").map_or("another value", |(_, expected)| expected);
    let expected = expected.rsplit_once(" at line ").map_or(expected, |(expected, _)| expected);
    let expected = match expected {
        "u64" => "a whole number",
        "a borrowed string" => "a string",
        "struct Fields" => "an object",
        expected => expected,
    };
    format!("expected {expected} at column {}", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Line, String> {
        Line::parse(1, line, ".")
    }

    #[test]
    fn payloads_stay_as_they_are_written() {
        let line = r#"{"do":"push","topic":"a","event":"e","payload":{"b":1.50,"a":2},"id":7}"#;
        let Line::Step(step) = parse(line).unwrap() else { panic!("it is a step") };
        let Task::Push { payload: Content::Json(Json::Fixed(payload)), expect, .. } = step.task
        else {
            panic!("it is a push of JSON")
        };
        assert_eq!(payload.as_json(), Some(r#"{"b":1.50,"a":2}"#));
        assert_eq!((expect, step.id, &*step.name), (Expect::Ok, Some(Value::from(7)), "push e"));
    }

    #[test]
    fn mistakes_say_what_was_expected() {
        for (line, why) in [
            (r#"{"do":"dance"}"#, "there is no step `dance`: expected one of connect, join"),
            (r#"{}"#, "no `do`"),
            (r#"{"do":"join"}"#, "`join` needs a `topic`"),
            (r#"{"do":"leave","topic":"a","event":"b"}"#, "`leave` has no `event` at column 27"),
            (r#"{"do":"join","topic":"a","expect":"none"}"#, "can't expect `none` at column 26"),
            (r#"{"do":"ping","timeout":1}"#, "unknown field `timeout`"),
            (r#"{"do":"push","topic":"a","event":"e","binary":"!"}"#, "`binary`"),
            (r#"{"do":"push","topic":"a","event":"e","binary":"","payload":1}"#, "no `payload`"),
            ("{", "EOF"),
            (r#"{"do":"join","topic":"a","expect":"hush"}"#, "expected one of `ok`, `error`"),
            (r#"{"do":"sleep","ms":"hush"}"#, "expected a whole number at column"),
            (r#"{"do":"sleep","ms":"x, expected hush"}"#, "expected a whole number at column"),
            (r#"{"do":"sleep","ms":5,"to_ms":4}"#, "at least `ms` at column 22"),
            (r#"{"do":"sleep","ms":86400001}"#, "at most a day, 86400000 at column 15"),
            (r#"{"do":"join","topic":["hush"]}"#, "expected a string at column"),
            (r#"{"do":"wait","kind":"hush"}"#, "expected one of `connected`, `disconnected`"),
            (r#""hush""#, "expected an object at column"),
            (r#"{"do":"params","topic":"a"}"#, "`params` needs `params`"),
            (r#"{"do":"connect","params":["hush"]}"#, "to be strings"),
            (r#"{"do":"join","topic":"a${hush"}"#, "expected `${name}` in `topic`"),
            (r#"{"do":"push","topic":"a","event":"e","payload":["${"]}"#, "in `payload`"),
            (r#"{"do":"connect","headers":{"x":"${}"}}"#, "in `headers`, or `$${`"),
            (r#"{"do":"set","variables":{"a b":1}}"#, "a variable's name"),
            (r#"{"do":"set"}"#, "`set` needs `variables`"),
            (r#"{"do":"join","topic":"a","save":{"x":"id"}}"#, "JSON pointers, such as"),
            (r#"{"do":"leave","topic":"a","save":{"x":"/id"}}"#, "`leave` has no `save`"),
            (r#"{"do":"loop"}"#, "`loop` needs `times` or `for_ms`"),
            (r#"{"do":"loop","times":0}"#, "from 1 to 1000000000 at column 14"),
            (r#"{"do":"loop","times":2,"at_once":1001}"#, "from 1 to 1000 at column 24"),
            (r#"{"do":"option","weight":0}"#, "from 1 to 1000000000 at column 16"),
            (r#"{"do":"group"}"#, "`group` needs a `name`"),
            (r#"{"do":"group","name":""}"#, "expected a name of 1 to 128 bytes at column 15"),
            (r#"{"do":"end","id":1}"#, "`end` has no `id`"),
            (r#"{"do":"data","file":"no/such"}"#, "no/such"),
            (r#"{"do":"page"}"#, "`page` needs a `path`"),
            (r#"{"do":"page","path":"http://hush/"}"#, "a path on the socket's server"),
            (r#"{"do":"click","path":"/"}"#, "`click` needs an `event`"),
            (r#"{"do":"mount","event":"a"}"#, "`mount` has no `event`"),
            (r#"{"do":"upload","bytes":1073741825}"#, "at most 1073741824 bytes at column 16"),
            (r#"{"do":"ping","name":"a\nb"}"#, "expected a name of 1 to 128 bytes"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(why) && !error.contains("hush"), "{line}: {error}");
        }
    }
}
