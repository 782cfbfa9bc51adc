//! Every state, and what every input makes of it.

use super::*;

const AFTER: Duration = Duration::from_secs(2);
const BACK: Duration = Duration::from_secs(60);

/// How to bring a machine into a state.
type Prepare = fn(&mut Fallback);

const NOW: Instant = Instant::EPOCH;

const STATES: [(&str, Prepare); 7] = [
    ("idle", |_| {}),
    ("attempt", |it| {
        it.begin();
    }),
    ("unproven", |it| {
        it.begin();
        it.opened(NOW, TransportKind::WebSocket);
    }),
    ("proven", |it| {
        it.begin();
        it.opened(NOW, TransportKind::WebSocket);
        it.heard();
    }),
    ("long-poll", |it| {
        it.begin();
        it.opened(NOW, TransportKind::LongPoll);
    }),
    // A WebSocket has proved itself before.
    ("long-poll for now", |it| {
        it.opened(NOW, TransportKind::WebSocket);
        it.heard();
        it.ended();
        it.begin();
        it.opened(NOW, TransportKind::LongPoll);
    }),
    ("fallen back", |it| {
        it.opened(NOW, TransportKind::WebSocket);
        it.handle_timeout(NOW + AFTER);
    }),
];

fn settings() -> LongPollFallback {
    LongPollFallback::after(AFTER).web_socket_after(BACK)
}

/// The answer of `input` in each state, and what the machine does after it: `+` if it remembers, the kinds of the
/// next attempt, and the seconds until its deadline.
fn check<R: std::fmt::Debug>(input: fn(&mut Fallback) -> R, expected: [&str; 7]) {
    for ((state, prepare), expected) in STATES.iter().zip(expected) {
        let mut machine = Fallback::new(&settings());
        prepare(&mut machine);
        let answer = input(&mut machine);
        let remembers = if machine.is_remembered { "+" } else { "" };
        let seconds = machine.deadline().map(|at| at.saturating_duration_since(NOW).as_secs());
        let next = match machine.begin() {
            Plan { first: TransportKind::WebSocket, long_poll_after: Some(AFTER) } => "both",
            Plan { first: TransportKind::LongPoll, long_poll_after: None } => "long-poll",
            other => panic!("{other:?}"),
        };
        let seconds = seconds.map_or_else(String::new, |seconds| format!(" {seconds}"));
        assert_eq!(format!("{answer:?} {remembers}{next}{seconds}"), expected, "{state}");
    }
}

#[test]
fn an_attempt_begins() {
    check(
        |it| it.begin().first,
        [
            "WebSocket both",
            "WebSocket both",
            "WebSocket both",
            "WebSocket both",
            // If long-poll fails too, a WebSocket is next.
            "LongPoll +both",
            "WebSocket both",
            "LongPoll both",
        ],
    );
}

#[test]
fn a_web_socket_opens() {
    let opened = |it: &mut Fallback| it.opened(NOW, TransportKind::WebSocket);
    check(
        opened,
        [
            "true both 2",
            "true both 2",
            "true both 2",
            "true both 2",
            "true +long-poll 2",
            "true both 2",
            "true long-poll 2",
        ],
    );
}

#[test]
fn long_poll_opens() {
    let opened = |it: &mut Fallback| it.opened(NOW, TransportKind::LongPoll);
    check(
        opened,
        [
            "false +long-poll 60",
            "false +long-poll 60",
            "false +long-poll 60",
            "false both 60",
            "false +long-poll 60",
            "false both 60",
            "false +long-poll 60",
        ],
    );
}

#[test]
fn a_frame_comes() {
    check(
        Fallback::heard,
        [
            "() both",
            "() both",
            "() both",
            "() both",
            "() +long-poll 60",
            "() both 60",
            "() long-poll",
        ],
    );
}

#[test]
fn the_transport_ends() {
    check(
        Fallback::ended,
        [
            "false both",
            "false both",
            "true long-poll",
            "false both",
            "false +long-poll",
            "false both",
            "false long-poll",
        ],
    );
}

#[test]
fn the_socket_closes_the_transport() {
    check(
        Fallback::closed,
        ["() both", "() both", "() both", "() both", "() +long-poll", "() both", "() long-poll"],
    );
}

#[test]
fn time_passes() {
    check(
        |it| it.handle_timeout(NOW + AFTER),
        [
            "false both",
            "false both",
            "true long-poll",
            "false both",
            "false +long-poll 60",
            "false both 60",
            "false long-poll",
        ],
    );
    check(
        |it| it.handle_timeout(NOW + BACK),
        [
            "false both",
            "false both",
            "true long-poll",
            "false both",
            "true both",
            "true both",
            "false long-poll",
        ],
    );
}

#[test]
fn the_user_prefers_a_web_socket() {
    check(
        Fallback::prefer_web_socket,
        ["() both", "() both", "() both 2", "() both", "() both 60", "() both 60", "() both"],
    );
}

#[test]
fn a_program_remembers() {
    let mut machine = Fallback::new(&LongPollFallback::after(AFTER).remembered(true));
    assert!(machine.is_remembered);
    assert_eq!(machine.begin(), Plan::only(TransportKind::LongPoll));
    // It failed.
    let both = Plan { first: TransportKind::WebSocket, long_poll_after: Some(AFTER) };
    assert_eq!(machine.begin(), both);
    machine.opened(NOW, TransportKind::WebSocket);
    assert!(machine.is_remembered, "until a WebSocket proves itself");
    machine.heard();
    assert!(!machine.is_remembered);
    assert_eq!((machine.take_memory(), machine.take_memory()), (Some(false), None));
    machine.begin();
    machine.opened(NOW, TransportKind::LongPoll);
    assert_eq!(machine.deadline(), None, "without a limit");
}
