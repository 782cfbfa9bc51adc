//! Pushes, broadcasts and ends after an answer, in the order of the script.

use std::time::Duration;

use phx_proto::CloseCode;
use phx_testing::Script;
use serde_json::json;

use super::served;
use crate::wire::{CLOSED, CRASHED, JOIN, JOINED};

const PUSHED: &str = r#"["1",null,"room:a","news",{"n":1}]"#;
const BROADCAST: &str = r#"[null,null,"room:a","all",{}]"#;
const PUSH: &str = r#"["1","2","room:a","go",{}]"#;
const REPLY: &str = r#"["1","2","room:a","phx_reply",{"response":{},"status":"ok"}]"#;

fn joined() -> Script {
    Script::new().expect_join("room:*").reply_ok(&json!({}))
}

#[test]
fn pushes_and_broadcasts_follow_a_join() {
    let script = joined().then_push("news", &json!({ "n": 1 })).then_broadcast("all", &json!({}));
    let (mut wire, ann, expectations) = served(&script);
    wire.send(ann, JOIN);
    assert_eq!(wire.answers(), [JOINED, PUSHED, BROADCAST]);
    expectations.assert_met();
}

#[test]
fn pushes_and_broadcasts_follow_a_push() {
    let script = joined()
        .expect_push("room:a", "go")
        .reply_ok(&json!({}))
        .then_push("news", &json!({ "n": 1 }))
        .after(Duration::from_secs(1))
        .then_broadcast("all", &json!({}));
    let (mut wire, ann, expectations) = served(&script);
    wire.sent(ann, JOIN);
    wire.send(ann, PUSH);
    assert_eq!(wire.answers(), [REPLY, PUSHED]);
    wire.advance(999);
    assert!(wire.answers().is_empty());
    wire.advance(1);
    assert_eq!(wire.answers(), [BROADCAST]);
    expectations.assert_met();
}

#[test]
fn a_broadcast_reaches_every_client() {
    let script =
        joined().expect_join("room:a").reply_ok(&json!({})).then_broadcast("all", &json!({}));
    let (mut wire, ann, expectations) = served(&script);
    let bob = wire.open();
    wire.sent(ann, JOIN);
    wire.send(bob, JOIN);
    assert_eq!(wire.answers(), [JOINED, BROADCAST, BROADCAST]);
    expectations.assert_met();
}

#[test]
fn channels_end() {
    let script = joined().then_stop().expect_join("room:a").reply_ok(&json!({})).then_crash();
    let (mut wire, ann, expectations) = served(&script);
    wire.send(ann, JOIN);
    assert_eq!(wire.answers(), [JOINED, CLOSED]);
    wire.send(ann, JOIN);
    assert_eq!(wire.answers(), [JOINED, CRASHED]);
    expectations.assert_met();
}

#[test]
fn connections_end_after_the_answer() {
    let script = joined()
        .expect_push("room:a", "go")
        .reply_ok(&json!({}))
        .then_close(CloseCode::RESTART)
        .expect_join("room:a")
        .reply_error(&json!("no"))
        .after(Duration::from_secs(1))
        .then_close(CloseCode::GOING_AWAY)
        .expect_join("room:a")
        .no_reply()
        .then_cut()
        .expect_join("room:a")
        .reply_ok(&json!({}))
        .expect_leave("room:a")
        .then_cut();
    let (mut wire, ann, expectations) = served(&script);
    wire.sent(ann, JOIN);
    wire.send(ann, PUSH);
    assert_eq!(wire.answers(), [REPLY, "close 1012"]);
    let ann = wire.open();
    wire.send(ann, JOIN);
    let rejected = r#"["1","1","room:a","phx_reply",{"response":"no","status":"error"}]"#;
    assert_eq!(wire.answers(), [rejected]);
    wire.advance(1000);
    assert_eq!(wire.answers(), ["close 1001"]);
    let ann = wire.open();
    wire.send(ann, JOIN);
    assert_eq!(wire.answers(), ["drop"]);
    let ann = wire.join();
    wire.send(ann, r#"["1","2","room:a","phx_leave",{}]"#);
    assert_eq!(wire.answers(), [REPLY, "drop"]);
    expectations.assert_met();
}
