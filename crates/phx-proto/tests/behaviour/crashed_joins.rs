//! A join that crashes on the server is tried again, also the first one: Phoenix 1.7 and 1.8 answer it
//! with the status `error` and `{"reason":"join crashed"}` (recording `join_crash`).

use crate::common::{NOTHING, Script, ms, quiet, secs};
use phx_proto::{ChannelState, Payload, Rejection, Rejoin, RejoinPolicy, Status};

const CRASHED: &str = r#"{"reason":"join crashed"}"#;
fn rejection(status: &str, response: &str) -> Rejection {
    Rejection::new(Status::from(status), crate::common::json(response), false)
}

#[test]
fn a_crashed_first_join_is_tried_again_until_it_succeeds() {
    let (mut s, a) = Script::joining(quiet(), "room:a");
    s.push(a, "waiting");
    for delay in [1, 2, 5] {
        s.forget_lines();
        s.reply("phx_join room:a", "error", CRASHED);
        let failed = format!("room:a join failed: rejected error {CRASHED}, retry in {delay}s");
        assert_eq!(s.events(), [failed], "the call waits on");
        assert_eq!(s.socket.channel_state(a), Some(ChannelState::Errored));
        s.wait(secs(delay));
        assert_eq!(s.actions(), ["send phx_join room:a"]);
    }
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.actions(), ["send waiting room:a"]);
    assert_eq!(s.events(), ["room:a joined {}", "join room:a: ok {}"]);
}

#[test]
fn a_call_that_saw_crashes_only_says_so_at_its_deadline_and_attempts_go_on() {
    let mut s = Script::open(quiet());
    let a = s.channel("room:a");
    s.try_join(a, Some(ms(2_500))).unwrap();
    s.reply("phx_join room:a", "error", CRASHED);
    s.wait(secs(1));
    s.reply("phx_join room:a", "error", CRASHED);
    s.forget_lines();
    s.wait(ms(1_499));
    assert_eq!(s.events(), NOTHING);
    s.wait(ms(1));
    assert_eq!(s.events(), ["join room:a: crashed"]);
    s.wait(ms(500));
    assert_eq!(s.actions(), ["send phx_join room:a"]);
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.events(), ["room:a joined {}"]);
}

#[test]
fn an_error_of_the_channel_while_it_joins_is_such_a_crash() {
    let mut s = Script::open(quiet());
    let a = s.channel("room:a");
    s.try_join(a, Some(secs(3))).unwrap();
    s.server_push("room:a", "phx_error");
    s.forget_lines();
    s.wait(secs(3));
    assert_eq!(s.events(), ["join room:a: crashed"]);
}

#[test]
fn a_refusal_after_crashes_is_final_and_the_calls_outcome() {
    let (mut s, _) = Script::joining(quiet(), "room:a");
    s.reply("phx_join room:a", "error", CRASHED);
    s.wait(secs(1));
    s.forget_lines();
    s.reply("phx_join room:a", "error", r#"{"reason":"banned"}"#);
    assert_eq!(
        s.events(),
        [
            r#"join room:a: error {"reason":"banned"}"#,
            r#"room:a closed: rejected error {"reason":"banned"}"#
        ]
    );
}

/// Refusals by Phoenix itself and by applications stay final for a first join.
#[test]
fn real_refusals_of_a_first_join_are_final() {
    for response in [
        r#"{"reason":"unmatched topic"}"#,
        r#"{"reason":"too many channels joined"}"#,
        r#"{"reason":"unauthorized"}"#,
        r#"{"reason":"Join crashed"}"#,
        r#"{"reason":"join crashed "}"#,
        r#"{"reason":["join crashed"]}"#,
        r#"{"error":"join crashed"}"#,
        r#""join crashed""#,
        "{}",
        "null",
    ] {
        let rejection = rejection("error", response);
        assert!(!rejection.is_crash(), "{response}");
        assert_eq!(
            RejoinPolicy::default().decide("room:a", &rejection),
            Rejoin::Stop,
            "{response}"
        );
    }
    assert!(!rejection("crashed", CRASHED).is_crash(), "another status");
    assert!(rejection("error", r#"{"at":"db","reason":"join\u0020crashed"}"#).is_crash());
    let binary = Rejection::new(Status::Error, Payload::binary(CRASHED.as_bytes().to_vec()), false);
    assert!(!binary.is_crash());
}

#[test]
fn policies_decide_about_crashes_too() {
    let of_a_rejoin = Rejection::new(Status::Error, Payload::empty(), true);
    for (rejection, by_default) in [
        (rejection("error", CRASHED), Rejoin::Backoff),
        (of_a_rejoin, Rejoin::Backoff),
        (rejection("error", "{}"), Rejoin::Stop),
    ] {
        assert_eq!(RejoinPolicy::default().decide("room:a", &rejection), by_default);
        assert_eq!(RejoinPolicy::always().decide("room:a", &rejection), Rejoin::Backoff);
        assert_eq!(RejoinPolicy::never().decide("room:a", &rejection), Rejoin::Stop);
    }
    let mut config = quiet();
    config.rejoin_policy = RejoinPolicy::function(|rejection| {
        if rejection.is_crash() { Rejoin::After(secs(7)) } else { Rejoin::Stop }
    });
    let (mut s, a) = Script::joining(config, "room:a");
    s.reply("phx_join room:a", "error", CRASHED);
    assert_eq!(s.next_timeout(), Some(secs(7)));
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Errored));
}

#[test]
fn the_reason_is_said_in_words_escaped_and_cut() {
    for (response, words) in [
        ("{}", "the server rejected the join with the status `error`"),
        (CRASHED, "the server rejected the join with the status `error`: join crashed"),
        (
            "{\"reason\":\"it's \\\"\\u001b[2J\\u202e\"}",
            "the server rejected the join with the status `error`: it's \"\\u{1b}[2J\\u{202e}",
        ),
    ] {
        assert_eq!(rejection("error", response).to_string(), words);
    }
    let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(5_000));
    assert!(rejection("error", &long).to_string().len() < 400);
}
