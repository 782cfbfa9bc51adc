//! Output of `phx` for joins that crash, rejections, and channels that crash, with the answers of Phoenix 1.8.12.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::raw::{Answer, Received, raw};
use crate::support::{Phx, phx};

/// Starts a server on which every join crashes.
async fn crashing() -> String {
    raw(|message: &Received| match message.event() {
        "phx_join" => vec![message.reply("error", &json!({ "reason": "join crashed" }))],
        _ => vec![message.reply("ok", &json!({}))],
    })
    .await
}

/// Starts a server that accepts a join, crashes the channel, rejects the next join, and repeats that.
async fn full_after_a_crash() -> String {
    let joins = AtomicU32::new(0);
    raw(move |message: &Received| -> Vec<Answer> {
        if message.event() != "phx_join" {
            return vec![message.reply("ok", &json!({}))];
        }
        if joins.fetch_add(1, Ordering::SeqCst) % 2 == 1 {
            return vec![message.reply("error", &json!({ "reason": "full" }))];
        }
        let crash = message.event_of("phx_error", &json!({ "reason": "channel_crash" }));
        vec![message.reply("ok", &json!({})), crash]
    })
    .await
}

/// Returns the payload of an `errored` record, and true if it has the time of the next attempt.
#[track_caller]
fn assert_errored(record: &Value, reason: &str) {
    assert_eq!(record["topic"], "room:a", "{record}");
    assert_eq!(record["payload"]["reason"], reason, "{record}");
    assert!(record["retry_in_ms"].is_u64(), "{record}");
    let detail = record["detail"].as_str().unwrap();
    assert!(detail.contains(reason) && detail.contains("next attempt in"), "{record}");
}

#[tokio::test]
async fn a_join_that_only_crashes_ends_with_code_5() {
    let url = crashing().await;
    for args in [
        &["join", &url, "room:a", "--join-timeout", "200ms"][..],
        &["push", &url, "room:a", "post", "--join-timeout", "200ms"],
    ] {
        phx(args).await.badly(5, "join of `room:a` failed: it crashed on the server");
    }
}

#[tokio::test]
async fn a_crashed_join_is_printed_while_it_is_tried_again() {
    let url = crashing().await;
    let mut join = Phx::start(&["join", &url, "room:a", "--json", "--join-timeout", "30s"]);
    join.record("connected").await;
    assert_errored(&join.record("errored").await, "join crashed");
    assert_errored(&join.record("errored").await, "join crashed");
    join.interrupted().await;
}

#[tokio::test]
async fn a_rejected_rejoin_is_printed_with_its_reason_and_its_retry() {
    let url = full_after_a_crash().await;
    let mut join = Phx::start(&["join", &url, "room:a", "--json"]);
    // The crash arrives with the join's answer, and may be printed before it.
    assert_errored(&join.ended_up("errored").await, "channel_crash");
    assert_errored(&join.ended_up("errored").await, "full");
    join.interrupted().await;
    let mut join = Phx::start(&["join", &url, "room:a"]);
    loop {
        let line = join.line().await;
        if line.contains("errored") && line.contains("full") {
            assert!(line.contains("the server rejected the join"), "{line}");
            assert!(line.contains("next attempt in"), "{line}");
            break;
        }
    }
    join.interrupted().await;
}

#[tokio::test]
async fn a_script_prints_a_rejected_rejoin_and_a_push_that_was_never_sent() {
    let url = full_after_a_crash().await;
    let mut script = Phx::start(&["script", "--url", &url, "-"]);
    script.say(r#"{"do": "connect"}"#).await;
    script.record("connected").await;
    script.say(r#"{"do": "join", "topic": "room:a"}"#).await;
    assert_errored(&script.ended_up("errored").await, "channel_crash");
    assert_errored(&script.ended_up("errored").await, "full");
    let push = r#"{"do": "push", "topic": "room:a", "event": "post", "timeout_ms": 50}"#;
    script.say(push).await;
    let ended = script.ends().await;
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(ended.out.contains("couldn't be sent in time"), "{ended:?}");
}
