//! Requests of an application's HTTP API, beside its sockets.

use phx_proto::Message;
use phx_testing::{Action, Handlers, HttpAnswer, HttpRequest, Payload, Server};

use crate::wire::Wire;

fn server() -> Server {
    Server::builder()
        .channel("room:*", Handlers::new)
        .http_api("/api", |_, request| {
            let topic = request.header("x-topic").unwrap_or_default().to_owned();
            let payload = Payload::from_json_text(request.body().clone()).unwrap();
            let answer = HttpAnswer::new(202, request.params().len().to_string())
                .with_header("X-Path", request.path());
            (answer, vec![Message::new(topic, "posted", payload)])
        })
        .build()
}

fn answer(wire: &mut Wire, request: HttpRequest) -> HttpAnswer {
    let exchange = wire.server.handle_request(wire.now, request);
    match wire.server.poll_action() {
        Some(Action::Answer { exchange: answered, answer, .. }) if answered == exchange => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_answered_and_its_messages_are_broadcast() {
    let mut wire = Wire::new(server());
    wire.join();
    let request = HttpRequest::new("POST", "/api/posts?a=1&b=2")
        .with_header("X-Topic", "room:a")
        .with_body(r#"{"n":1}"#);
    wire.server.handle_request(wire.now, request);
    let mut actions = std::iter::from_fn(|| wire.server.poll_action());
    let Some(Action::Answer { answer, .. }) = actions.next() else { panic!("no answer") };
    assert_eq!((answer.status(), &answer.body()[..]), (202, b"2".as_slice()));
    assert_eq!(answer.headers(), [("x-path".to_owned(), "/api/posts".to_owned())]);
    let Some(Action::Send { frame, .. }) = actions.next() else { panic!("no broadcast") };
    assert_eq!(frame.as_bytes(), r#"[null,null,"room:a","posted",{"n":1}]"#);
}

#[test]
fn other_paths_and_a_closed_server_answer_as_before() {
    let mut wire = Wire::new(server());
    for path in ["/apis", "/ap", "/", "/socket/api"] {
        assert_eq!(answer(&mut wire, HttpRequest::new("POST", path)).status(), 404, "{path}");
    }
    wire.server.shutdown(wire.now);
    assert_eq!(answer(&mut wire, HttpRequest::new("POST", "/api")).status(), 503);
}
