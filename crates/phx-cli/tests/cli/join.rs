//! `phx join`.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use crate::raw::{Received, raw};
use crate::support::{Phx, Server, phx};

#[tokio::test]
async fn each_message_is_an_object() {
    let server = Server::start().await;
    let mut join = Phx::start(&["join", "--json", &server.url, "room:a", "room:b"]);
    let connected = join.record("connected").await;
    assert!(connected["time"].as_str().unwrap().ends_with('Z'), "{connected}");
    assert_eq!((&connected["topic"], &connected["payload"]), (&json!(null), &json!(null)));
    let mut joined = [join.record("joined").await, join.record("joined").await];
    joined.sort_by_key(|record| record["topic"].to_string());
    assert_eq!(joined[0]["topic"], "room:a");
    assert!(joined[0]["ref"].is_string(), "the reply has the ref of the join: {}", joined[0]);
    assert_eq!(joined[1]["payload"], json!({}));

    for topic in ["room:a", "room:b"] {
        let payload = r#"{"topic": 1,
            "text": "\u001b[2J"}"#;
        phx(&["push", "--no-reply", &server.url, topic, "shout", payload]).await.well();
        let message = join.record("message").await;
        assert_eq!(message["topic"], topic);
        assert_eq!(message["event"], "shout");
        assert_eq!(message["ref"], json!(null));
        assert_eq!(message["payload"], json!({ "topic": 1, "text": "\u{1b}[2J" }));
    }
    assert_eq!(join.interrupted().await.well(), "");
    server.stops_empty().await;
}

#[tokio::test]
async fn binary_payloads_are_base64() {
    let server = Server::start().await;
    let mut join = Phx::joined(&["join", "--json", &server.url, "room:a", "--count", "1"]).await;
    let push = ["push", "--no-reply", &server.url, "room:a", "shout", "--binary", "-"];
    crate::support::phx_with_input(&push, &[0, 255]).await.well();
    let message = join.record("message").await;
    assert_eq!((&message["payload"], &message["binary"]), (&json!(null), &json!("AP8=")));
    join.ends().await.well();
    server.stops_empty().await;
}

#[tokio::test]
async fn for_people_there_are_columns_without_colours() {
    let server = Server::start().await;
    let mut join = Phx::start(&["join", &server.url, "room:lobby", "-j", "name=ann", "-n", "2"]);
    let columns = |line: String| line.split_once("  ").expect(&line).1.to_owned();
    assert_eq!(columns(join.line().await), "-           * connected");
    assert_eq!(columns(join.line().await), "room:lobby  * joined        {}");
    let diff = columns(join.line().await);
    assert!(diff.starts_with(r#"room:lobby  presence_diff   {"joins":{"ann":"#), "{diff}");
    assert!(columns(join.line().await).starts_with("room:lobby  presence_state  {\"ann\":"));
    join.ends().await.well();
    server.stops_empty().await;
}

#[tokio::test]
async fn only_the_events_asked_for_are_shown_and_counted() {
    let server = Server::start().await;
    let topics = ["join", "--json", &server.url, "room:a", "clock:a", "-j", "name=ann"];
    let join = Phx::start(&[&topics[..], &["-e", "tick", "-n", "2"]].concat()).ends().await;
    let out = join.well();
    assert_eq!(out.matches(r#""kind":"message""#).count(), 2, "{out}");
    assert_eq!(out.matches(r#""event":"tick""#).count(), 2, "{out}");
    server.stops_empty().await;
}

#[tokio::test]
async fn a_lost_connection_is_reported_and_replaced() {
    let mut server = Server::start().await;
    let mut join = Phx::joined(&["join", "--json", &server.url, "room:a"]).await;
    assert_eq!(server.say("drop").await, "dropped 1 connections");
    let lost = join.record("disconnected").await;
    assert_eq!(lost["code"], 1006);
    assert!(lost["retry_in_ms"].is_u64(), "{lost}");
    join.record("connected").await;
    let rejoined = join.record("rejoined").await;
    assert_eq!((&rejoined["topic"], &rejoined["payload"]), (&json!("room:a"), &json!({})));
    assert!(rejoined["detail"].as_str().unwrap().contains("missing"), "{rejoined}");
    assert_eq!(server.say(r#"broadcast room:a news {"n": 1}"#).await, "broadcast");
    assert_eq!(join.record("message").await["payload"], json!({ "n": 1 }));
    join.signal("TERM").await;
    join.ends().await.well();
    server.stops_empty().await;
}

#[tokio::test]
async fn it_ends_with_the_connection_if_asked_to() {
    let mut server = Server::start().await;
    let mut join = Phx::joined(&["join", "--json", &server.url, "room:a", "--no-reconnect"]).await;
    server.say("close 1001").await;
    let lost = join.record("disconnected").await;
    assert_eq!((&lost["code"], &lost["retry_in_ms"]), (&json!(1001), &json!(null)));
    join.ends().await.badly(6, "the connection has ended");
    server.stops_empty().await;
}

#[tokio::test]
async fn who_reads_no_longer_ends_it_quietly() {
    let mut server = Server::start().await;
    let mut join = Phx::start(&["join", &server.url, "room:a"]);
    join.line().await;
    join.line().await;
    join.close_output();
    server.say("broadcast room:a news").await;
    join.ends().await.well();
    server.stops_empty().await;
}

#[tokio::test]
async fn a_rejected_join_has_a_code_of_its_own() {
    let server = Server::start().await;
    let rejected = ["join", &server.url, "room:a", "--join-params", r#"{"reject": true}"#];
    phx(&rejected).await.badly(4, "join of `room:a` rejected: unauthorized");
    let unmatched = phx(&["join", &server.url, "room:a", "nothing:here"]).await;
    unmatched.badly(4, "unmatched topic");
    phx(&["join", &server.url, "room:a", "room:a"]).await.badly(2, "room:a");
    server.stops_empty().await;
}

#[tokio::test]
async fn params_may_be_typed() {
    let mut server = Server::start().await;
    let mut join = Phx::start(&[
        "join",
        "-v",
        &server.url,
        "clock:a",
        "-n",
        "1",
        "-j",
        "interval_ms:=10",
        "--show-secrets",
        "-j",
        "n=3",
    ]);
    join.shows_on_stderr(r#""phx_join",{"interval_ms":10,"n":"3"}]"#).await;
    join.ends().await;
    phx(&["join", &server.url, "room:a", "-j", "n:=hush"]).await.badly(2, "expected JSON after :=");
    server.has_connections(0).await;
    server.stops_empty().await;
}

#[tokio::test]
async fn params_from_a_file_are_read_for_each_join() {
    let mut server = Server::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    std::fs::write(path, r#"{"name": "ann"}"#).unwrap();
    let options =
        ["--join-params-file", path, "--rejoin-delays", "10ms", "--reconnect-delays", "10ms"];
    let join = ["join", "--json", &server.url, "room:a", "-e", "presence_state"];
    let mut join = Phx::joined(&[&join[..], &options].concat()).await;
    assert!(join.record("message").await["payload"]["ann"].is_object());
    std::fs::write(path, r#"{"name": "bob"}"#).unwrap();
    server.say("drop").await;
    join.ended_up("rejoined").await;
    assert!(join.ended_up("message").await["payload"]["bob"].is_object());
    std::fs::write(path, "hush").unwrap();
    server.say("drop").await;
    join.shows_on_stderr("can't join again: ").await;
    std::fs::write(path, "{}").unwrap();
    join.ended_up("rejoined").await;
    let ended = join.interrupted().await;
    assert!(ended.code == Some(0) && !ended.err.contains("hush"), "{ended:?}");
    let missing = ["join", &server.url, "room:a", "--join-params-file", "no/such/file"];
    phx(&missing).await.badly(2, "can't read no/such/file");
    server.stops_empty().await;
}

#[tokio::test]
async fn a_closed_channel_is_joined_again_on_request() {
    let joins = AtomicU64::new(0);
    let url = raw(move |message: &Received| match message.event() {
        "phx_join" if joins.fetch_add(1, Ordering::Relaxed) == 0 => vec![
            message.reply("ok", &json!({})),
            message.event_of("phx_close", &json!({ "why": "over" })),
        ],
        _ => vec![message.reply("ok", &json!({}))],
    })
    .await;
    let options = ["--rejoin-closed", "--rejoin-delays", "10ms"];
    let mut join = Phx::start(&[&["join", "--json", &url, "room:a"][..], &options].concat());
    assert_eq!(join.ended_up("errored").await["payload"], json!({ "why": "over" }));
    join.ended_up("rejoined").await;
    join.interrupted().await.well();
}

#[tokio::test]
async fn heartbeats_have_the_interval_that_is_given() {
    let server = Server::start().await;
    let join = ["join", "-v", &server.url, "room:a"];
    let mut fast = Phx::start(&[&join[..], &["--heartbeat-interval", "10ms"]].concat());
    fast.shows_on_stderr("heartbeat").await;
    fast.interrupted().await;
    phx(&[&join[..], &["--heartbeat-interval", "0s"]].concat()).await.badly(2, "heartbeat");
    phx(&[&join[..], &["--heartbeat-interval", "often"]].concat())
        .await
        .badly(2, "such as 15s, or off");
    server.stops_empty().await;
}

#[tokio::test]
async fn it_ends_after_a_time() {
    let server = Server::start().await;
    let join = phx(&["join", &server.url, "room:a", "--for", "50ms"]).await;
    assert_eq!(join.well().lines().count(), 2);
    server.stops_empty().await;
}
