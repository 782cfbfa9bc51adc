//! How a session comes to be, and what is no session.

use std::time::Duration;

use phx_proto::longpoll::{
    Answer, ExchangeKind, SessionConfig, SessionEvent, TokenPlace, Unanswered,
};
use phx_proto::{
    AnswerCause, CloseCause, Endpoint, LongPollCause, Reconnect, ReconnectPolicy, ResponseHeaders,
    UpgradeRejection,
};

use super::drive::{CREATED, Drive, header, token_place};

fn created_with(body: &str) -> CloseCause {
    let mut drive = Drive::new();
    let create = drive.one(ExchangeKind::Create);
    drive.answer(&create, body);
    let events = drive.events();
    let [SessionEvent::Closed(cause)] = &events[..] else { panic!("{body}: {events:?}") };
    drive.none();
    cause.clone()
}

fn invalid(cause: AnswerCause) -> CloseCause {
    CloseCause::LongPoll(LongPollCause::invalid_answer(ExchangeKind::Create, cause))
}

#[test]
fn get_without_a_token_410_with_a_token_is_a_session() {
    let mut drive = Drive::new();
    assert_eq!(drive.session.room(), None);
    let create = drive.one(ExchangeKind::Create);
    assert_eq!((create.method(), create.target()), ("GET", "/socket/longpoll?vsn=2.0.0"));
    assert_eq!((create.headers().count(), create.body().len()), (0, 0));
    assert_eq!(drive.session.poll_timeout(), None);
    drive.none();

    drive.answer(&create, CREATED);
    assert_eq!(drive.events(), [SessionEvent::Opened]);
    let poll = drive.one(ExchangeKind::Poll);
    assert_eq!((poll.method(), poll.target()), ("GET", "/socket/longpoll?vsn=2.0.0"));
    assert_eq!(poll.headers().collect::<Vec<_>>(), [("x-phoenix-longpoll-token", "T1")]);
    assert!(drive.session.room().is_some());
}

#[test]
fn the_path_is_phoenix_js_s() {
    for (endpoint, target) in [
        (Endpoint::parse("wss://h/socket/?a=b%20c").unwrap(), "/socket/longpoll?a=b%20c&vsn=2.0.0"),
        (Endpoint::parse("http://h").unwrap(), "/longpoll?vsn=2.0.0"),
        (Endpoint::parse("ws://h/websocket/websocket").unwrap(), "/websocket/longpoll?vsn=2.0.0"),
        (Endpoint::default().with_exact_path("/my/lp").unwrap(), "/my/lp?vsn=2.0.0"),
    ] {
        let mut drive = Drive::with(&endpoint, SessionConfig::default(), TokenPlace::Unknown);
        assert_eq!(drive.one(ExchangeKind::Create).target(), target);
    }
}

#[test]
fn a_refusal_is_that_of_a_websocket() {
    let mut drive = Drive::new();
    let create = drive.one(ExchangeKind::Create);
    let (headers, after) = (ResponseHeaders::new([("x-id", "7")]), Some(Duration::from_secs(3)));
    let answer = Answer::new(429, "slow down");
    let answer = answer.with_headers(headers.clone()).with_retry_after(after);
    drive.session.handle_answer(drive.now, create.id(), answer);
    let rejection = UpgradeRejection::new(429).with_retry_after(after).with_headers(headers);
    drive.ended(&CloseCause::UpgradeRejected(rejection.with_body("slow down")));

    // Phoenix has the status in the body.
    let body = r#"{"status":403}"#;
    let refused = CloseCause::UpgradeRejected(UpgradeRejection::new(403).with_body(body));
    assert_eq!(created_with(body), refused);
    assert_eq!(ReconnectPolicy::default().decide(&refused, false), Reconnect::Stop);

    for status in [301, 400, 404, 410, 500, 503] {
        let mut drive = Drive::new();
        let create = drive.one(ExchangeKind::Create);
        drive.answer_http(&create, status, "");
        drive.ended(&CloseCause::UpgradeRejected(UpgradeRejection::new(status)));
    }
}

#[test]
fn of_a_refusal_so_much_is_kept() {
    let mut config = SessionConfig::default();
    config.max_refusal_body = 3;
    let mut drive = Drive::with(&Endpoint::default(), config, TokenPlace::Unknown);
    let create = drive.one(ExchangeKind::Create);
    drive.answer_http(&create, 503, "abcdef");
    drive.ended(&CloseCause::UpgradeRejected(UpgradeRejection::new(503).with_body("abc")));
}

#[test]
fn what_is_no_answer_of_phoenix_says_so() {
    for (body, cause) in [
        ("", AnswerCause::NotJson),
        ("<html>Log in to this network</html>", AnswerCause::NotJson),
        (r#"{"messages":[],"status":410,"token":"T"#, AnswerCause::NotJson),
        (r#"{"messages":[],"status":410,"token":"T1"} and more"#, AnswerCause::NotJson),
        (r#"{"status":410,"token":"T1","x":[}"#, AnswerCause::NotJson),
        ("[410]", AnswerCause::NotAnObject),
        ("null", AnswerCause::NotAnObject),
        ("[", AnswerCause::NotJson),
        ("{}", AnswerCause::NoStatus),
        (r#"{"token":"T1"}"#, AnswerCause::NoStatus),
        (r#"{"status":"410","token":"T1"}"#, AnswerCause::Status),
        (r#"{"status":null,"token":"T1"}"#, AnswerCause::Status),
        (r#"{"status":4.1e2,"token":"T1"}"#, AnswerCause::Status),
        (r#"{"status":99999999999,"token":"T1"}"#, AnswerCause::Status),
        (r#"{"status":-410,"token":"T1"}"#, AnswerCause::Status),
        (r#"{"status":99,"token":"T1"}"#, AnswerCause::Status),
        (r#"{"status":410}"#, AnswerCause::NoToken),
        (r#"{"status":410,"token":7}"#, AnswerCause::Token),
        (r#"{"status":410,"token":null}"#, AnswerCause::Token),
        (r#"{"status":410,"token":""}"#, AnswerCause::Token),
        (r#"{"status":410,"token":"a\r\nx-admin: 1"}"#, AnswerCause::Token),
        (r#"{"status":410,"token":"é"}"#, AnswerCause::Token),
        (r#"{"status":410,"token":" a"}"#, AnswerCause::Token),
    ] {
        assert_eq!(created_with(body), invalid(cause), "{body}");
    }
    let long = format!(r#"{{"status":410,"token":"{}"}}"#, "x".repeat(4_097));
    assert_eq!(created_with(&long), invalid(AnswerCause::Token));
    // Another server that answers with JSON.
    let ok = CloseCause::LongPoll(LongPollCause::status(ExchangeKind::Create, 200));
    assert_eq!(created_with(r#"{"status":200,"token":"T1","messages":[]}"#), ok);
}

#[test]
fn a_token_with_escapes_is_read() {
    let mut drive = Drive::new();
    let create = drive.one(ExchangeKind::Create);
    drive.answer(&create, r#"{"status":410,"token":"\u00541","new":{"key":[1]}} "#);
    assert_eq!(token_place(&drive.one(ExchangeKind::Poll)), TokenPlace::Header);
}

#[test]
fn the_auth_token_is_sent_at_creation_as_it_is() {
    let endpoint = Endpoint::default().with_auth_token("a/+=").with_header("X-Key", "k").unwrap();
    let mut drive = Drive::with(&endpoint, SessionConfig::default(), TokenPlace::Unknown);
    let create = drive.one(ExchangeKind::Create);
    let headers: Vec<_> = create.headers().collect();
    assert_eq!(headers, [("X-Key", "k"), ("x-phoenix-authtoken", "a/+=")]);
    drive.answer(&create, CREATED);
    let poll = drive.one(ExchangeKind::Poll);
    let post = drive.post(super::drive::push(1));
    for exchange in [poll, post] {
        assert_eq!(header(&exchange, "x-phoenix-authtoken"), None);
        assert_eq!(header(&exchange, "X-Key"), Some("k"), "on each request");
    }
}

#[test]
fn an_auth_token_that_is_no_header_is_an_unusable_request() {
    for token in ["a\r\nb", "é", " a"] {
        let endpoint = Endpoint::default().with_auth_token(token);
        let mut drive = Drive::with(&endpoint, SessionConfig::default(), TokenPlace::Unknown);
        drive.ended(&CloseCause::invalid_request("the auth token doesn't fit into a header"));
    }
}

#[test]
fn headers_of_the_user_never_stand_beside_those_of_the_session() {
    let endpoint = Endpoint::default().with_auth_token("right");
    let endpoint = ["X-Phoenix-LongPoll-Token", "Content-Type", "X-Phoenix-AuthToken", "X-Other"]
        .iter()
        .fold(endpoint, |endpoint, name| endpoint.with_header(name, "wrong").unwrap());
    let mut drive = Drive::with(&endpoint, SessionConfig::default(), TokenPlace::Unknown);
    let create = drive.one(ExchangeKind::Create);
    let headers: Vec<_> = create.headers().collect();
    assert_eq!(headers, [("X-Other", "wrong"), ("x-phoenix-authtoken", "right")]);
}

#[test]
fn a_request_that_was_not_read_is_made_again_so_often() {
    let mut drive = Drive::new();
    let cause = CloseCause::io("reset");
    for _ in 0..4 {
        let create = drive.one(ExchangeKind::Create);
        drive.fail(&create, Unanswered::NotRead(cause.clone()));
    }
    drive.ended(&cause);

    let mut drive = Drive::new();
    let create = drive.one(ExchangeKind::Create);
    drive.fail(&create, Unanswered::Unknown(cause.clone()));
    drive.ended(&cause);
}
