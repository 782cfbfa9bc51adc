//! The answers of a script are sent as written, in order.

use phx_proto::{Payload, Status};
use phx_testing::Script;
use serde_json::json;

use super::served;
use crate::wire::{CLOSED, CRASHED, JOIN, JOINED};

const PUSH: &str = r#"["1","2","room:a","go",{}]"#;

#[test]
fn each_step_has_its_answer() {
    let script = Script::new()
        .expect_join("room:*")
        .reply_ok(&json!({}))
        .expect_push("room:a", "go")
        .reply_ok(&json!({ "id": 1 }))
        .expect_push("room:a", "go")
        .reply_error(&json!("no"))
        .expect_push("room:a", "go")
        .reply(Status::from("later"), Payload::empty())
        .expect_push("room:a", "go")
        .no_reply()
        .expect_leave("room:a");
    let (mut wire, ann, expectations) = served(&script);
    wire.send(ann, JOIN);
    assert_eq!(wire.answers(), [JOINED]);
    for response in [
        r#"{"response":{"id":1},"status":"ok"}"#,
        r#"{"response":"no","status":"error"}"#,
        r#"{"response":{},"status":"later"}"#,
    ] {
        wire.send(ann, PUSH);
        assert_eq!(wire.answers(), [format!(r#"["1","2","room:a","phx_reply",{response}]"#)]);
    }
    wire.send(ann, PUSH);
    assert!(wire.answers().is_empty());
    assert!(!expectations.is_met());
    wire.send(ann, r#"["1","3","room:a","phx_leave",{}]"#);
    let left = r#"["1","3","room:a","phx_reply",{"response":{},"status":"ok"}]"#;
    assert_eq!(wire.answers(), [left, CLOSED]);
    expectations.assert_met();
}

#[test]
fn joins_are_rejected_crash_or_stay_unanswered() {
    let script = Script::new()
        .expect_join("room:a")
        .reply_error(&json!("no"))
        .expect_join("room:a")
        .crash()
        .expect_join("room:a")
        .no_reply()
        .expect_join("room:a")
        .reply_ok(&json!({}));
    let (mut wire, ann, expectations) = served(&script);
    wire.send(ann, JOIN);
    let rejected = r#"["1","1","room:a","phx_reply",{"response":"no","status":"error"}]"#;
    assert_eq!(wire.answers(), [rejected]);
    wire.send(ann, JOIN);
    let crashed =
        r#"["1","1","room:a","phx_reply",{"response":{"reason":"join crashed"},"status":"error"}]"#;
    assert_eq!(wire.answers(), [crashed]);
    wire.send(ann, JOIN);
    assert!(wire.answers().is_empty());
    assert_eq!(wire.server.topics(ann).count(), 0);
    wire.send(ann, JOIN);
    assert_eq!(wire.answers(), [JOINED]);
    expectations.assert_met();
}

#[test]
fn a_push_can_crash_its_channel() {
    let script = Script::new().expect_join("*").reply_ok(&json!({})).expect_push("*", "go").crash();
    let (mut wire, ann, expectations) = served(&script);
    wire.sent(ann, JOIN);
    wire.send(ann, PUSH);
    assert_eq!(wire.answers(), [CRASHED]);
    expectations.assert_met();
}

#[test]
fn an_answer_can_wait() {
    use std::time::Duration;
    let script = Script::new()
        .expect_join("*")
        .after(Duration::from_secs(1))
        .reply_ok(&json!({}))
        .expect_push("*", "go")
        .after(Duration::from_secs(2))
        .reply_ok(&json!({}));
    let (mut wire, ann, expectations) = served(&script);
    wire.send(ann, JOIN);
    wire.advance(999);
    assert!(wire.answers().is_empty());
    wire.advance(1);
    assert_eq!(wire.answers(), [JOINED]);
    wire.send(ann, PUSH);
    wire.advance(1999);
    assert!(wire.answers().is_empty());
    wire.advance(1);
    assert_eq!(wire.answers().len(), 1);
    expectations.assert_met();
}
