//! One POST at a time, none twice that may have been read.

use phx_proto::longpoll::{Answer, ExchangeKind, SessionEvent, TokenPlace, Unanswered};
use phx_proto::{AnswerCause, CloseCause, Frame, LongPollCause};

use super::drive::{
    Drive, GONE, HELLO, LATE, NO_CONTENT, READ, UNKNOWN, push, seconds, token_place,
};

#[test]
fn one_post_in_flight_at_a_time_keeps_the_order() {
    let (mut drive, _) = Drive::confirmed();
    drive.send(push(1));
    drive.send(push(2));
    let post = drive.one(ExchangeKind::Post);
    assert_eq!(drive.session.room(), None);
    assert_eq!(drive.session.send(push(3)), Err(push(3)));
    drive.none();
    drive.answer(&post, READ);
    assert!(drive.session.room().is_some());
    let post = drive.post(push(3));
    assert_eq!(&post.body()[..], br#"["1","3","room:a","echo",{}]"#);
}

#[test]
fn four_hundred_and_eight_is_dead_or_late() {
    // Late: the next poll brings what the slow join brought about.
    let (mut drive, poll) = Drive::confirmed();
    let post = drive.post(push(1));
    drive.after(9.0);
    drive.answer(&poll, NO_CONTENT);
    let poll = drive.one(ExchangeKind::Poll);
    drive.after(1.0);
    drive.answer(&post, LATE);
    assert_eq!(drive.session.room(), None, "what isn't sent yet stays with the socket");
    // This poll was there before: its 204 says nothing of the session.
    drive.after(9.0);
    drive.answer(&poll, NO_CONTENT);
    assert_eq!(drive.session.room(), None);
    let poll = drive.one(ExchangeKind::Poll);
    drive.after(10.0);
    drive.answer(&poll, NO_CONTENT);
    assert!(drive.session.room().is_some(), "it lives");

    // Late, and messages come to a poll that was there before.
    let poll = drive.one(ExchangeKind::Poll);
    let post = drive.post(push(2));
    drive.answer(&post, LATE);
    drive.answer(&poll, HELLO);
    assert!(drive.session.room().is_some(), "a session with messages lives");
    assert_eq!(drive.events().len(), 1);

    // Dead: the session ends only when a poll says so.
    let poll = drive.one(ExchangeKind::Poll);
    let post = drive.post(push(3));
    drive.after(10.0);
    drive.answer(&post, LATE);
    assert_eq!(drive.events(), []);
    drive.after(6.0);
    drive.answer(&poll, UNKNOWN);
    drive.ended(&GONE);
}

#[test]
fn a_post_that_a_busy_session_did_not_take_is_sent_again() {
    let (mut drive, poll) = Drive::confirmed();
    let post = drive.post(push(1));
    drive.after(2.0);
    drive.answer(&post, r#"{"status":410}"#);
    assert_eq!(drive.session.room(), None);
    drive.none();
    assert_eq!(drive.until_timeout(), seconds(1.0));
    let again = drive.one(ExchangeKind::Post);
    assert_eq!((again.body(), token_place(&again)), (post.body(), TokenPlace::Header));
    drive.answer(&again, r#"{"status":410}"#);
    // At once when a poll has found the session.
    drive.answer(&poll, HELLO);
    let kinds: Vec<_> = drive.exchanges().iter().map(|exchange| exchange.kind()).collect();
    assert_eq!(kinds, [ExchangeKind::Poll, ExchangeKind::Post]);
}

#[test]
fn a_post_that_is_never_read_ends_the_session() {
    // A load balancer that sends POSTs to a server without the session.
    let (mut drive, _) = Drive::confirmed();
    let mut post = drive.post(push(1));
    for _ in 0..5 {
        drive.answer(&post, r#"{"status":410}"#);
        drive.until_timeout();
        post = drive.one(ExchangeKind::Post);
    }
    drive.answer(&post, r#"{"status":410}"#);
    drive.ended(&GONE);
}

#[test]
fn a_post_that_may_have_been_read_ends_the_session_and_is_not_sent_again() {
    let cause = CloseCause::io("reset");
    let (mut drive, _) = Drive::confirmed();
    let post = drive.post(push(1));
    drive.fail(&post, Unanswered::Unknown(cause.clone()));
    drive.ended(&cause);

    let status = |status| CloseCause::LongPoll(LongPollCause::status(ExchangeKind::Post, status));
    for http in [301, 400, 403, 404, 413, 500, 502, 503] {
        let (mut drive, _) = Drive::confirmed();
        let post = drive.post(push(1));
        drive.answer_http(&post, http, "{}");
        drive.ended(&status(http));
    }
    for (body, cause) in [
        (r#"{"status":403}"#, status(403)),
        ("ok", invalid(AnswerCause::NotJson)),
        ("{}", invalid(AnswerCause::NoStatus)),
        (r#"{"status":true}"#, invalid(AnswerCause::Status)),
    ] {
        let (mut drive, _) = Drive::confirmed();
        let post = drive.post(push(1));
        drive.answer(&post, body);
        drive.ended(&cause);
    }
}

fn invalid(cause: AnswerCause) -> CloseCause {
    CloseCause::LongPoll(LongPollCause::invalid_answer(ExchangeKind::Post, cause))
}

#[test]
fn a_post_that_was_not_read_is_sent_again_so_often() {
    let cause = CloseCause::io("closed while idle");
    let (mut drive, _) = Drive::confirmed();
    let post = drive.post(push(1));
    let mut again = post.clone();
    // Once at once: a connection that the server has closed is found out this way.
    for pause in [0.0, 0.1, 0.2, 0.4, 0.8] {
        drive.fail(&again, Unanswered::NotRead(cause.clone()));
        if pause > 0.0 {
            assert!(drive.session.poll_exchange(drive.now).is_none(), "never without a pause");
            assert_eq!(drive.until_timeout(), seconds(pause));
        }
        again = drive.one(ExchangeKind::Post);
        assert_eq!((again.body(), again.target()), (post.body(), post.target()));
        assert_ne!(again.id(), post.id());
    }
    drive.fail(&again, Unanswered::NotRead(cause.clone()));
    drive.ended(&cause);
}

#[test]
fn a_post_has_a_deadline_while_polls_go_on() {
    let (mut drive, mut poll) = Drive::confirmed();
    drive.post(push(1));
    drive.after(9.9);
    drive.answer(&poll, NO_CONTENT);
    poll = drive.one(ExchangeKind::Poll);
    drive.after(9.9);
    drive.answer(&poll, NO_CONTENT);
    drive.one(ExchangeKind::Poll);
    drive.after(0.3);
    drive.ended(&CloseCause::LongPoll(LongPollCause::timed_out(ExchangeKind::Post)));
}

/// A body that moves on has more time, but not without end.
#[test]
fn an_exchange_that_goes_on_has_more_time() {
    let (mut drive, poll) = Drive::confirmed();
    let post = drive.post(push(1));
    for _ in 0..6 {
        drive.after(19.0);
        assert_eq!(drive.events(), []);
        drive.session.handle_progress(drive.now, post.id());
        drive.session.handle_progress(drive.now, poll.id());
    }
    assert_eq!(drive.session.poll_timeout(), Some(drive.now + seconds(6.0)));
    drive.answer(&poll, NO_CONTENT);
    drive.one(ExchangeKind::Poll);
    // The end of another exchange says nothing of this one.
    drive.session.handle_progress(drive.now, poll.id());
    drive.after(6.0);
    drive.ended(&CloseCause::LongPoll(LongPollCause::timed_out(ExchangeKind::Post)));
}

#[test]
fn posts_are_no_polls() {
    // The server ends a session without polls: one is under way whatever is posted, and a POST that waits for its answer
    // doesn't hold the next one up.
    let (mut drive, mut poll) = Drive::confirmed();
    for number in 0..600 {
        let post = drive.post(push(number));
        drive.after(0.05);
        if number % 200 == 199 {
            drive.answer(&poll, NO_CONTENT);
            poll = drive.one(ExchangeKind::Poll);
        }
        drive.answer(&post, READ);
        drive.none();
    }
    assert_eq!(drive.events(), []);
}

#[test]
fn an_empty_frame_ends_the_session_instead_of_killing_it_on_the_server() {
    for frame in [Frame::text(""), Frame::binary("")] {
        let (mut drive, _) = Drive::confirmed();
        drive.send(frame);
        drive.ended(&CloseCause::LongPoll(LongPollCause::EmptyFrame));
    }
}

#[test]
fn answers_and_failures_after_the_end_change_nothing() {
    let (mut drive, poll) = Drive::confirmed();
    let post = drive.post(push(1));
    drive.fail(&post, Unanswered::Unknown(CloseCause::io("")));
    drive.answer(&poll, HELLO);
    drive.answer(&post, READ);
    drive.fail(&poll, Unanswered::Unknown(CloseCause::io("")));
    drive.session.handle_answer(drive.now, post.id(), Answer::new(500, ""));
    drive.after(100.0);
    assert_eq!(drive.events(), [SessionEvent::Closed(CloseCause::io(""))]);
    drive.none();
}
