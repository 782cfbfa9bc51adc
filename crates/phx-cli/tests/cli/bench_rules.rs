//! Rules that all of `phx bench` keeps: values are in no output, limits are those of the machine, and Ctrl-C always ends it.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::{Ended, PATIENCE, Phx, Server, command, phx};

/// A folder for a scenario, its data and the outputs.
struct Folder(TempDir);

impl Folder {
    fn with(scenario: &str) -> Self {
        let folder = Folder(TempDir::new().unwrap());
        fs::write(folder.at("scenario.jsonl"), scenario).unwrap();
        folder
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }
}

/// The errors of a step, of the figures as JSON.
#[track_caller]
fn errors<'a>(result: &'a Value, name: &str) -> &'a Value {
    let steps = result["steps"].as_array().unwrap();
    let found = steps.iter().find(|step| step["name"] == name);
    &found.unwrap_or_else(|| panic!("there is no {name}: {result}"))["errors"]
}

/// Every kind of value is a secret, in steps that succeed and in steps that fail.
const SECRETS: &str = r#"{"do": "data", "file": "people.csv", "as": "person"}
    {"do": "set", "variables": {"word": "hush-set", "event": "hush-event"}}
    {"do": "connect", "params": {"token": "${word}"}, "headers": {"X-Key": "${person.name}"}, "auth_token": "hush-token"}
    {"do": "join", "topic": "room:${person.name}", "params": {"name": "${word}"}, "save": {"none": "/hush-pointer"}, "name": "joined"}
    {"do": "push", "topic": "room:${person.name}", "event": "echo", "payload": {"a": "hush-answer"}, "save": {"answer": "/a"}}
    {"do": "push", "topic": "room:${person.name}", "event": "fail", "payload": {"a": "${answer}"}}
    {"do": "push", "topic": "room:${person.name}", "event": "${event}", "payload": "${answer}", "timeout_ms": 20}
    {"do": "push", "topic": "room:${answer}", "event": "echo", "name": "elsewhere"}
    {"do": "wait", "topic": "room:${person.name}", "event": "shout", "payload": {"a": "${answer}"}, "timeout_ms": 20}
    {"do": "presence", "topic": "room:${person.name}", "key": "${answer}", "timeout_ms": 20}
    {"do": "push", "topic": "room:${person.name}", "event": "stop", "payload": "${word}", "expect": "any"}
    {"do": "join", "topic": "room:${answer}", "params": {"reject": true, "reason": "${answer}"}, "name": "refused"}"#;

#[tokio::test]
async fn values_are_in_no_output() {
    let server = Server::with(&["--token", "hush-token"]).await;
    let folder = Folder::with(SECRETS);
    fs::write(folder.at("people.csv"), "name\nhush-row\n").unwrap();
    let [scenario, page, hdr, series, prom] =
        ["scenario.jsonl", "run.html", "run.hdr", "run.csv", "run.prom"]
            .map(|name| folder.at(name));
    let bench = ["bench", &server.url, "--scenario", &scenario, "--users", "2", "--passes", "1"];
    let outputs = ["-o", &page, "--hdr", &hdr, "--series", &series, "--prometheus", &prom];
    let ended =
        phx(&[&bench[..], &outputs, &["--json", "--threshold", "push p99 < 1h"]].concat()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let result: Value = serde_json::from_str(&ended.out).unwrap();
    for (step, class) in [
        ("joined", "a pointer finds nothing"),
        ("push fail", "replied error"),
        ("elsewhere", "not joined"),
        ("wait shout", "timed out"),
        ("presence", "timed out"),
        ("refused", "rejected"),
    ] {
        assert_eq!(errors(&result, step), &json!({ class: 2 }), "{step}: {result}");
    }
    let met = "<p class=\"kept\">Threshold met: push p99 &lt; 3600 s: ";
    assert!(folder.read("run.html").contains(met), "{}", folder.read("run.html"));
    let text = phx(&bench).await;
    let merged = phx(&["bench", "merge", &hdr, "-o", &folder.at("merged.html")]).await;
    let compare = ["bench", "compare", &hdr, &hdr, "-o", &folder.at("compared.html")];
    let compared = phx(&[&compare[..], &["--limit", "push p99 +10%"]].concat()).await;
    let files = ["run.html", "run.hdr", "run.csv", "run.prom", "merged.html", "compared.html"];
    let files = files.map(|name| Ended { code: Some(0), out: folder.read(name), err: name.into() });
    for shown in [ended, text, merged, compared].into_iter().chain(files) {
        assert_eq!(shown.code, Some(0), "{shown:?}");
        assert!(shown.out.contains("refused"), "{shown:?}");
        assert!(!shown.out.contains("hush") && !shown.err.contains("hush"), "{shown:?}");
    }
    // Each user's, in both runs: the demo has no such event.
    server.stops_with_log(&"the channel `room:hush-row` crashed at `hush-event`\n".repeat(4)).await;
}

#[tokio::test]
async fn what_has_no_value_and_what_is_too_large_are_counted() {
    let server = Server::start().await;
    let start = r#"{"do": "connect"}
        {"do": "join", "topic": "room:a", "save": {"never": "/nothing"}}"#;
    let large = "x".repeat(70_000);
    let set = format!(r#"{{"do": "set", "variables": {{"large": "{large}"}}}}"#);
    let binary = r#"{"do": "push", "topic": "room:a", "event": "echo", "binary": "aHVzaA==", "save": {"x": ""}}"#;
    let saved = format!(
        r#"{{"do": "push", "topic": "room:a", "event": "echo", "payload": "{large}", "save": {{"x": ""}}}}"#
    );
    for (steps, name, class) in [
        (
            r#"{"do": "push", "topic": "${never}", "event": "echo"}"#,
            "push echo",
            "a variable has no value",
        ),
        (&set, "set", "variables too large"),
        (&saved, "push echo", "variables too large"),
        (binary, "push echo", "the answer isn't JSON"),
    ] {
        let folder = Folder::with(&format!("{start}\n{steps}"));
        let bench = ["bench", &server.url, "--scenario", &folder.at("scenario.jsonl")];
        let ended = phx(&[&bench[..], &["--passes", "1", "--json"]].concat()).await;
        assert_eq!(ended.code, Some(0), "{ended:.500?}");
        let result: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(errors(&result, name), &json!({ class: 1 }), "{result}");
    }
    server.stops_empty().await;
}

/// The same seed has the same rows, pauses and choices.
#[tokio::test]
async fn a_seed_repeats_a_run() {
    let server = Server::start().await;
    let folder = Folder::with(
        r#"{"do": "connect"}
        {"do": "loop", "times": 20}
            {"do": "data", "file": "rows.csv", "order": "random"}
            {"do": "sleep", "ms": 0, "to_ms": 2}
            {"do": "join", "topic": "room:${row}", "expect": "any"}
            {"do": "choose"}
                {"do": "option"}
                    {"do": "push", "topic": "room:${row}", "event": "echo", "expect": "any"}
                {"do": "option", "weight": 2}
                    {"do": "push", "topic": "room:${row}", "event": "fail", "expect": "any"}
            {"do": "end"}
            {"do": "leave", "topic": "room:${row}"}
        {"do": "end"}"#,
    );
    let rows: String = (0..100).map(|row| format!("{row}\n")).collect();
    fs::write(folder.at("rows.csv"), format!("row\n{rows}")).unwrap();
    let drawn = async |seed: &str| {
        let bench = ["bench", &server.url, "--scenario", &folder.at("scenario.jsonl"), "-vv"];
        let ended = phx(&[&bench[..], &["--passes", "1", "--seed", seed]].concat()).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let sent = ended.err.lines().filter(|line| line.contains("> ["));
        let words = sent.filter_map(|line| line.split_once("room:"));
        words.map(|(_, word)| word.to_owned()).collect::<Vec<_>>()
    };
    let first = drawn("7").await;
    assert_eq!(first.len(), 60, "{first:?}");
    assert_eq!(first, drawn("7").await);
    assert_ne!(first, drawn("8").await);
    server.stops_empty().await;
}

#[tokio::test]
async fn limits_of_files_and_consent_are_those_of_all_loads() {
    let server = Server::start().await;
    // A soft limit is raised, and a hard one isn't.
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", "ulimit -n 100; exec \"$0\" bench \"$@\"", env!("CARGO_BIN_EXE_phx")]);
    shell.args([&server.url, "-s", "50"]).kill_on_drop(true);
    let ended = Phx::spawn(&mut shell).ends().await;
    let why = "50 connections are too many: this machine allows 36 connections: 100 open files";
    ended.badly(2, why);

    // An address that isn't a loopback one, of a server that is here.
    let other = server.url.replace("127.0.0.1", "0.0.0.0");
    let bench = ["bench", &other, "--sockets", "101", "--rate", "200", "-d", "200ms"];
    phx(&bench).await.badly(2, "101 connections to another machine want `--yes`");
    let agreed = phx(&[&bench[..], &["--yes"]].concat()).await;
    assert_eq!(agreed.code, Some(0), "{agreed:?}");
    let target = format!("target {other}: 101 sockets x 1 channels, 200 pushes/s");
    assert!(agreed.err.contains(&target), "{agreed:?}");
    server.stops_empty().await;
}

/// A peer that takes a connection and says nothing, as far as the first steps of a scenario can wait for it.
#[tokio::test]
async fn ctrl_c_ends_steps_that_wait_for_a_silent_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/live", listener.local_addr().unwrap());
    for step in [
        r#"{"do": "connect", "timeout_ms": 3600000}"#,
        r#"{"do": "page", "path": "/", "timeout_ms": 3600000}"#,
    ] {
        let folder = Folder::with(step);
        let hdr = folder.at("run.hdr");
        let bench = ["bench", &url, "--scenario", &folder.at("scenario.jsonl"), "-d", "1h"];
        let more = ["--connect-timeout", "1h", "--hdr", &hdr];
        let bench = Phx::start(&[&bench[..], &more].concat());
        let (mut stream, _) = timeout(PATIENCE, listener.accept()).await.expect("in time").unwrap();
        assert_ne!(timeout(PATIENCE, stream.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
        let began = Instant::now();
        let ended = bench.interrupted().await;
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert_eq!(ended.code, Some(130), "{ended:?}");
        assert!(ended.out.contains("a part of the run: it was interrupted after "), "{ended:?}");
        phx(&["bench", "merge", &hdr]).await.badly(6, "was interrupted after");
    }
}

/// It has no chance to end its log.
#[tokio::test]
async fn a_worker_that_was_killed_is_named() {
    let server = Server::start().await;
    let folder = Folder::with("");
    let worker = |number: &str| {
        let hdr = folder.at(&format!("{}.hdr", &number[..1]));
        let bench = ["bench", &server.url, "-s", "2", "--rate", "100", "--worker", number];
        let more = ["--hdr", &hdr, "-d", if number == "1/2" { "1h" } else { "1s" }];
        Phx::spawn(&mut command(&[&bench[..], &more].concat()))
    };
    let (first, second) = (worker("1/2"), worker("2/2"));
    assert_eq!(second.ends().await.code, Some(0));
    let is_logged = async {
        let log = || fs::read_to_string(folder.at("1.hdr")).unwrap_or_default();
        while !log().contains("\nTag=") {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, is_logged).await.expect("an interval in time");
    first.signal("KILL").await;
    assert_eq!(first.ends().await.code, None);
    // Both have the same load.
    let log = folder.read("2.hdr").replace("\"duration_s\":1.0", "\"duration_s\":3600.0");
    fs::write(folder.at("2.hdr"), log).unwrap();
    let merged = phx(&["bench", "merge", &folder.0.path().display().to_string(), "--json"]).await;
    merged.badly(6, "a part of the run is missing: worker 1/2 (");
    let report: Value = serde_json::from_str(&merged.out).unwrap();
    assert_eq!(report["complete"], false, "{report}");
    server.stops_empty().await;
}
