//! Guarantee 3: every accepted push has exactly one outcome. Pushes of one channel are sent in call order; those that the
//! transport has taken fail with the connection, the others wait.
//!
//! `outcomes.rs` has each outcome, `push.rs` the order. Here they are mixed: [`Chaos`] counts the outcomes of every call,
//! and checks the order of frames.

use crate::common::{Script, quiet, secs};
use phx_chaos::{Chaos, Options};

#[test]
fn every_call_of_a_random_session_has_exactly_one_outcome() {
    for seed in 1000..1150 {
        let mut chaos = Chaos::new(Options::new(seed));
        for _ in 0..4 {
            chaos.run(200);
            chaos.end();
        }
    }
}

#[test]
fn what_was_taken_fails_and_what_was_not_waits_until_its_deadline() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.push(a, "taken");
    s.stuck = true;
    s.push(a, "waits");
    s.lost();
    assert_eq!(
        s.events(),
        [
            "taken: disconnected",
            "room:a errored: disconnected",
            "closed 1: connection lost, retry in 1s"
        ]
    );
    s.wait(secs(9));
    assert!(!s.events().iter().any(|line| line.starts_with("waits")));
    s.wait(secs(1));
    assert_eq!(s.events(), ["waits: not sent in time"]);
}
