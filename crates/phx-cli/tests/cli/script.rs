//! `phx script`.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Ended, Phx, Server, phx, phx_with_input};

/// Returns the records of a script without their times.
fn reported(ended: &Ended) -> Vec<Value> {
    let mut reported = ended.records();
    for record in &mut reported {
        assert!(record["time"].is_string());
        let fields = record.as_object_mut().unwrap();
        fields.retain(|name, value| name != "time" && name != "ref" && !value.is_null());
    }
    reported
}

async fn script(server: &Server, script: &str) -> Ended {
    phx_with_input(&["script", "--url", &server.url, "-"], script.as_bytes()).await
}

#[tokio::test]
async fn a_whole_story() {
    let server = Server::with(&["--token", "s3cret"]).await;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("story");
    let story = json!({ "do": "connect", "url": server.url, "params": { "token": "s3cret" } });
    let story = format!("# a story\n{story}\n\n")
        + r#"{"do": "join", "topic": "room:a", "id": [1]}
            {"do": "push", "topic": "room:a", "event": "echo", "payload": {"b": 1.50, "a": 2}}
            {"do": "push", "topic": "room:a", "event": "fail", "payload": 1, "expect": "error"}
            {"do": "push", "topic": "room:a", "event": "echo", "binary": "AP8="}
            {"do": "push", "topic": "room:a", "event": "shout", "payload": {"n": 1, "x": 2}, "expect": "none"}
            {"do": "wait", "topic": "room:a", "event": "shout", "payload": {"n": 1}}
            {"do": "join", "topic": "room:b", "params": {"reject": true}, "expect": "any"}
            {"do": "ping", "id": "p"}
            {"do": "sleep", "ms": 1}
            {"do": "leave", "topic": "room:a"}
            {"do": "disconnect"}
        "#;
    fs::write(&path, story).unwrap();
    let ended = phx(&["script", path.to_str().unwrap()]).await;
    assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{ended:?}");
    let mut reported = reported(&ended);
    assert!(reported[7]["round_trip_us"].is_u64());
    reported[7]["round_trip_us"] = json!(0);
    assert!(ended.out.contains(r#""payload":{"b":1.50,"a":2}"#), "as it was written");
    assert_eq!(
        reported,
        [
            json!({ "kind": "connected", "line": 2 }),
            json!({ "kind": "joined", "topic": "room:a", "payload": {}, "line": 4, "id": [1] }),
            json!({ "kind": "reply", "topic": "room:a", "event": "echo",
                "payload": { "a": 2, "b": 1.5 }, "status": "ok", "line": 5 }),
            json!({ "kind": "reply", "topic": "room:a", "event": "fail", "payload": 1,
                "status": "error", "line": 6 }),
            json!({ "kind": "reply", "topic": "room:a", "event": "echo", "binary": "AP8=",
                "status": "ok", "line": 7 }),
            json!({ "kind": "message", "topic": "room:a", "event": "shout",
                "payload": { "n": 1, "x": 2 } }),
            json!({ "kind": "rejected", "topic": "room:b",
                "payload": { "reason": "unauthorized" }, "status": "error", "line": 10 }),
            json!({ "kind": "pong", "round_trip_us": 0, "line": 11, "id": "p" }),
            json!({ "kind": "left", "topic": "room:a", "line": 13 }),
            json!({ "kind": "disconnected", "detail": "as asked for", "line": 14 }),
        ]
    );
    server.stops_empty().await;
}

#[tokio::test]
async fn each_line_is_done_as_it_comes() {
    let mut server = Server::start().await;
    let mut script = Phx::start(&["script", "--url", &server.url, "-"]);
    script.say(r#"{"do": "connect"}"#).await;
    script.record("connected").await;
    script.say(r#"{"do": "join", "topic": "room:a"}"#).await;
    assert!(script.record("joined").await["ref"].is_string());
    // Events are printed while no step runs as well.
    server.say(r#"broadcast room:a news {"n": 1}"#).await;
    assert_eq!(script.record("message").await["event"], "news");
    script.say(r#"{"do": "push", "topic": "room:a", "event": "crash", "expect": "none"}"#).await;
    script.record("errored").await;
    script.record("rejoined").await;
    server.say("drop").await;
    script.record("disconnected").await;
    script.record("connected").await;
    script.record("rejoined").await;
    script.say(r#"{"do": "push", "topic": "room:a", "event": "stop", "expect": "none"}"#).await;
    script.record("closed").await;
    assert_eq!(script.interrupted().await.code, Some(130));
    server.stops_with_log("the channel `room:a` crashed at `crash`\n").await;
}

#[tokio::test]
async fn what_came_before_is_waited_for_no_more() {
    let server = Server::start().await;
    let steps = |last: &str| {
        r#"{"do": "connect"}
        {"do": "join", "topic": "room:a"}
        {"do": "push", "topic": "room:a", "event": "shout", "payload": 1, "expect": "none"}
        {"do": "push", "topic": "room:a", "event": "shout", "payload": 2, "expect": "none"}
        {"do": "push", "topic": "room:a", "event": "echo"}
        {"do": "wait", "payload": 2}
        "#
        .to_owned()
            + last
    };
    let again = steps(r#"{"do": "wait", "payload": 1, "timeout_ms": 10}"#);
    let ended = script(&server, &again).await;
    ended.badly(5, "line 7: expected message with the given payload within 10ms; the last record was reply `echo` on room:a");
    let failed = reported(&ended).pop().unwrap();
    assert_eq!((&failed["kind"], &failed["line"]), (&json!("failed"), &json!(7)));
    server.stops_empty().await;
}

#[tokio::test]
async fn a_step_that_fails_ends_it_with_its_code() {
    let server = Server::start().await;
    let connect = r#"{"do": "connect"}"#;
    let join = r#"{"do": "join", "topic": "room:a"}"#;
    let cases = [
        (r#"{"do": "join", "topic": "nothing:a"}"#, 4, "unmatched"),
        (
            r#"{"do": "push", "topic": "room:a", "event": "fail"}"#,
            1,
            "expected ok: push of `fail` to `room:a`: the reply has the status `error`",
        ),
        (
            r#"{"do": "push", "topic": "room:a", "event": "echo", "expect": "error"}"#,
            1,
            "line 3: expected an error: push of `echo` to `room:a`: the reply has the status `ok`",
        ),
        (r#"{"do": "push", "topic": "room:a", "event": "shout", "timeout_ms": 10}"#, 5, "in time"),
        (r#"{"do": "push", "topic": "room:b", "event": "echo"}"#, 2, "`room:b` isn't joined"),
        (
            r#"{"do": "dance"}"#,
            2,
            "line 3: there is no step `dance`: expected one of connect, join",
        ),
        (r#"{"do": "connect"}"#, 2, "`disconnect` before"),
    ];
    for (step, code, text) in cases {
        let lines = [connect, join, step, r#"{"do": "ping"}"#].join("\n");
        let ended = script(&server, &lines).await;
        ended.badly(code, text);
        assert!(!ended.out.contains("pong"), "{ended:?}");
    }
    let wait = r#"{"do": "wait", "topic": "room:a", "event": "shout", "timeout_ms": 10}"#;
    script(&server, &[connect, join, wait].join("\n")).await.badly(
        5,
        "line 3: expected message `shout` on room:a within 10ms; the last record was joined on room:a",
    );
    script(&server, join).await.badly(2, "`connect` comes first");
    phx(&["script", "no/such/file"]).await.badly(2, "no/such/file");
    let refused = r#"{"do": "connect", "url": "ws://127.0.0.1:1/socket"}"#;
    script(&server, refused).await.badly(3, "line 1: can't connect");
    server.stops_empty().await;
}

#[tokio::test]
async fn channels_are_joined_again_after_a_disconnect() {
    let mut server = Server::start().await;
    let mut script = Phx::start(&["script", "--url", &server.url, "-"]);
    script.say(r#"{"do": "connect"}"#).await;
    script.record("connected").await;
    script.say(r#"{"do": "join", "topic": "room:a"}"#).await;
    script.record("joined").await;
    script.say(r#"{"do": "params", "topic": "room:a", "params": {"name": "ann"}}"#).await;
    script.say(r#"{"do": "disconnect"}"#).await;
    script.record("disconnected").await;
    server.has_connections(0).await;
    script.say(r#"{"do": "connect", "id": "again"}"#).await;
    let connected = script.ended_up("connected").await;
    assert_eq!((&connected["id"], &connected["line"]), (&json!("again"), &json!(5)));
    script.record("rejoined").await;
    // The rejoin had the new params.
    script.say(r#"{"do": "wait", "event": "presence_state", "payload": {"ann": {}}}"#).await;
    script.say(r#"{"do": "push", "topic": "room:a", "event": "echo", "payload": 7}"#).await;
    assert_eq!(script.ended_up("reply").await["payload"], 7);
    // The replaced channel is left, and the new one has its topic.
    script
        .say(r#"{"do": "join", "topic": "room:a", "replace": true, "params": {"name": "bob"}}"#)
        .await;
    script.ended_up("joined").await;
    script.say(r#"{"do": "wait", "event": "presence_state", "payload": {"bob": {}}}"#).await;
    script.say(r#"{"do": "disconnect"}"#).await;
    script.ended_up("disconnected").await;
    // Another address means a new connection without these channels.
    let other = json!({ "do": "connect", "url": server.url, "params": { "a": "b" } }).to_string();
    script.say(&other).await;
    script.ended_up("connected").await;
    script.say(r#"{"do": "push", "topic": "room:a", "event": "echo"}"#).await;
    script.ended_up("failed").await;
    script.ends().await.badly(2, "line 12: `room:a` isn't joined");
    server.stops_empty().await;
}

#[tokio::test]
async fn steps_need_a_connection_after_a_disconnect() {
    let server = Server::start().await;
    let start = r#"{"do": "connect"}
        {"do": "join", "topic": "room:a"}
        {"do": "disconnect"}
        "#;
    for step in [
        r#"{"do": "push", "topic": "room:a", "event": "echo"}"#,
        r#"{"do": "leave", "topic": "room:a"}"#,
        r#"{"do": "ping"}"#,
    ] {
        let ended = script(&server, &format!("{start}{step}")).await;
        ended.badly(2, "line 4: there is no connection: `connect` comes first");
    }
    server.stops_empty().await;
}

#[tokio::test]
async fn bytes_need_the_second_version() {
    let server = Server::start().await;
    let steps = r#"{"do": "connect"}
        {"do": "join", "topic": "room:a"}
        {"do": "push", "topic": "room:a", "event": "echo", "binary": "AP8="}
    "#;
    let script = ["script", "--url", &server.url, "--vsn", "1.0.0", "-"];
    phx_with_input(&script, steps.as_bytes())
        .await
        .badly(2, "line 3: push of `echo` to `room:a` failed");
    server.stops_empty().await;
}

#[tokio::test]
async fn standard_input_is_named_once() {
    let lines = b"hush\nhush\n";
    for command in [
        &["script", "-", "-p", "t=@-"][..],
        &["push", "ws://127.0.0.1:1/socket", "room:a", "echo", "-p", "a=@-", "-p", "b=@-"],
        &["push", "ws://127.0.0.1:1/socket", "room:a", "echo", "-", "--auth-token", "@-"],
    ] {
        phx_with_input(command, lines).await.badly(2, "standard input is named twice");
    }
}
