//! Checks the tables of SECURITY.md: defaults are those of the code, no limit of the code is missing, and the tests
//! named there exist.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use phx_client::websocket::WebSocketConfig;
use phx_proto::longpoll::SessionConfig;
use phx_proto::{Config, PresenceConfig};

/// A default: a number of items or bytes, or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Number(usize),
    Time(Duration),
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Value::Number(number)
    }
}

impl From<Duration> for Value {
    fn from(time: Duration) -> Self {
        Value::Time(time)
    }
}

/// Lists the fields of a configuration, with names and values from the same tokens.
macro_rules! fields {
    ($config:ident { $($field:ident),* $(,)? }) => {{
        let config = $config::default();
        [$((
            format!("{}::{}", stringify!($config), stringify!($field)),
            Value::from(config.$field),
        )),*]
    }};
}

/// Lists the limits of the small presets in the same way.
macro_rules! small {
    ($config:ident { $($field:ident),* $(,)? }) => {{
        let config = $config::small();
        [$((
            format!("{}::small().{}", stringify!($config), stringify!($field)),
            Value::from(config.$field),
        )),*]
    }};
}

fn small() -> BTreeMap<String, Value> {
    let core = small!(Config {
        max_frame_size,
        max_channels,
        max_joins_in_flight,
        max_pushes,
        max_buffered_pushes,
        max_buffered_bytes,
        max_events,
        max_event_bytes,
        max_answer_bytes,
    });
    let presence = small!(PresenceConfig { max_pending_diffs, max_metas, max_bytes });
    core.into_iter().chain(presence).collect()
}

fn fields() -> BTreeMap<String, Value> {
    let interval = Config::default().heartbeat_interval.unwrap();
    let core = fields!(Config {
        push_timeout,
        join_timeout,
        leave_timeout,
        heartbeat_timeout,
        heartbeat_limit,
        connect_timeout,
        close_timeout,
        max_retry_after,
        stable_after,
        max_frame_size,
        max_channels,
        max_joins_in_flight,
        max_pushes,
        max_buffered_pushes,
        max_buffered_bytes,
        max_events,
        max_event_bytes,
        max_answer_bytes,
    });
    let presence = fields!(PresenceConfig { max_pending_diffs, max_metas, max_bytes });
    let session =
        fields!(SessionConfig { max_answer_bytes, max_refusal_body, answer_timeout, busy_timeout });
    let websocket = fields!(WebSocketConfig {
        read_buffer_size,
        write_buffer_size,
        max_refusal_body,
        refusal_timeout,
    });
    let interval = ("Config::heartbeat_interval".to_owned(), Value::Time(interval));
    let all = core.into_iter().chain(presence).chain(websocket).chain(session).chain([interval]);
    all.chain(small()).collect()
}

#[derive(Debug)]
struct Row {
    line: String,
    limit: Vec<String>,
    default: Value,
    tests: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what "));
    rows.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [_, limit, default, _, tests] = cells[..] else { panic!("not five cells: {line}") };
        let default = value(default).unwrap_or_else(|| panic!("no default: {line}"));
        Row { line: line.to_owned(), limit: code(limit), default, tests: code(tests) }
    })
    .collect()
}

/// Returns the texts between backticks.
fn code(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Parses `1,024`, `64 MiB`, `10 s` or `250 µs`.
fn value(cell: &str) -> Option<Value> {
    let mut words = cell.split(' ');
    let number: usize = words.next()?.replace(',', "").parse().ok()?;
    match words.next() {
        None => Some(Value::Number(number)),
        Some("KiB") => Some(Value::Number(number << 10)),
        Some("MiB") => Some(Value::Number(number << 20)),
        Some("s") => Some(Value::Time(Duration::from_secs(number.try_into().ok()?))),
        Some("µs") => Some(Value::Time(Duration::from_micros(number.try_into().ok()?))),
        Some(_) => None,
    }
}

/// Returns the value of a constant in a source.
fn constant(source: &str, name: &str) -> Option<Value> {
    let (_, rest) = source.split_once(&format!("const {name}: "))?;
    let (_, written) = rest.split(';').next()?.split_once(" = ")?;
    let number = |text: &str| text.replace('_', "").parse::<usize>().ok();
    if let Some(seconds) = written.strip_prefix("Duration::from_secs(") {
        let seconds = number(seconds.strip_suffix(')')?)?;
        return Some(Value::Time(Duration::from_secs(seconds.try_into().ok()?)));
    }
    if let Some(micros) = written.strip_prefix("Duration::from_micros(") {
        let micros = number(micros.strip_suffix(')')?)?;
        return Some(Value::Time(Duration::from_micros(micros.try_into().ok()?)));
    }
    match written.split_once(" << ") {
        Some((number_of, bits)) => Some(Value::Number(number(number_of)? << number(bits)?)),
        None => number(written).map(Value::Number),
    }
}

/// Returns all Rust sources under `crates`, with their paths from there.
fn sources() -> Vec<(String, String)> {
    fn collect(directory: &Path, sources: &mut Vec<(String, String)>) {
        let crates = root().join("crates");
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("target") {
                collect(&path, sources);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&crates).unwrap().to_str().unwrap();
                sources.push((name.replace('\\', "/"), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut sources = Vec::new();
    collect(&root().join("crates"), &mut sources);
    sources
}

#[test]
fn defaults_are_those_of_the_code() {
    let (fields, sources) = (fields(), sources());
    let rows = rows();
    assert!(rows.len() > 30, "the tables are read wrongly");
    for row in rows {
        let actual = match &row.limit[..] {
            [field] => fields.get(field).copied(),
            [file, name] => {
                let source = sources.iter().find(|(path, _)| path == file);
                source.and_then(|(_, source)| constant(source, name))
            }
            _ => None,
        };
        assert_eq!(actual, Some(row.default), "{}", row.line);
    }
}

#[test]
fn the_tests_that_are_named_exist() {
    let sources = sources();
    for row in rows() {
        assert!(!row.tests.is_empty(), "no test: {}", row.line);
        for test in &row.tests {
            let head = format!("fn {test}(");
            let is_there = sources.iter().any(|(_, source)| source.contains(&head));
            assert!(is_there, "there is no test `{test}`: {}", row.line);
        }
    }
}

/// Constants that bound the work of one step, or a line of text, rather than memory.
const STEPS: [&str; 16] = [
    "MAX_ACTIONS",
    "MAX_DROPPED",
    "MAX_FAILURES",
    "MAX_LINES",
    "MAX_NAME",
    "MAX_NAMES",
    "MAX_OUTSIDE",
    "MAX_REASON",
    "MAX_ROUNDS",
    "MAX_SENT",
    "MAX_SHOWN_REASON",
    "MAX_TARGET",
    "MAX_UNOPENED",
    "MAX_CREATIONS",
    "MAX_UNREAD",
    "MAX_ZONE",
];

#[test]
fn no_limit_of_the_code_is_missing() {
    let listed: Vec<_> = rows().into_iter().flat_map(|row| row.limit).collect();
    for field in fields().keys() {
        assert!(listed.contains(field), "{field} has no row");
    }
    let published =
        ["phx-proto/src", "phx-client/src", "phx-recorder/src", "phx-tokio/src", "phx-smol/src"];
    for (path, source) in sources() {
        if !published.iter().any(|start| path.starts_with(start)) {
            continue;
        }
        let names = source.split("const MAX_").skip(1).filter_map(|rest| rest.split(':').next());
        for name in names.map(|name| format!("MAX_{name}")) {
            let known = listed.contains(&name) || STEPS.contains(&&*name);
            assert!(known, "{name} of {path} has no row");
        }
        // Fields of the configurations that `fields` lacks.
        for (start, of) in [
            ("pub struct Config {", "Config"),
            ("pub struct PresenceConfig {", "PresenceConfig"),
            ("pub struct WebSocketConfig {", "WebSocketConfig"),
            ("pub struct SessionConfig {", "SessionConfig"),
        ] {
            let Some((_, body)) = source.split_once(start) else { continue };
            let body = body.split("\n}").next().unwrap();
            let limits = body.lines().filter_map(|line| {
                let (name, kind) = line.trim().strip_prefix("pub ")?.split_once(": ")?;
                matches!(kind, "usize," | "Duration," | "Option<Duration>,").then_some(name)
            });
            for name in limits {
                let field = format!("{of}::{name}");
                assert!(listed.contains(&field), "{field} of {path} has no row");
            }
        }
    }
}
