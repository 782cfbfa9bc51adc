//! `phx bench --scenario`.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::raw::raw;
use crate::support::{Ended, Phx, Server, phx};

/// A folder with a scenario and its data.
struct Folder(TempDir);

impl Folder {
    fn with(scenario: &str) -> Self {
        let folder = Folder(TempDir::new().unwrap());
        folder.write("scenario.jsonl", scenario);
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn scenario(&self) -> String {
        self.0.path().join("scenario.jsonl").display().to_string()
    }
}

/// Runs a scenario, and returns what it printed.
async fn run(server: &Server, scenario: &str, options: &[&str]) -> Ended {
    let folder = Folder::with(scenario);
    run_in(server, &folder, options).await
}

async fn run_in(server: &Server, folder: &Folder, options: &[&str]) -> Ended {
    let path = folder.scenario();
    let bench = ["bench", &server.url, "--scenario", &path, "--json"];
    phx(&[&bench[..], options].concat()).await
}

/// The figures of a step, of a run that succeeded.
#[track_caller]
fn step(ended: &Ended, name: &str) -> Value {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let result: Value = serde_json::from_str(&ended.out).expect(&ended.out);
    let steps = result["steps"].as_array().unwrap();
    let found = steps.iter().find(|step| step["name"] == name);
    found.unwrap_or_else(|| panic!("there is no {name}: {result}")).clone()
}

/// The scenario of one channel, with these steps after the join.
fn in_a_room(steps: &str) -> String {
    let start = r#"{"do": "connect"}
        {"do": "join", "topic": "room:${user}"}"#;
    format!("{start}\n{steps}")
}

#[tokio::test]
async fn users_perform_it_again_and_again() {
    let server = Server::start().await;
    let scenario = in_a_room(
        r#"# a comment
        {"do": "push", "topic": "room:${user}", "event": "echo", "payload": {"n": 1}}

        {"do": "push", "topic": "room:${user}", "event": "shout", "payload": 2, "expect": "none"}
        {"do": "wait", "topic": "room:${user}", "event": "shout", "payload": 2}
        {"do": "push", "topic": "room:${user}", "event": "fail", "expect": "error"}
        {"do": "ping"}
        {"do": "leave", "topic": "room:${user}"}
        {"do": "disconnect"}"#,
    );
    let ended = run(&server, &scenario, &["--users", "3", "-d", "500ms"]).await;
    for name in [
        "connect",
        "join",
        "push echo",
        "push shout",
        "wait shout",
        "push fail",
        "ping",
        "leave",
        "disconnect",
    ] {
        let step = step(&ended, name);
        assert!(step["count"].as_u64().unwrap() >= 3, "{step}");
        assert_eq!(step["errors"], json!({}), "{step}");
    }
    assert!(ended.err.contains("this machine allows"), "{}", ended.err);
    server.stops_empty().await;
}

#[tokio::test]
async fn values_go_from_answers_and_data_into_later_steps() {
    let server = Server::start().await;
    let folder = Folder::with(&in_a_room(
        r#"{"do": "data", "file": "users.csv", "as": "person"}
        {"do": "data", "file": "things.jsonl", "order": "next"}
        {"do": "set", "variables": {"both": "${person.name}-${thing}", "list": [1, "${thing}"]}}
        {"do": "push", "topic": "room:${user}", "event": "echo", "payload": {"both": "${both}", "list": "${list}"},
         "name": "first", "save": {"second": "/list/1", "name": "/both"}}"#
            .replace("\n         ", " ")
            .as_str(),
    ));
    let scenario = fs::read_to_string(folder.scenario()).unwrap()
        + r#"
        {"do": "push", "topic": "room:${user}", "event": "${person.event}", "payload": ["${name}", "${second}"], "name": "second"}
        {"do": "push", "topic": "room:${user}", "event": "shout", "payload": {"second": "${second}"}, "expect": "none"}
        {"do": "wait", "event": "shout", "payload": {"second": {"deep": 7}}, "save": {"deep": "/second/deep"}}
        {"do": "push", "topic": "room:${user}", "event": "echo", "payload": ["${deep}"], "name": "third"}"#;
    folder.write("scenario.jsonl", &scenario);
    folder.write("users.csv", "name,event\nann,echo\nbob,fail\n");
    folder.write("things.jsonl", "{\"thing\": {\"deep\": 7}}\n");
    let bench = ["bench", &server.url, "--scenario", &folder.scenario(), "-d", "30s", "-vv"];
    let mut bench = Phx::start(&bench);
    bench.shows_on_stderr(r#""both":"ann-{\"deep\":7}","list":[1,{"deep":7}]"#).await;
    bench.shows_on_stderr(r#""ann-{\"deep\":7}",{"deep":7}]"#).await;
    bench.shows_on_stderr(r#""echo",[7]]"#).await;
    let ended = bench.interrupted().await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(!ended.out.contains("ann") && ended.out.contains("third"), "{}", ended.out);
    server.stops_empty().await;
}

#[tokio::test]
async fn loops_groups_and_choices() {
    let server = Server::start().await;
    let scenario = in_a_room(
        r#"{"do": "group", "name": "all"}
        {"do": "loop", "times": 100}
            {"do": "choose"}
                {"do": "option", "weight": 3}
                    {"do": "push", "topic": "room:${user}", "event": "echo", "payload": "${pass}", "name": "often"}
                {"do": "option"}
                    {"do": "push", "topic": "room:${user}", "event": "echo", "name": "rarely"}
            {"do": "end"}
        {"do": "end"}
        {"do": "end"}"#,
    );
    let ended = run(&server, &scenario, &["--passes", "1", "--seed", "1"]).await;
    let count = |name| step(&ended, name)["count"].as_u64().unwrap();
    assert_eq!((count("group all"), count("often") + count("rarely")), (1, 100));
    assert!((60..90).contains(&count("often")), "{}", count("often"));
    server.stops_empty().await;
}

/// The first pass waits for a message of the second one, and the second for one of the first. Each has its own variables.
#[tokio::test]
async fn passes_of_a_loop_run_at_once() {
    let server = Server::start().await;
    let scenario = in_a_room(
        r#"{"do": "set", "variables": {"n": 7}}
        {"do": "loop", "times": 2, "at_once": 2}
            {"do": "join", "topic": "room:own${pass}"}
            {"do": "push", "topic": "room:own${pass}", "event": "echo", "payload": {"n": "${pass}"}, "save": {"n": "/n"}}
            {"do": "push", "topic": "room:${user}", "event": "shout", "payload": {"of": "${n}"}, "expect": "none"}
            {"do": "wait", "topic": "room:${user}", "payload": {"of": 0}, "name": "first"}
            {"do": "push", "topic": "room:${user}", "event": "shout", "payload": {"again": "${n}"}, "expect": "none"}
            {"do": "wait", "topic": "room:${user}", "payload": {"again": 1}, "name": "second"}
            {"do": "leave", "topic": "room:own${pass}"}
        {"do": "end"}
        {"do": "push", "topic": "room:${user}", "event": "shout", "payload": {"now": ["${n}", "${pass}"]}, "expect": "none"}
        {"do": "wait", "payload": {"now": [7, 0]}, "name": "after"}"#,
    );
    let ended = run(&server, &scenario, &["--passes", "1"]).await;
    for (name, count) in [("first", 2), ("second", 2), ("leave", 2), ("after", 1)] {
        let step = step(&ended, name);
        assert_eq!((&step["count"], &step["errors"]), (&json!(count), &json!({})), "{step}");
    }
    server.stops_empty().await;
}

/// The loop was due when its first pass began, and a pass that waited for its time sees no message from before.
#[tokio::test]
async fn passes_at_once_have_a_schedule() {
    let server = Server::start().await;
    let scenario = in_a_room(
        r#"{"do": "loop", "times": 1, "every_ms": 10}
            {"do": "loop", "times": 2, "every_ms": 400, "at_once": 2}
                {"do": "push", "topic": "room:${user}", "event": "echo"}
                {"do": "push", "topic": "room:${user}", "event": "shout", "expect": "none"}
                {"do": "wait", "event": "shout"}
                {"do": "wait", "event": "shout", "timeout_ms": 100, "name": "another"}
            {"do": "end"}
            {"do": "ping"}
        {"do": "end"}"#,
    );
    let ended = run(&server, &scenario, &["--passes", "1"]).await;
    let another = step(&ended, "another");
    assert_eq!(another["errors"], json!({ "timed out": 2 }), "{ended:?}");
    let ping = step(&ended, "ping");
    let latest = ping["latency_us"]["max"].as_u64().unwrap();
    assert!(latest < 400_000, "the loop before it isn't a part of it: {ping}");
    server.stops_empty().await;
}

/// A pass that fails for good ends the scenario, and a run that is over ends passes that pause.
#[tokio::test]
async fn passes_at_once_end_together() {
    let server = Server::start().await;
    let folder = Folder::with(&in_a_room(
        r#"{"do": "loop", "times": 1000, "at_once": 10}
            {"do": "data", "file": "rows.jsonl", "order": "next"}
            {"do": "join", "topic": "room:own${pass}", "params": {"reject": "${reject}"}}
            {"do": "sleep", "ms": 80000000}
        {"do": "end"}
        {"do": "ping"}"#,
    ));
    let row = |reject: bool| format!("{{\"reject\": {reject}}}\n");
    folder.write("rows.jsonl", &(row(false).repeat(9) + &row(true)));
    let ended = run_in(&server, &folder, &["--passes", "1"]).await;
    assert_eq!(step(&ended, "join")["errors"], json!({ "rejected": 1 }), "{ended:?}");
    assert_eq!(step(&ended, "ping")["count"], 0);
    folder.write("rows.jsonl", &row(false));
    let ended = run_in(&server, &folder, &["-d", "500ms"]).await;
    // That of the room before the loop, and ten of the loop.
    assert_eq!(step(&ended, "join")["count"], 11, "{ended:?}");
    server.stops_empty().await;
}

#[tokio::test]
async fn mistakes_are_found_before_anything_runs() {
    let start = in_a_room("");
    let deep = "{\"do\": \"group\", \"name\": \"g\"}\n".repeat(17);
    let folder = Folder::with("");
    folder.write("empty.csv", "name\n");
    for (steps, why) in [
        (r#"{"do": "dance"}"#, "line 3: there is no step `dance`: expected one of connect, join"),
        (r#"  {"do": "sleep", "ms": "hush"}"#, "line 3: expected a whole number at column 30"),
        (
            r#"{"do": "push", "topic": "a", "event": "${hush}"}"#,
            "line 3: nothing gives `hush` a value: expected a `set`, `data` or `save` of it at column 40",
        ),
        (r#"{"do": "loop", "times": 3}"#, "line 3: expected an `end` of this block at column 1"),
        (r#"{"do": "loop", "times": 0}"#, "line 3: expected a whole number from 1 to 1000000000"),
        (&deep, "line 19: expected at most 16 blocks within each other at column 1"),
        (r#"{"do": "join", "topic": "a", "save": {"b": "c"}}"#, "expected JSON pointers"),
        (
            r#"{"do": "data", "file": "empty.csv"}"#,
            "empty.csv: it has no rows: expected a line of names",
        ),
        (r#"{"do": "data", "file": "none.csv"}"#, "can't read"),
        (r#"{"do": "listen", "topic": "a"}"#, "line 3: a load performs neither `listen`"),
        (r#"{"do": "wait", "kind": "errored"}"#, "line 3: a load waits for messages only"),
    ] {
        folder.write("scenario.jsonl", &format!("{start}{steps}"));
        let bench = ["bench", "ws://127.0.0.1:1/socket", "--scenario", &folder.scenario()];
        let ended = phx(&bench).await;
        ended.badly(2, why);
        let said = why.contains("hush") || !ended.err.contains("hush");
        assert!(said && ended.out.is_empty(), "{ended:?}");
    }
    let large = "#".repeat((1 << 20) + 1);
    folder.write("scenario.jsonl", &large);
    let bench = ["bench", "ws://127.0.0.1:1/socket", "--scenario", &folder.scenario()];
    phx(&bench).await.badly(2, "holds more than 1 MiB");
    folder.write("scenario.jsonl", "# nothing\n");
    phx(&bench).await.badly(2, "line 1: expected a step, and there is none");
    let both = ["--users", "2", "--arrival-rate", "3"];
    phx(&[&bench[..], &both].concat()).await.badly(2, "cannot be used with");
}

#[tokio::test]
async fn failures_of_steps_are_counted_by_class() {
    let server = Server::start().await;
    let scenario = in_a_room(
        r#"{"do": "push", "topic": "room:${user}", "event": "fail"}
        {"do": "push", "topic": "room:${user}", "event": "echo", "payload": {"a": 1}, "name": "save", "save": {"x": "/b"}}
        {"do": "wait", "event": "none", "timeout_ms": 10}
        {"do": "push", "topic": "other", "event": "echo", "name": "elsewhere"}
        {"do": "join", "topic": "room:no", "params": {"reject": true}, "name": "refused"}
        {"do": "ping"}"#,
    );
    let ended = run(&server, &scenario, &["--passes", "1"]).await;
    for (name, error) in [
        ("push fail", "replied error"),
        ("save", "a pointer finds nothing"),
        ("wait none", "timed out"),
        ("elsewhere", "not joined"),
        ("refused", "rejected"),
    ] {
        let step = step(&ended, name);
        assert_eq!((&step["count"], &step["errors"]), (&json!(0), &json!({ error: 1 })), "{step}");
    }
    assert_eq!(step(&ended, "ping")["count"], 0, "a pass ends with a join that fails");
    let nowhere = ["bench", "ws://127.0.0.1:1/socket", "--scenario"];
    let folder = Folder::with(&scenario);
    let ended = phx(&[&nowhere[..], &[&folder.scenario(), "-d", "300ms"]].concat()).await;
    ended.badly(6, "no step succeeded");
    assert!(ended.out.contains("can't connect"), "{ended:?}");
    server.stops_empty().await;
}

#[tokio::test]
async fn users_arrive_at_a_rate() {
    let server = Server::start().await;
    let scenario = in_a_room(r#"{"do": "sleep", "ms": 1, "to_ms": 5}"#);
    // On a busy machine those who arrive last need some time after the others.
    let and_rest = ["--stage", "0s:0", "--stage", "2s:0"];
    let arrivals = ["--arrival-rate", "50", "--stage", "1s:50"];
    let ended = run(&server, &scenario, &[&arrivals[..], &and_rest].concat()).await;
    assert_eq!(step(&ended, "connect")["count"], 50);
    let stages =
        ["--arrival-rate", "0.5", "--stage", "500ms:100", "--stage", "0s:0", "--stage", "2s:0"];
    let ended = run(&server, &scenario, &stages).await;
    assert_eq!(step(&ended, "join")["count"], 26, "the area below the ramp");
    // Users that stay use up the places.
    let scenario = in_a_room(r#"{"do": "sleep", "ms": 80000000}"#);
    let ended =
        run(&server, &scenario, &["--arrival-rate", "100", "--max-users", "5", "-d", "500ms"])
            .await;
    assert_eq!(step(&ended, "connect")["count"], 5);
    assert_eq!(step(&ended, "arrival")["errors"], json!({ "too many users": 45 }));
    server.stops_empty().await;
}

#[tokio::test]
async fn users_end_after_their_passes() {
    let server = Server::start().await;
    let scenario = in_a_room(r#"{"do": "push", "topic": "room:${user}", "event": "echo"}"#);
    // A second of an hour is enough for a sample.
    let ended = run(&server, &scenario, &["--users", "3", "--passes", "4"]).await;
    assert_eq!(step(&ended, "push echo")["count"], 12, "{ended:?}");
    let result: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(result["load"], "up to 3 users, each 4 times, for at most 1h");
    assert!(!result["samples"].as_array().unwrap().is_empty() && result["complete"] == true);
    // A pass that fails is one too.
    let failing = in_a_room(r#"{"do": "push", "topic": "room:none", "event": "echo"}"#)
        .replace("room:${user}", "rejected");
    let ended = run(&server, &failing, &["--users", "2", "--passes", "1"]).await;
    assert_eq!(step(&ended, "join")["errors"], json!({ "rejected": 2 }), "{ended:?}");
    // A worker without users ends at once.
    let share = ["--users", "1", "--passes", "1", "--worker", "2/2"];
    run(&server, &scenario, &share).await.badly(6, "no step succeeded");

    let folder = Folder::with(&format!("{scenario}\n{}", r#"{"do": "sleep", "ms": 80000000}"#));
    folder.write("log.hdr", "");
    let log = folder.0.path().join("log.hdr").display().to_string();
    let cut = ["--passes", "1", "-d", "300ms", "--hdr", &log];
    let ended = run_in(&server, &folder, &cut).await;
    let why = "the time was over before all users had made their passes";
    ended.badly(6, why);
    let result: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(result["complete"], false);
    phx(&["bench", "merge", &log]).await.badly(6, why);
    let open = ["--arrival-rate", "1", "--passes", "1"];
    run(&server, &scenario, &open).await.badly(2, "cannot be used with");
    server.stops_empty().await;
}

/// A push that wants no reply holds nothing afterwards: its frame has no ref, which the server could answer.
#[tokio::test]
async fn a_push_that_expects_nothing_waits_for_nothing() {
    let url = raw(|message| match message.event() {
        "phx_join" => vec![message.reply("ok", &json!({}))],
        "echo" => vec![message.reply("ok", message.payload())],
        _ => Vec::new(),
    })
    .await;
    let scenario = r#"{"do": "connect"}
        {"do": "join", "topic": "room:a"}
        {"do": "loop", "times": 500}
        {"do": "push", "topic": "room:a", "event": "mute", "payload": "${pass}", "expect": "none", "timeout_ms": 3600000}
        {"do": "end"}
        {"do": "push", "topic": "room:a", "event": "echo"}"#;
    let folder = Folder::with(scenario);
    let bench = ["bench", &url, "--scenario", &folder.scenario(), "--passes", "1", "--json", "-vv"];
    let ended = phx(&bench).await;
    let mute = step(&ended, "push mute");
    assert_eq!((&mute["count"], &mute["errors"]), (&json!(500), &json!({})), "{mute}");
    assert_eq!(step(&ended, "push echo")["count"], 1);
    let frames = ended.err.lines().filter(|line| line.contains("\"mute\""));
    let without = frames.clone().filter(|line| line.contains(r#",null,"room:a","mute","#));
    assert_eq!((frames.count(), without.count()), (500, 500));
    // The same steps for one user.
    let ended = phx(&["script", &folder.scenario(), "--url", &url, "-vv"]).await;
    assert_eq!(ended.code, Some(0), "{ended:.500?}");
    assert!(ended.err.contains(r#",null,"room:a","mute",499]"#), "{ended:.500?}");
}

/// A user of each stage joins once and stays.
#[tokio::test]
async fn stages_begin_and_end_users() {
    let mut server = Server::start().await;
    let folder = Folder::with(&in_a_room(r#"{"do": "sleep", "ms": 80000000}"#));
    let bench = ["bench", &server.url, "--scenario", &folder.scenario(), "--json"];
    let stages = [
        "--users", "2", "--stage", "0s:7", "--stage", "5s:7", "--stage", "0s:3", "--stage",
        "10h:3", "-v",
    ];
    let mut bench = Phx::start(&[&bench[..], &stages].concat());
    bench.shows_on_stderr("close 1000").await;
    server.has_connections(3).await;
    let began = Instant::now();
    let ended = bench.interrupted().await;
    assert!(began.elapsed() < Duration::from_secs(20), "it didn't wait for the last stage");
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let result: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(result["steps"][0]["count"], 7, "{result}");
    server.stops_empty().await;
}

/// While the server stalls, a loop with a schedule has pushes that are late: their latency counts from when they were due.
#[tokio::test]
async fn a_schedule_shows_what_a_stall_hides() {
    let server = Server::with(&["--latency", "100ms"]).await;
    let scenario = in_a_room(
        r#"{"do": "loop", "times": 10, "every_ms": 10}
        {"do": "push", "topic": "room:${user}", "event": "echo"}
        {"do": "end"}
        {"do": "sleep", "ms": 80000000}"#,
    );
    let ended = run(&server, &scenario, &["-d", "4s"]).await;
    let push = step(&ended, "push echo");
    assert_eq!(push["count"], 10);
    let (due, sent) =
        (push["latency_us"]["max"].as_u64().unwrap(), push["uncorrected_p99_us"].as_u64().unwrap());
    // The last one was due after 90 ms, and was answered after 10 round trips of 100 ms at least.
    assert!(due >= 800_000 && sent < due, "{push}");
    server.stops_empty().await;
}

#[tokio::test]
async fn a_signal_ends_it_within_two_seconds() {
    let server = Server::start().await;
    // There is no reply to wait for.
    let push =
        r#"{"do": "push", "topic": "room:${user}", "event": "shout", "timeout_ms": 3600000}"#;
    let folder = Folder::with(&in_a_room(push));
    let bench =
        ["bench", &server.url, "--scenario", &folder.scenario(), "--users", "20", "-d", "1h", "-v"];
    let mut bench = Phx::start(&bench);
    bench.shows_on_stderr(r#""shout""#).await;
    let began = Instant::now();
    let ended = bench.interrupted().await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.out.contains("connect"), "{ended:?}");
    server.stops_empty().await;
}

#[tokio::test]
async fn users_see_who_is_present() {
    let server = Server::start().await;
    let scenario = r#"{"do": "connect"}
        {"do": "join", "topic": "room:all", "params": {"name": "u${user}"}}
        {"do": "presence", "topic": "room:all", "at_least": 3}
        {"do": "presence", "topic": "room:all", "key": "u1", "name": "one of them"}
        {"do": "sleep", "ms": 80000000}"#;
    let ended = run(&server, scenario, &["--users", "3", "-d", "2s"]).await;
    assert_eq!(step(&ended, "presence")["count"], 3);
    assert_eq!(step(&ended, "one of them")["count"], 3);
    server.stops_empty().await;
}

#[tokio::test]
async fn connections_begin_at_source_addresses() {
    let server = Server::start().await;
    let scenario = in_a_room(r#"{"do": "sleep", "ms": 80000000}"#);
    let sources = ["--source", "127.0.0.2", "--source", "127.0.0.3"];
    let options = [&sources[..], &["--users", "4", "-d", "500ms"]].concat();
    let ended = run(&server, &scenario, &options).await;
    assert_eq!(step(&ended, "connect")["count"], 4);
    assert!(ended.err.contains("each of 2 source addresses"), "{ended:?}");
    let other = ["--source", "::1", "-d", "300ms"];
    run(&server, &scenario, &other).await.badly(6, "no step succeeded");
    server.stops_empty().await;
}

#[tokio::test]
async fn another_machine_wants_consent_to_many_users() {
    let folder = Folder::with(&in_a_room(""));
    let url = "ws://192.0.2.1/socket?token=hush";
    let bench = ["bench", url, "--scenario", &folder.scenario(), "--users", "101"];
    let ended = phx(&bench).await;
    ended.badly(2, "101 connections to another machine want `--yes`");
    let target = "target ws://192.0.2.1/socket: up to 101 users for 10s";
    assert!(ended.err.contains(target) && !ended.err.contains("hush"), "{ended:?}");
    phx(&["bench", url, "--sockets", "101"]).await.badly(2, "want `--yes`");
    let many = ["--users", "100000", "--yes"];
    phx(&[&bench[..4], &many].concat())
        .await
        .badly(2, "100000 connections are too many: this machine allows");
}
