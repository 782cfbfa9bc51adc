//! `phx presence`.

use std::sync::atomic::{AtomicU64, Ordering};

use phx_pty::CTRL_C;
use serde_json::{Value, json};

use crate::raw::{Answer, Received, raw};
use crate::support::{Phx, Server, phx};
use crate::terminal;

#[tokio::test]
async fn changes_as_objects() {
    let mut server = Server::start().await;
    let watch = ["presence", "--json", &server.url, "room:a", "-j", "name=ann"];
    let mut ann = Phx::joined(&watch).await;
    let joined = ann.record("presence_joined").await;
    assert_eq!((&joined["key"], &joined["present"]), (&json!("ann"), &json!(1)));
    assert!(joined["payload"][0]["online_at"].is_number(), "{joined}");
    ann.record("synced").await;

    let bob = Phx::start(&["join", &server.url, "room:a", "-j", "name=bob"]);
    let joined = ann.ended_up("presence_joined").await;
    assert_eq!((&joined["key"], &joined["present"]), (&json!("bob"), &json!(2)));
    bob.interrupted().await;
    let left = ann.ended_up("presence_left").await;
    assert_eq!((&left["key"], &left["present"]), (&json!("bob"), &json!(1)));

    server.say("drop").await;
    ann.ended_up("connected").await;
    let synced = ann.ended_up("synced").await;
    assert_eq!(synced["present"], 1);
    ann.interrupted().await.well();
    server.stops_empty().await;
}

#[tokio::test]
async fn changes_as_lines() {
    let server = Server::start().await;
    let mut ann = Phx::start(&["presence", &server.url, "room:a", "-j", "name=ann"]);
    ann.line().await;
    ann.line().await;
    let joined = ann.line().await;
    assert!(joined.contains("room:a  + ann           [{\"online_at\":"), "{joined}");
    assert!(!joined.contains("phx_ref"), "{joined}");
    let synced = ann.line().await;
    assert!(synced.ends_with("room:a  * synced        1 present"), "{synced}");
    ann.interrupted().await.well();
    phx(&["presence", &server.url, "nothing:a"]).await.badly(4, "unmatched topic");
    server.stops_empty().await;
}

#[tokio::test]
async fn on_a_terminal_it_is_a_live_list() {
    let mut server = Server::start().await;
    let watch = ["presence", &server.url, "room:a", "-j", "name=ann"];
    let mut ann = terminal::start(&watch, &[]);
    ann.sees("1 present");
    ann.sees("ann");
    let bob = Phx::start(&["join", &server.url, "room:a", "-j", "name=b\u{7f}b"]);
    // The new list is drawn over the old one.
    ann.sees("A\r\x1b[J");
    ann.sees("2 present");
    ann.sees("b\\u{7f}b");
    bob.interrupted().await;
    ann.sees("- b\\u{7f}b");
    server.say("stall").await;
    server.say("drop").await;
    ann.sees("not connected");
    ann.sees("1 present");
    ann.types(CTRL_C);
    ann.ends(0);
    server.stops_empty().await;

    let server = Server::start().await;
    let mut plain = terminal::start(&["presence", &server.url, "room:a"], &[("NO_COLOR", "1")]);
    plain.sees("no list has come yet");
    plain.types(CTRL_C);
    assert!(!plain.ends(0).contains("\x1b[1m"));
    let mut lines =
        terminal::start(&["presence", &server.url, "room:a", "--lines", "-j", "name=ann"], &[]);
    lines.sees("+ ann");
    lines.types(CTRL_C);
    assert!(!lines.ends(0).contains("\x1b[J"));
    server.stops_empty().await;
}

#[tokio::test]
async fn events_may_have_other_names() {
    let mut server = Server::start().await;
    let names = ["--state-event", "who", "--diff-event", "who_changed"];
    let watch = ["presence", "--json", &server.url, "room:a"];
    let mut watch = Phx::joined(&[&watch[..], &names].concat()).await;
    server.say(r#"broadcast room:a who {"eve": {"metas": [{"phx_ref": "1", "n": 1}]}}"#).await;
    let joined = watch.record("presence_joined").await;
    let metas = json!([{ "n": 1, "phx_ref": "1" }]);
    assert_eq!((&joined["key"], &joined["payload"]), (&json!("eve"), &metas));
    watch.record("synced").await;
    server.say("broadcast room:a who_changed [1]").await;
    let refused: Value = watch.record("errored").await;
    assert_eq!(refused["present"], 1);
    watch.interrupted().await.well();
    server.stops_empty().await;
}

/// Starts a server that sends malformed frames after the first join, rejects the second one, and crashes the channel
/// after each later join.
async fn crashing() -> String {
    let joins = AtomicU64::new(0);
    raw(move |message: &Received| match message.event() {
        "phx_join" if joins.fetch_add(1, Ordering::Relaxed) == 0 => vec![
            message.reply("ok", &json!({})),
            Answer::Text("[1]".to_owned()),
            message.event_of("phx_error", &json!({ "why": "boom" })),
        ],
        "phx_join" => vec![message.reply("error", &json!({ "reason": "full" }))],
        _ => Vec::new(),
    })
    .await
}

#[tokio::test]
async fn a_crash_and_a_rejected_rejoin_are_reported() {
    let url = crashing().await;
    let mut watch = Phx::start(&["presence", "--json", &url, "room:a"]);
    let crashed = watch.ended_up("errored").await;
    assert!(crashed["retry_in_ms"].is_number(), "{crashed}");
    let rejected = watch.ended_up("errored").await;
    assert_eq!(rejected["payload"], json!({ "reason": "full" }), "{rejected}");
    assert_eq!(watch.interrupted().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_list_reports_them_too() {
    let url = crashing().await;
    let mut watch = terminal::start(&["presence", &url, "room:a"], &[]);
    watch.sees("malformed");
    watch.sees("errored");
    watch.sees("full");
    watch.types(CTRL_C);
    watch.ends(0);
}

#[tokio::test]
async fn a_list_that_does_not_come_is_reported() {
    let server = Server::start().await;
    let watch = ["presence", &server.url, "room:a", "--join-timeout", "100ms"];
    let mut lines = Phx::start(&watch);
    lines.line().await;
    lines.line().await;
    let warning = lines.line().await;
    let text =
        "room:a  * warning       within 100ms no `presence_state` came: does the channel push it";
    assert!(warning.contains(text), "{warning}");
    lines.interrupted().await.well();
    let mut objects =
        Phx::joined(&[&watch[..], &["--json", "--state-event", "who"]].concat()).await;
    let warning = objects.record("warning").await;
    assert!(warning["detail"].as_str().unwrap().contains("no `who` came"), "{warning}");
    objects.interrupted().await.well();
    server.stops_empty().await;
}

/// Starts a server that answers each join and push, and sends pushes back. It crashes the channel once.
async fn tracking() -> String {
    let joins = AtomicU64::new(0);
    raw(move |message: &Received| {
        let reply = message.reply("ok", &json!({}));
        match message.event() {
            "phx_join" => vec![reply, message.event_of("presence_state", &json!({}))],
            "phx_leave" | "heartbeat" => vec![reply],
            "refused" => vec![message.reply("error", &json!({ "reason": "full", "a": "hush" }))],
            event => {
                let metas =
                    json!([{ "phx_ref": "1", "event": event, "pushed": message.payload() }]);
                let state = json!({ "ann": { "metas": metas } });
                let mut answers = vec![reply, message.event_of("presence_state", &state)];
                if joins.fetch_add(1, Ordering::Relaxed) == 0 {
                    answers.push(message.event_of("phx_error", &json!({})));
                }
                answers
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_meta_is_tracked_after_each_join() {
    let url = tracking().await;
    let watch = ["presence", "--json", &url, "room:a", "--rejoin-delays", "10ms"];
    let track = [r#"--track={"n": 1.50}"#];
    let mut watch_it = Phx::start(&[&watch[..], &track].concat());
    let supabase = json!({ "type": "presence", "event": "track", "payload": { "n": 1.5 } });
    let joined = watch_it.ended_up("presence_joined").await;
    assert_eq!(joined["payload"][0]["event"], "presence");
    assert_eq!(joined["payload"][0]["pushed"], supabase);
    // The list of the second join is empty at first.
    watch_it.ended_up("presence_left").await;
    watch_it.ended_up("presence_joined").await;
    watch_it.interrupted().await.well();

    let mut watch_it = Phx::start(&[&watch[..], &track, &["--track-event", "here"]].concat());
    let joined = watch_it.ended_up("presence_joined").await;
    assert_eq!(joined["payload"][0]["event"], "here");
    assert_eq!(joined["payload"][0]["pushed"], json!({ "n": 1.5 }));
    watch_it.interrupted().await.well();

    let mut refused = Phx::start(&[&watch[..], &track, &["--track-event", "refused"]].concat());
    let failed = refused.ended_up("failed").await.to_string();
    assert!(
        failed.contains("push of `refused` to `room:a`: the reply has the status `error`: full"),
        "{failed}"
    );
    assert!(!failed.contains("hush"), "{failed}");
    refused.interrupted().await.well();
    phx(&[&watch[..], &["--track", "{hush"]].concat()).await.badly(2, "isn't JSON");
}
