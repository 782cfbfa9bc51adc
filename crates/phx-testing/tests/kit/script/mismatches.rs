//! An unexpected frame is reported in the words of the test, and its sender gets an answer.

use phx_testing::{MismatchError, Script, Server};
use serde_json::json;

use crate::wire::{JOIN, JOINED, Wire};

fn script() -> Script {
    Script::new()
        .expect_join("room:a")
        .with_payload(&json!({}))
        .reply_ok(&json!({}))
        .expect_push("room:a", "new_msg")
        .with_payload(&json!({ "body": "hi", "tags": [1, 2], "at": null }))
        .reply_ok(&json!({}))
        .expect_leave("room:a")
}

/// Returns the outcome of these frames, sent one second apart.
fn play(server: Server, frames: &[&str]) -> Vec<String> {
    let mut wire = Wire::new(server);
    let ann = wire.open();
    for frame in frames {
        wire.advance(1000);
        wire.send(ann, frame);
    }
    wire.answers()
}

fn mismatch(frames: &[&str]) -> MismatchError {
    let (server, expectations) = script().serve();
    play(server, frames);
    expectations.finish().unwrap_err()
}

#[test]
fn another_payload() {
    let push = r#"["1","2","room:a","new_msg",{"body":"ho","tags":[1,3],"extra":true}]"#;
    let mismatch = mismatch(&[JOIN, push]);
    assert_eq!(
        mismatch.to_string(),
        r#"the script was not followed at 2 s, step 2 of 3:
  expected  push "new_msg" on "room:a" with {"at":null,"body":"hi","tags":[1,2]}
  got       push "new_msg" on "room:a" with {"body":"ho","extra":true,"tags":[1,3]}
  differs   payload.at: expected null, which is missing
  differs   payload.body: expected "hi", got "ho"
  differs   payload.tags[1]: expected 2, got 3
  differs   payload.extra: not expected, got true"#
    );
    assert_eq!(format!("{mismatch:?}"), mismatch.to_string());
    assert_eq!(mismatch.step(), 2);
    assert_eq!(mismatch.differences().len(), 4);
}

#[test]
fn another_event() {
    let mismatch = mismatch(&[JOIN, r#"["1","2","room:a","typing",{}]"#]);
    assert_eq!(mismatch.differences(), [r#"event: expected "new_msg", got "typing""#]);
}

#[test]
fn another_topic() {
    let mismatch = mismatch(&[r#"["1","1","room:b","phx_join",{}]"#]);
    assert_eq!(mismatch.expected(), Some(r#"join of "room:a" with {}"#));
    assert_eq!(mismatch.got(), Some(r#"join of "room:b" with {}"#));
    assert_eq!(mismatch.differences(), [r#"topic: expected "room:a", got "room:b""#]);
}

#[test]
fn a_topic_beside_the_pattern() {
    let (server, expectations) = Script::new().expect_join("room:*").no_reply().serve();
    play(server, &[r#"["1","1","hall:a","phx_join",{}]"#]);
    let mismatch = expectations.finish().unwrap_err();
    assert_eq!(mismatch.differences(), [r#"topic: expected "room:*", got "hall:a""#]);
}

#[test]
fn a_longer_list() {
    let script = Script::new().expect_join("*").with_payload(&json!({ "tags": [1] })).no_reply();
    let (server, expectations) = script.serve();
    play(server, &[r#"["1","1","room:a","phx_join",{"tags":[1,2]}]"#]);
    let mismatch = expectations.finish().unwrap_err();
    assert_eq!(mismatch.differences(), ["payload.tags: expected [1], got [1,2]"]);
}

#[test]
fn another_thing() {
    let mismatch = mismatch(&[JOIN, r#"["1","2","room:a","phx_leave",{}]"#]);
    assert_eq!(mismatch.got(), Some(r#"leave of "room:a""#));
    assert_eq!(mismatch.differences(), ["expected a push, got a leave"]);
}

#[test]
fn more_than_expected() {
    let (server, expectations) = Script::new().expect_join("room:*").reply_ok(&json!({})).serve();
    play(server, &[JOIN, r#"["1","2","room:a","more",{}]"#]);
    assert_eq!(
        expectations.finish().unwrap_err().to_string(),
        r#"the script was not followed at 2 s, after all of its 1 steps:
  expected  nothing more
  got       push "more" on "room:a" with {}"#
    );
}

#[test]
fn a_huge_difference_is_cut_short() {
    let (expected, got): (Vec<i32>, Vec<i32>) = ((0..100).collect(), (1..101).collect());
    let script = Script::new().expect_join("*").with_payload(&expected).reply_ok(&json!({}));
    let (server, expectations) = script.serve();
    play(server, &[&format!(r#"["1","1","room:a","phx_join",{}]"#, json!(got))]);
    let mismatch = expectations.finish().unwrap_err();
    assert_eq!(mismatch.differences().len(), 9);
    assert_eq!(mismatch.differences()[8], "and 92 more");
}

#[test]
fn the_client_gets_it_at_once_and_the_first_mismatch_stays() {
    let (server, expectations) = script().serve();
    let push = r#"["1","2","room:a","typing",{}]"#;
    let join = r#"["3","3","room:b","phx_join",{}]"#;
    let answers = play(server, &[JOIN, push, join]);
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0], JOINED);
    let first = expectations.mismatch().unwrap();
    assert_eq!(first.at().unwrap().since_epoch().as_secs(), 2);
    for answer in &answers[1..] {
        let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
        assert_eq!(answer[4]["status"], "error");
        assert_eq!(answer[4]["response"]["reason"], first.to_string());
    }
    assert_eq!(expectations.finish(), Err(first));
}
