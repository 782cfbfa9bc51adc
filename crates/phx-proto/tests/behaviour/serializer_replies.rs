//! A client extracts status and response from a `phx_reply`, in any notation of the object.

use phx_proto::{DecodeCause, Field, Frame, Payload, Serializer, Status, V1, V2, V2Server};

fn v2(payload: &str) -> Frame {
    Frame::text(format!(r#"["1","7","room:a","phx_reply",{payload}]"#))
}

fn v1(payload: &str) -> [Frame; 2] {
    [
        Frame::text(format!(
            r#"{{"event":"phx_reply","payload":{payload},"ref":"7","topic":"room:a"}}"#
        )),
        Frame::text(format!(
            r#"{{"payload":{payload},"topic":"room:a","ref":"7","event":"phx_reply"}}"#
        )),
    ]
}

#[test]
fn status_and_response_are_found() {
    let table = [
        (r#"{"response":{"id":3},"status":"ok"}"#, "ok", r#"{"id":3}"#),
        (r#"{"status":"ok","response":{"id":3}}"#, "ok", r#"{"id":3}"#),
        (r#"{ "status" : "error" , "response" : [ 1 ] }"#, "error", "[ 1 ]"),
        (r#"{"status":"weird","response":"text"}"#, "weird", r#""text""#),
        (r#"{"status":"","response":1.5e3}"#, "", "1.5e3"),
        (r#"{"status":"ok","response":null}"#, "ok", "null"),
        // phoenix.js passes `undefined` to its callbacks.
        (r#"{"status":"ok"}"#, "ok", "null"),
        // Unknown keys are skipped, and keys inside of values aren't keys.
        (
            r#"{"a":{"status":"no"},"status":"ok","response":{"response":1}}"#,
            "ok",
            r#"{"response":1}"#,
        ),
        // The last of equal keys counts, as in JSON.parse.
        (r#"{"status":1,"response":1,"response":2,"status":"ok"}"#, "ok", "2"),
        // Escapes in keys and in the status.
        (r#"{"\u0073tatus":"\u006fk","respons\u0065":{}}"#, "ok", "{}"),
        (r#"{"status":"so\"so","response":{}}"#, "so\"so", "{}"),
    ];
    for (payload, status, response) in table {
        let frames = v1(payload).map(|frame| V1.decode(frame));
        for message in frames.into_iter().chain([V2.decode(v2(payload))]) {
            let message = message.unwrap_or_else(|error| panic!("{payload}: {error}"));
            assert_eq!(message.status, Some(Status::from(status)), "{payload}");
            assert_eq!(message.payload.as_json(), Some(response), "{payload}");
        }
    }
}

#[test]
fn a_reply_without_a_status_is_no_message() {
    let table = [
        ("{}", Field::Status),
        (r#"{"response":{}}"#, Field::Status),
        (r#"{"status":null,"response":{}}"#, Field::Status),
        (r#"{"status":1}"#, Field::Status),
        (r#"{"status":"ok","status":{}}"#, Field::Status),
        (r#"{"status":"\ud800"}"#, Field::Status),
        ("null", Field::Payload),
        ("[]", Field::Payload),
        (r#""ok""#, Field::Payload),
    ];
    for (payload, field) in table {
        let frames = v1(payload).map(|frame| V1.decode(frame));
        for message in frames.into_iter().chain([V2.decode(v2(payload))]) {
            let error = message.expect_err(payload);
            assert_eq!(error.reason, DecodeCause::Field(field), "{payload}");
        }
    }
}

#[test]
fn broken_objects_are_malformed() {
    for payload in [
        "{",
        "{]",
        r#"{"status"}"#,
        r#"{"status":}"#,
        r#"{"status":"ok",}"#,
        r#"{"status":"ok" "a":1}"#,
        r#"{status:"ok"}"#,
        r#"{"status":"ok"}}"#,
        r#"{"response":{,"status":"ok"}"#,
    ] {
        let error = V2.decode(v2(payload)).expect_err(payload);
        assert!(matches!(error.reason, DecodeCause::Json { .. }), "{payload}: {error:?}");
        assert_eq!(error.frame, v2(payload));
    }
}

#[test]
fn a_server_takes_a_reply_for_any_event() {
    let payload = r#"{"status":"ok","response":{}}"#;
    let message = V2Server.decode(v2(payload)).unwrap();
    assert_eq!(message.status, None);
    assert_eq!(message.payload, Payload::from_json_text(payload).unwrap());
    assert!(V2Server.decode(v2("null")).is_ok());
}
