//! Where the server reads the token, and how few stray sessions it costs to find out.

use phx_proto::longpoll::{ExchangeKind, SessionConfig, SessionEvent, TokenPlace, Unanswered};
use phx_proto::{CloseCause, Endpoint};

use super::drive::{
    CREATED, Drive, GONE, HELLO, LATE, NO_CONTENT, READ, UNKNOWN, push, token_place,
};

#[test]
fn header_first_which_1_8_10_reads() {
    for body in [HELLO, NO_CONTENT] {
        let (mut drive, poll) = Drive::opened();
        assert_eq!(token_place(&poll), TokenPlace::Header);
        assert_eq!(drive.session.token_place(), TokenPlace::Unknown);
        drive.after(10.0);
        drive.answer(&poll, body);
        assert_eq!(drive.session.token_place(), TokenPlace::Header);
        assert_eq!(drive.strays(TokenPlace::Header), 0);
    }
    // A POST that was read says so too.
    for body in [READ, LATE] {
        let (mut drive, _) = Drive::opened();
        let post = drive.post(push(1));
        assert_eq!(token_place(&post), TokenPlace::Header);
        drive.answer(&post, body);
        assert_eq!(drive.session.token_place(), TokenPlace::Header);
    }
}

#[test]
fn one_7_reads_the_parameter_token() {
    let (mut drive, poll) = Drive::opened();
    drive.answer(&poll, UNKNOWN);
    // The same token, and no header beside it: a wrong header would win.
    let poll = drive.one(ExchangeKind::Poll);
    assert_eq!(token_place(&poll), TokenPlace::Query);
    assert_eq!(poll.headers().count(), 0);
    drive.after(10.0);
    drive.answer(&poll, NO_CONTENT);
    assert_eq!(drive.session.token_place(), TokenPlace::Query);
    for exchange in [drive.one(ExchangeKind::Poll), drive.post(push(1))] {
        assert_eq!(token_place(&exchange), TokenPlace::Query);
    }
    assert_eq!(drive.strays(TokenPlace::Query), 1);

    // It is remembered by the caller: no session is made in vain again.
    let (drive, poll) = Drive::opened_with(drive.session.token_place());
    assert_eq!(token_place(&poll), TokenPlace::Query);
    assert_eq!(
        (drive.session.token_place(), drive.strays(TokenPlace::Query)),
        (TokenPlace::Query, 0)
    );
}

#[test]
fn a_post_that_1_7_did_not_read_goes_where_the_poll_asks_next() {
    // Whatever comes first: the answer to the poll or that to the POST.
    for poll_first in [true, false] {
        let (mut drive, poll) = Drive::opened();
        let post = drive.post(push(1));
        assert_eq!(token_place(&post), TokenPlace::Header);
        // At once: on 1.7 the poll waits for what the POST brings about.
        let again = if poll_first {
            drive.answer(&poll, UNKNOWN);
            assert_eq!(token_place(&drive.one(ExchangeKind::Poll)), TokenPlace::Query);
            drive.answer(&post, r#"{"status":410}"#);
            drive.one(ExchangeKind::Post)
        } else {
            drive.answer(&post, r#"{"status":410}"#);
            drive.none();
            assert_eq!(drive.session.room(), None, "the POST waits for the poll's answer");
            drive.answer(&poll, UNKNOWN);
            let [poll, post] = drive.exchanges().try_into().unwrap();
            assert_eq!((poll.kind(), token_place(&poll)), (ExchangeKind::Poll, TokenPlace::Query));
            post
        };
        assert_eq!((again.kind(), token_place(&again)), (ExchangeKind::Post, TokenPlace::Query));
        assert_eq!(again.body(), post.body());
        drive.answer(&again, READ);
        assert_eq!(drive.session.token_place(), TokenPlace::Query);
        assert_eq!((drive.events(), drive.strays(TokenPlace::Query)), (vec![], 1));
    }
}

#[test]
fn at_most_two_stray_sessions() {
    // The session is gone.
    let (mut drive, poll) = Drive::opened();
    drive.answer(&poll, UNKNOWN);
    let poll = drive.one(ExchangeKind::Poll);
    drive.answer(&poll, UNKNOWN);
    drive.ended(&GONE);
    assert_eq!(drive.session.token_place(), TokenPlace::Unknown);
    assert_eq!(drive.strays(TokenPlace::Unknown), 2);
}

#[test]
fn a_session_busy_from_the_start_costs_two_stray_sessions_and_lives() {
    let (mut drive, poll) = Drive::opened();
    let post = drive.post(push(1));
    drive.after(2.0);
    drive.answer(&poll, UNKNOWN);
    let poll = drive.one(ExchangeKind::Poll);
    drive.after(2.0);
    drive.answer(&poll, UNKNOWN);
    // The POST is what it is busy with: its answer comes first.
    drive.none();
    drive.after(5.0);
    drive.none();
    drive.answer(&post, READ);
    let poll = drive.one(ExchangeKind::Poll);
    assert_eq!(token_place(&poll), TokenPlace::Header, "which that server reads");
    drive.answer(&poll, HELLO);
    assert_eq!((drive.events().len(), drive.session.token_place()), (1, TokenPlace::Header));
    assert_eq!(drive.strays(TokenPlace::Header) + 1, 2, "one by each poll that came too early");
}

#[test]
fn a_session_gone_from_the_start_ends_once_its_post_was_not_read() {
    let (mut drive, poll) = Drive::opened();
    let post = drive.post(push(1));
    drive.answer(&poll, UNKNOWN);
    let poll = drive.one(ExchangeKind::Poll);
    drive.answer(&poll, UNKNOWN);
    drive.none();
    drive.answer(&post, r#"{"status":410}"#);
    drive.ended(&GONE);
}

#[test]
fn a_header_that_was_remembered_is_asked_for_again() {
    // A node with another version, after the sockets's first session.
    let (mut drive, poll) = Drive::opened_with(TokenPlace::Header);
    assert_eq!(token_place(&poll), TokenPlace::Header);
    drive.answer(&poll, UNKNOWN);
    let poll = drive.one(ExchangeKind::Poll);
    assert_eq!(token_place(&poll), TokenPlace::Query);
    drive.answer(&poll, HELLO);
    assert_eq!(drive.session.token_place(), TokenPlace::Query);
}

#[test]
fn application_params_named_token_come_first_since_the_last_one_counts() {
    let endpoint = Endpoint::default().with_param("token", "of the app");
    for (place, target) in [
        (TokenPlace::Header, "/socket/longpoll?token=of%20the%20app&vsn=2.0.0"),
        (TokenPlace::Query, "/socket/longpoll?token=of%20the%20app&vsn=2.0.0&token=T1"),
    ] {
        let mut drive = Drive::with(&endpoint, SessionConfig::default(), place);
        let create = drive.one(ExchangeKind::Create);
        assert_eq!(create.target(), "/socket/longpoll?token=of%20the%20app&vsn=2.0.0");
        drive.answer(&create, CREATED);
        assert_eq!(drive.one(ExchangeKind::Poll).target(), target);
    }
}

#[test]
fn a_token_with_signs_of_a_query_is_encoded() {
    let mut drive = Drive::with(&Endpoint::default(), SessionConfig::default(), TokenPlace::Query);
    let create = drive.one(ExchangeKind::Create);
    drive.answer(&create, r#"{"status":410,"token":"a&b=c+d%20#-_.~"}"#);
    let target = "/socket/longpoll?vsn=2.0.0&token=a%26b%3Dc%2Bd%2520%23-_.~";
    assert_eq!(drive.one(ExchangeKind::Poll).target(), target);
}

#[test]
fn no_secret_is_in_any_debug_output() {
    let endpoint = Endpoint::default()
        .with_auth_token("hush-auth")
        .with_param("hush-param", "hush-value")
        .with_header("X-Key", "hush-key")
        .unwrap();
    for place in [TokenPlace::Header, TokenPlace::Query] {
        let mut drive = Drive::with(&endpoint, SessionConfig::default(), place);
        let create = drive.one(ExchangeKind::Create);
        let answer =
            phx_proto::longpoll::Answer::new(200, r#"{"status":410,"token":"hush-token"}"#);
        let mut shown = format!("{create:?} {answer:?} {:?}", drive.session);
        drive.session.handle_answer(drive.now, create.id(), answer);
        let poll = drive.one(ExchangeKind::Poll);
        let post = drive.post(phx_proto::Frame::text(r#"["hush-frame"]"#));
        shown += &format!("{poll:?} {post:?} {:?}", drive.session);
        drive.answer(&poll, r#"{"status":200,"messages":["hush-message"]}"#);
        let events = drive.events();
        shown += &format!("{events:?} {:?}", drive.session);
        drive.answer(&post, r#"{"status":"hush-status","token":"hush-token"}"#);
        let events = drive.events();
        shown += &format!("{events:?} {:?}", drive.session);
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.contains("X-Key"), "{shown}");
    }
}

#[test]
fn failures_of_the_first_poll_leave_the_place_open() {
    let (mut drive, poll) = Drive::opened();
    drive.fail(&poll, Unanswered::NotRead(CloseCause::io("")));
    let poll = drive.one(ExchangeKind::Poll);
    assert_eq!(token_place(&poll), TokenPlace::Header);
    drive.answer_http(&poll, 500, "");
    assert_eq!(drive.events(), [SessionEvent::Gap]);
    drive.until_timeout();
    let poll = drive.one(ExchangeKind::Poll);
    assert_eq!(
        (token_place(&poll), drive.session.token_place()),
        (TokenPlace::Header, TokenPlace::Unknown)
    );
    drive.answer(&poll, UNKNOWN);
    assert_eq!(token_place(&drive.one(ExchangeKind::Poll)), TokenPlace::Query);
}
