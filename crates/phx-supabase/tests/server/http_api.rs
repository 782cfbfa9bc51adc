//! The HTTP API for broadcasts.

use phx_client::Frame;
use phx_supabase::testing::{Permissions, Token};
use phx_testing::{Action, HttpAnswer, HttpRequest};
use serde_json::json;

use crate::{TOPIC, Wire, server};

/// A request of the HTTP API, and its answer.
fn ask(wire: &mut Wire, request: HttpRequest) -> HttpAnswer {
    wire.server.handle_request(wire.now, request);
    match wire.server.poll_action() {
        Some(Action::Answer { answer, .. }) => answer,
        other => panic!("{other:?}"),
    }
}

fn post(path: &str) -> HttpRequest {
    let path = format!("/realtime/v1/api/broadcast{path}");
    HttpRequest::new("POST", &path).with_header("apikey", "key")
}

#[test]
fn a_batch_of_the_http_api_comes_as_text_frames() {
    let read_only = |_: &_| Permissions { read: true, write: false };
    let mut wire = Wire::new(server().permissions(read_only));
    wire.joined(&json!({}));
    let message = |private: bool, n: u32| json!({ "topic": "room", "event": "e", "payload": { "n": n }, "private": private });
    let mut last = message(false, 3);
    last["id"] = json!("x");
    let batch = json!({ "messages": [message(false, 1), message(true, 2), last] });
    let answer = ask(&mut wire, post("").with_body(batch.to_string()));
    assert_eq!((answer.status(), answer.body().len()), (202, 0));
    let payload = |n: u32| json!({ "type": "broadcast", "event": "e", "payload": { "n": n } });
    let mut with_id = payload(3);
    with_id["meta"] = json!({ "id": "x" });
    let text = |payload| json!([null, null, TOPIC, "broadcast", payload]);
    assert_eq!(wire.texts(), [text(payload(1)), text(with_id)], "no right to write the second");
    for garbage in ["", "{}", r#"{"messages":[{"topic":"room","event":"e","payload":1}]}"#] {
        assert_eq!(ask(&mut wire, post("").with_body(garbage)).status(), 422, "{garbage}");
    }
}

#[test]
fn a_single_broadcast_of_the_http_api_comes_as_a_frame_of_kind_4() {
    let mut wire = Wire::new(server());
    let socket = wire.open("2.0.0");
    let topic = "realtime:a room/ü";
    for private in [true, false] {
        // The public channel of the name, on a second connection, gets nothing.
        let socket = if private { socket } else { wire.open("2.0.0") };
        let params = json!({ "config": { "private": private } });
        let join = json!(["1", "1", topic, "phx_join", params]).to_string();
        wire.server.handle_frame(wire.now, socket, Frame::text(join));
        wire.frames();
    }
    for (kind, body, is_json) in
        [("application/json; charset=utf-8", "{}", 1), ("application/octet-stream", "\u{1}", 0)]
    {
        let request = post("/a%20room%2F%C3%BC/events/%E2%9C%93?private=true");
        let request = request.with_header("content-type", kind).with_body(body);
        assert_eq!(ask(&mut wire, request).status(), 202);
        let mut expected = vec![4, 18, 3, 0, is_json];
        expected.extend_from_slice(format!("{topic}✓{body}").as_bytes());
        assert_eq!(wire.frames(), [Frame::binary(expected)]);
    }
    let request = |kind: &str| post("/room/events/e").with_header("content-type", kind);
    assert_eq!(ask(&mut wire, request("text/plain")).status(), 415);
    assert_eq!(ask(&mut wire, request("application/json").with_body("{")).status(), 400);
    assert_eq!(ask(&mut wire, post("/room")).status(), 404);
}

#[test]
fn the_http_api_wants_a_key_or_a_token() {
    let tokens = |token: &str, _| match token {
        "good" => Token::VALID,
        _ => Token::Malformed,
    };
    let mut wire = Wire::new(server().tokens(tokens));
    let path = "/realtime/v1/api/broadcast/room/events/e";
    let request = || HttpRequest::new("POST", path).with_body("{}");
    for (header, value, status) in [
        ("x-other", "key", 401),
        ("apikey", "other", 401),
        ("apikey", "good", 401),
        ("authorization", "Bearer bad", 401),
        ("apikey", "key", 202),
        ("authorization", "Bearer good", 202),
    ] {
        let answer = ask(&mut wire, request().with_header(header, value));
        assert_eq!(answer.status(), status, "{header}: {value}");
    }
    let get = HttpRequest::new("GET", path).with_header("apikey", "key");
    assert_eq!(ask(&mut wire, get).status(), 404);
}
