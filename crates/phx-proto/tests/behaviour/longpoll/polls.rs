//! One poll at a time, and what its answers mean.

use std::time::Duration;

use phx_proto::longpoll::{
    Exchange, ExchangeKind, SessionConfig, SessionEvent, TokenPlace, Unanswered,
};
use phx_proto::{AnswerCause, CloseCause, Endpoint, Frame, LongPollCause};

use super::drive::{
    Drive, GONE, HELLO, HELLO_FRAME, LATE, NO_CONTENT, READ, UNKNOWN, push, seconds,
};

#[test]
fn two_hundred_brings_messages_and_the_next_poll_is_made_at_once() {
    let (mut drive, poll) = Drive::opened();
    drive.none();
    drive.answer(&poll, HELLO);
    let next = drive.one(ExchangeKind::Poll);
    assert_ne!(next.id(), poll.id());
    assert_eq!(drive.events(), [SessionEvent::Frame(Frame::text(HELLO_FRAME))]);
    // An answer that comes twice, or to a poll of long ago, is none.
    drive.answer(&poll, HELLO);
    assert_eq!(drive.events(), []);
    drive.none();
}

#[test]
fn two_hundred_and_four_after_ten_seconds_is_an_idle_session() {
    let (mut drive, mut poll) = Drive::opened();
    for _ in 0..1_000 {
        drive.after(10.002);
        drive.answer(&poll, NO_CONTENT);
        poll = drive.one(ExchangeKind::Poll);
    }
    assert_eq!(drive.events(), []);
}

#[test]
fn a_server_that_answers_at_once_with_nothing_is_polled_with_a_pause() {
    for body in [NO_CONTENT, r#"{"messages":[ ],"status":200}"#, r#"{"status":204}"#] {
        let (mut drive, mut poll) = Drive::opened();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            drive.answer(&poll, body);
            drive.none();
            pauses.push(drive.until_timeout().as_millis());
            poll = drive.one(ExchangeKind::Poll);
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000], "{body}");
        // As soon as there are messages, or the server waits for some, it is polled at once again.
        drive.answer(&poll, HELLO);
        poll = drive.one(ExchangeKind::Poll);
        drive.answer(&poll, body);
        assert_eq!(drive.until_timeout(), seconds(0.1));
        poll = drive.one(ExchangeKind::Poll);
        drive.after(1.0);
        drive.answer(&poll, body);
        drive.one(ExchangeKind::Poll);
    }
}

#[test]
fn a_poll_has_a_deadline() {
    let mut config = SessionConfig::default();
    config.answer_timeout = Duration::from_secs(13);
    let mut drive = Drive::with(&Endpoint::default(), config, TokenPlace::Unknown);
    let create = drive.one(ExchangeKind::Create);
    drive.answer(&create, super::drive::CREATED);
    drive.one(ExchangeKind::Poll);
    assert_eq!(drive.session.poll_timeout(), Some(drive.now + Duration::from_secs(13)));
    drive.after(12.9);
    assert_eq!(drive.events(), [SessionEvent::Opened]);
    drive.after(0.1);
    drive.ended(&CloseCause::LongPoll(LongPollCause::timed_out(ExchangeKind::Poll)));
}

#[test]
fn five_hundred_to_a_poll_is_a_gap_and_the_session_goes_on() {
    let (mut drive, poll) = Drive::confirmed();
    drive.answer(&poll, HELLO);
    let poll = drive.one(ExchangeKind::Poll);
    drive.answer_http(&poll, 500, r#"{"errors":{"detail":"500.json"}}"#);
    let frame = SessionEvent::Frame(Frame::text(HELLO_FRAME));
    assert_eq!(drive.events(), [frame.clone(), SessionEvent::Gap], "in order");
    let poll = drive.one(ExchangeKind::Poll);
    drive.answer(&poll, HELLO);
    assert_eq!(drive.events(), [frame]);
}

#[test]
fn so_many_failed_polls_in_a_row_end_the_session() {
    for status in [500, 502, 503, 504] {
        let (mut drive, mut poll) = Drive::confirmed();
        let mut pauses = Vec::new();
        for _ in 0..5 {
            drive.answer_http(&poll, status, "");
            assert_eq!(drive.events(), [SessionEvent::Gap]);
            if drive.session.poll_timeout().is_some() {
                pauses.push(drive.until_timeout().as_millis());
            }
            poll = drive.one(ExchangeKind::Poll);
        }
        assert_eq!(pauses, [100, 200, 400, 800]);
        drive.answer_http(&poll, status, "");
        let cause = CloseCause::LongPoll(LongPollCause::status(ExchangeKind::Poll, status));
        assert_eq!(drive.events(), [SessionEvent::Gap, SessionEvent::Closed(cause)]);
        drive.none();
    }
}

#[test]
fn a_poll_that_was_given_up_may_have_lost_messages() {
    let (mut drive, mut poll) = Drive::confirmed();
    let cause = CloseCause::io("reset");
    for _ in 0..5 {
        drive.fail(&poll, Unanswered::Unknown(cause.clone()));
        assert_eq!(drive.events(), [SessionEvent::Gap]);
        if drive.session.poll_timeout().is_some() {
            drive.until_timeout();
        }
        poll = drive.one(ExchangeKind::Poll);
    }
    drive.fail(&poll, Unanswered::Unknown(cause.clone()));
    assert_eq!(drive.events(), [SessionEvent::Gap, SessionEvent::Closed(cause)]);
}

#[test]
fn a_poll_that_was_not_read_is_made_again_without_a_gap() {
    let (mut drive, mut poll) = Drive::confirmed();
    let cause = CloseCause::io("closed while idle");
    drive.fail(&poll, Unanswered::NotRead(cause.clone()));
    poll = drive.one(ExchangeKind::Poll);
    for _ in 0..4 {
        drive.fail(&poll, Unanswered::NotRead(cause.clone()));
        drive.until_timeout();
        poll = drive.one(ExchangeKind::Poll);
    }
    drive.fail(&poll, Unanswered::NotRead(cause.clone()));
    drive.ended(&cause);
}

#[test]
fn an_answer_starts_the_count_of_failures_over() {
    let (mut drive, mut poll) = Drive::confirmed();
    for _ in 0..50 {
        drive.answer_http(&poll, 500, "");
        poll = drive.one(ExchangeKind::Poll);
        drive.answer(&poll, HELLO);
        poll = drive.one(ExchangeKind::Poll);
        assert_eq!(drive.events().len(), 2);
    }
}

#[test]
fn four_hundred_and_ten_to_a_known_token_is_not_always_the_end() {
    let (mut drive, poll) = Drive::confirmed();
    drive.after(2.0);
    drive.answer(&poll, UNKNOWN);
    assert_eq!(drive.events(), []);
    assert_eq!(drive.until_timeout(), seconds(0.5));
    // Under its own token, never that of the stray session.
    let poll = drive.one(ExchangeKind::Poll);
    assert_eq!(super::drive::token_place(&poll), TokenPlace::Header);
    drive.answer(&poll, HELLO);
    assert_eq!(drive.events(), [SessionEvent::Frame(Frame::text(HELLO_FRAME))]);
    // And a later one counts from the start.
    let poll = drive.one(ExchangeKind::Poll);
    drive.answer(&poll, UNKNOWN);
    drive.until_timeout();
    let poll = drive.one(ExchangeKind::Poll);
    drive.answer(&poll, UNKNOWN);
    drive.ended(&GONE);
}

#[test]
fn a_session_busy_with_a_post_is_looked_for_when_the_post_is_answered() {
    let (mut drive, poll) = Drive::confirmed();
    let post = drive.post(push(1));
    drive.after(2.0);
    drive.answer(&poll, UNKNOWN);
    drive.none();
    assert_eq!(drive.strays(TokenPlace::Query), 2, "no further one while it is busy");
    drive.after(5.0);
    drive.answer(&post, READ);
    let poll = drive.one(ExchangeKind::Poll);
    drive.answer(&poll, HELLO);
    assert_eq!(drive.events().len(), 1);
}

#[test]
fn a_dead_session_with_a_post_ends_soon_all_the_same() {
    let (mut drive, poll) = Drive::confirmed();
    let post = drive.post(push(1));
    drive.after(2.0);
    drive.answer(&poll, UNKNOWN);
    drive.none();
    drive.answer(&post, r#"{"status":410}"#);
    let poll = drive.one(ExchangeKind::Poll);
    drive.after(2.0);
    drive.one(ExchangeKind::Post);
    drive.answer(&poll, UNKNOWN);
    drive.ended(&GONE);
    assert!(drive.now <= phx_proto::Instant::EPOCH + seconds(14.1));
}

#[test]
fn messages_over_the_limit_end_the_session() {
    let mut config = SessionConfig::default();
    config.max_answer_bytes = HELLO.len();
    let mut drive = Drive::with(&Endpoint::default(), config, TokenPlace::Unknown);
    let create = drive.one(ExchangeKind::Create);
    drive.answer(&create, super::drive::CREATED);
    let poll = drive.one(ExchangeKind::Poll);
    drive.answer(&poll, HELLO);
    assert_eq!(drive.events().len(), 2);
    let poll = drive.one(ExchangeKind::Poll);
    drive.answer(&poll, &format!("{HELLO} "));
    drive.ended(&CloseCause::LongPoll(LongPollCause::answer_too_large(HELLO.len())));
}

/// An answer with this many messages of 1,000 bytes.
fn thousands(count: usize) -> String {
    let message = format!(r#""[{}]""#, "1".repeat(998));
    format!(r#"{{"messages":[{}],"status":200}}"#, vec![message; count].join(","))
}

/// Polls while nothing is read, until the session makes no poll any more, and returns the number of answers.
fn answers_held(drive: &mut Drive, poll: Exchange, count: usize) -> usize {
    let mut next = Some(poll);
    let mut held = 0;
    while let Some(poll) = next {
        drive.answer(&poll, &thousands(count));
        held += 1;
        next = drive.exchanges().pop();
    }
    held
}

#[test]
fn a_slow_reader_keeps_the_session_alive_with_what_fits() {
    // The server ends a session that isn't polled for 15 s: an answer may take longer to read.
    let (mut drive, poll) = Drive::confirmed();
    drive.answer(&poll, &thousands(200));
    let poll = drive.one(ExchangeKind::Poll);
    drive.answer(&poll, &thousands(200));
    let mut poll = drive.one(ExchangeKind::Poll);
    for n in 0..400 {
        assert!(matches!(drive.session.poll_event(), Some(SessionEvent::Frame(_))));
        drive.after(1.0);
        if n % 10 == 9 {
            drive.answer(&poll, NO_CONTENT);
            poll = drive.one(ExchangeKind::Poll);
        }
    }
    assert_eq!(drive.events(), []);
}

#[test]
fn what_is_held_of_answers_is_bounded() {
    // A reader that takes nothing: the server keeps the rest.
    let (mut drive, poll) = Drive::confirmed();
    assert_eq!(answers_held(&mut drive, poll, 100), 11, "up to a MiB, and the answer beyond it");
    assert_eq!(drive.session.poll_timeout(), None);
    let of_one = std::iter::from_fn(|| drive.session.poll_event()).take(100).count();
    assert_eq!(of_one, 100);
    // The first answer is gone when the next one begins.
    drive.none();
    assert!(matches!(drive.session.poll_event(), Some(SessionEvent::Frame(_))));
    let poll = drive.one(ExchangeKind::Poll);
    assert_eq!(answers_held(&mut drive, poll, 100), 1);

    // Two answers of any size.
    let (mut drive, poll) = Drive::confirmed();
    assert_eq!(answers_held(&mut drive, poll, 2_000), 2);
    // Small ones count with what they cost.
    let (mut drive, poll) = Drive::confirmed();
    let mut next = Some(poll);
    let mut held = 0;
    while let Some(poll) = next {
        drive.answer(&poll, r#"{"messages":[""],"status":200}"#);
        held += 1;
        next = drive.exchanges().pop();
    }
    assert!((1_000..10_000).contains(&held), "{held}");

    // With a lower limit there is no more than two answers of that size.
    let mut config = SessionConfig::default();
    config.max_answer_bytes = thousands(10).len();
    let mut drive = Drive::with(&Endpoint::default(), config, TokenPlace::Unknown);
    let create = drive.one(ExchangeKind::Create);
    drive.answer(&create, super::drive::CREATED);
    assert_eq!(drive.events(), [SessionEvent::Opened]);
    let poll = drive.one(ExchangeKind::Poll);
    assert_eq!(answers_held(&mut drive, poll, 9), 2);
}

#[test]
fn what_is_no_answer_of_phoenix_ends_the_session_and_says_so() {
    for (body, cause) in [
        ("<html></html>", AnswerCause::NotJson),
        (r#"{"messages":["[null"#, AnswerCause::NotJson),
        ("7", AnswerCause::NotAnObject),
        (r#"{"messages":[]}"#, AnswerCause::NoStatus),
        (r#"{"messages":[],"status":[]}"#, AnswerCause::Status),
        (r#"{"status":200}"#, AnswerCause::NoMessages),
        (r#"{"status":200,"messages":{}}"#, AnswerCause::Messages),
        (r#"{"status":204,"messages":"x"}"#, AnswerCause::Messages),
    ] {
        let (mut drive, poll) = Drive::confirmed();
        drive.answer(&poll, body);
        let cause = LongPollCause::invalid_answer(ExchangeKind::Poll, cause);
        drive.ended(&CloseCause::LongPoll(cause));
    }
    for status in [301, 302, 400, 403, 404, 410, 413, 429] {
        let (mut drive, poll) = Drive::confirmed();
        drive.answer_http(&poll, status, "");
        drive.ended(&CloseCause::LongPoll(LongPollCause::status(ExchangeKind::Poll, status)));
    }
    let (mut drive, poll) = Drive::confirmed();
    drive.answer(&poll, r#"{"status":403}"#);
    drive.ended(&CloseCause::LongPoll(LongPollCause::status(ExchangeKind::Poll, 403)));
}

#[test]
fn what_came_before_the_end_is_read_before_it() {
    let (mut drive, poll) = Drive::confirmed();
    drive.answer(&poll, HELLO);
    let poll = drive.one(ExchangeKind::Poll);
    drive.answer_http(&poll, 404, "");
    let cause = CloseCause::LongPoll(LongPollCause::status(ExchangeKind::Poll, 404));
    let frame = SessionEvent::Frame(Frame::text(HELLO_FRAME));
    assert_eq!(drive.events(), [frame, SessionEvent::Closed(cause)]);
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let (mut drive, poll) = Drive::confirmed();
    let now = drive.now;
    let deadline = drive.session.poll_timeout();
    drive.now = phx_proto::Instant::EPOCH;
    drive.after(0.0);
    assert_eq!(drive.session.poll_timeout(), deadline);
    drive.answer(&poll, NO_CONTENT);
    assert_eq!(
        drive.session.poll_timeout(),
        Some(now + seconds(0.1)),
        "a pause from the latest time"
    );
}

#[test]
fn a_late_post_makes_a_lost_session_worth_looking_for() {
    let (mut drive, poll) = Drive::confirmed();
    let post = drive.post(push(1));
    drive.answer(&poll, HELLO);
    let poll = drive.one(ExchangeKind::Poll);
    drive.after(10.0);
    drive.answer(&post, LATE);
    let start = drive.now;
    let mut looks = 0;
    let mut poll = poll;
    loop {
        drive.answer(&poll, UNKNOWN);
        looks += 1;
        if drive.session.poll_timeout().is_none() {
            break;
        }
        drive.until_timeout();
        poll = drive.one(ExchangeKind::Poll);
        drive.after(2.0);
    }
    assert_eq!(looks, 3);
    assert_eq!(drive.now.saturating_duration_since(start), seconds(5.0));
    let events = drive.events();
    assert_eq!(events.last(), Some(&SessionEvent::Closed(GONE)));
}
