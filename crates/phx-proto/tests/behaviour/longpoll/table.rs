//! Every state of a session with everything that can happen in it.

use phx_proto::CloseCause;
use phx_proto::longpoll::{Exchange, ExchangeKind, SessionEvent, Unanswered};

use super::drive::{CREATED, Drive, HELLO, LATE, MAX_ANSWER, NO_CONTENT, READ, UNKNOWN, push};

/// A state, as a test reaches it: the session, and the exchange that something happens to.
struct State {
    name: &'static str,
    reach: fn() -> (Drive, Exchange),
}

/// A state with a POST of a frame under way, and its poll beside it.
fn posted((mut drive, _): (Drive, Exchange)) -> (Drive, Exchange) {
    let post = drive.post(push(1));
    (drive, post)
}

/// The first poll asked in the header in vain.
fn asking() -> (Drive, Exchange) {
    let (mut drive, poll) = Drive::opened();
    drive.answer(&poll, UNKNOWN);
    let poll = drive.one(ExchangeKind::Poll);
    (drive, poll)
}

/// The server didn't know a session that it had known.
fn looking() -> (Drive, Exchange) {
    let (mut drive, poll) = Drive::confirmed();
    drive.answer(&poll, UNKNOWN);
    drive.until_timeout();
    let poll = drive.one(ExchangeKind::Poll);
    (drive, poll)
}

/// The last POST was late, and a poll that started afterwards finds out.
fn late() -> (Drive, Exchange) {
    let (mut drive, poll) = Drive::confirmed();
    let post = drive.post(push(1));
    drive.answer(&poll, HELLO);
    drive.events();
    let poll = drive.one(ExchangeKind::Poll);
    drive.answer(&post, LATE);
    drive.after(10.0);
    drive.answer(&poll, NO_CONTENT);
    let poll = drive.one(ExchangeKind::Poll);
    (drive, poll)
}

/// A POST that was turned away is under way again.
fn resent() -> (Drive, Exchange) {
    let (mut drive, post) = posted(Drive::confirmed());
    drive.answer(&post, r#"{"status":410}"#);
    drive.until_timeout();
    let post = drive.one(ExchangeKind::Post);
    (drive, post)
}

const STATES: [State; 9] = [
    State {
        name: "creating",
        reach: || {
            let mut drive = Drive::new();
            let create = drive.one(ExchangeKind::Create);
            (drive, create)
        },
    },
    State { name: "first poll", reach: Drive::opened },
    State { name: "first POST", reach: || posted(Drive::opened()) },
    State { name: "asking in the query", reach: asking },
    State { name: "poll", reach: Drive::confirmed },
    State { name: "POST", reach: || posted(Drive::confirmed()) },
    State { name: "looking again", reach: looking },
    State { name: "late", reach: late },
    State { name: "POST again", reach: resent },
];

/// What happens to the exchange.
type Happens = fn(&mut Drive, &Exchange);

const INPUTS: [(&str, Happens); 14] = [
    ("created", |drive, it| drive.answer(it, CREATED)),
    ("messages", |drive, it| drive.answer(it, HELLO)),
    ("nothing", |drive, it| drive.answer(it, NO_CONTENT)),
    ("read", |drive, it| drive.answer(it, READ)),
    ("408", |drive, it| drive.answer(it, LATE)),
    ("410", |drive, it| drive.answer(it, UNKNOWN)),
    ("403", |drive, it| drive.answer(it, r#"{"status":403}"#)),
    ("HTTP 500", |drive, it| drive.answer_http(it, 500, "")),
    ("HTTP 404", |drive, it| drive.answer_http(it, 404, "")),
    ("HTML", |drive, it| drive.answer(it, "<html>")),
    ("too large", |drive, it| drive.answer_http(it, 200, &" ".repeat(MAX_ANSWER + 1))),
    ("not read", |drive, it| drive.fail(it, Unanswered::NotRead(CloseCause::io("reset")))),
    ("unknown", |drive, it| drive.fail(it, Unanswered::Unknown(CloseCause::io("reset")))),
    ("20 s", |drive, _| drive.after(20.0)),
];

/// What the session does then: its events, what it asks for at once, whether it takes frames, and what it waits for.
fn outcome(drive: &mut Drive) -> String {
    let events = drive.events().into_iter().map(|event| match event {
        SessionEvent::Opened => "opened".to_owned(),
        SessionEvent::Frame(_) => "frame".to_owned(),
        SessionEvent::Gap => "gap".to_owned(),
        SessionEvent::Closed(cause) => format!("closed: {cause}"),
        other => panic!("{other:?}"),
    });
    let mut words: Vec<_> = events.collect();
    for exchange in drive.exchanges() {
        let place = super::drive::token_place(&exchange);
        words.push(format!("{:?} in {place:?}", exchange.kind()).to_lowercase());
    }
    if drive.session.room().is_some() {
        words.push("room".to_owned());
    }
    let waits =
        drive.session.poll_timeout().map(|until| until.saturating_duration_since(drive.now));
    words.extend(waits.map(|time| format!("{time:?}")));
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

#[test]
fn every_state_with_everything_that_can_happen() {
    let mut lines = Vec::new();
    for state in &STATES {
        for (input, happens) in INPUTS {
            let (mut drive, exchange) = (state.reach)();
            assert_eq!(drive.events(), [], "{}", state.name);
            happens(&mut drive, &exchange);
            let outcome = outcome(&mut drive);
            // The same once more is stale, or nothing.
            if input != "20 s" {
                let before = (drive.session.poll_timeout(), drive.session.room());
                happens(&mut drive, &exchange);
                assert_eq!((drive.exchanges(), drive.events()), (vec![], vec![]));
                assert_eq!((drive.session.poll_timeout(), drive.session.room()), before);
            }
            lines.push(format!("{} | {input} | {outcome}", state.name));
        }
    }
    let expected: Vec<_> = include_str!("table.txt").lines().collect();
    for (actual, expected) in lines.iter().zip(&expected) {
        assert_eq!(actual, expected, "the table:\n{}", lines.join("\n"));
    }
    assert_eq!(lines.len(), expected.len(), "the table:\n{}", lines.join("\n"));
}
