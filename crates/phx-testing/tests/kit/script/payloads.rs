//! Payloads that are expected: any, equal, binary, or passing a test.

use phx_proto::Frame;
use phx_testing::{Expected, MismatchError, Script};
use serde_json::{Value, json};

use crate::wire::Wire;

/// Returns the outcome of a push with this frame, where such a push is expected.
fn outcome(expect: fn(Expected) -> Expected, frame: Frame) -> Result<(), MismatchError> {
    let joined = Script::new().expect_join("*").reply_ok(&json!({}));
    let (server, expectations) = expect(joined.expect_push("*", "go")).no_reply().serve();
    let mut wire = Wire::new(server);
    let ann = wire.join();
    wire.server.handle_frame(wire.now, ann, frame);
    expectations.finish()
}

fn json_push(payload: &str) -> Frame {
    Frame::text(format!(r#"["1","2","room:a","go",{payload}]"#))
}

fn binary_push(payload: &[u8]) -> Frame {
    let mut frame = b"\0\x01\x01\x06\x021".to_vec();
    frame.extend_from_slice(b"2room:ago");
    frame.extend_from_slice(payload);
    Frame::binary(frame)
}

#[test]
fn any() {
    assert_eq!(outcome(|push| push, json_push("[1]")), Ok(()));
    assert_eq!(outcome(|push| push, binary_push(b"\xff")), Ok(()));
}

#[test]
fn equal_up_to_the_order_of_keys() {
    let expect: fn(Expected) -> Expected = |push| push.with_payload(&json!({ "a": 1, "b": 2 }));
    assert_eq!(outcome(expect, json_push(r#"{"b": 2, "a": 1}"#)), Ok(()));
    assert!(outcome(expect, json_push(r#"{"a":1}"#)).is_err());
}

#[test]
fn binary() {
    let expect: fn(Expected) -> Expected = |push| push.with_binary(b"\x01\xff");
    assert_eq!(outcome(expect, binary_push(b"\x01\xff")), Ok(()));
    let mismatch = outcome(expect, binary_push(b"\x02")).unwrap_err();
    let expected = [r#"payload: expected binary b"\x01\xff", got binary b"\x02""#];
    assert_eq!(mismatch.differences(), expected);
    assert!(outcome(expect, json_push("{}")).is_err());
}

#[test]
fn passing_a_test() {
    let expect: fn(Expected) -> Expected = |push| {
        push.with_payload_that("has a body", |payload| {
            payload.decode::<Value>().is_ok_and(|payload| payload["body"].is_string())
        })
    };
    assert_eq!(outcome(expect, json_push(r#"{"body":"hi"}"#)), Ok(()));
    let mismatch = outcome(expect, json_push("{}")).unwrap_err();
    assert_eq!(mismatch.expected(), Some(r#"push "go" on "*" with a payload that has a body"#));
    assert_eq!(mismatch.differences(), ["payload: it isn't one that has a body"]);
}
