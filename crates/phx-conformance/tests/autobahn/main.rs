//! The cases of Autobahn's test suite for WebSocket clients: 1 to 7, 12 and 13, with its numbers.
//!
//! The suite itself needs Python 2. So the cases are tables here, by RFC 6455, RFC 7692 and what the suite's reports say that each
//! case sends and expects. [`codec`] runs them against the client's codec, [`socket`] against the client's transport over real
//! sockets. Its cases 9 measure speed, and 10 asks for nothing of a client.
//!
//! `PHX_AUTOBAHN_MESSAGES` sets the number of messages of each of the cases 12 and 13. The suite sends 1,000.
//! Each group of theirs is a test: `compression::case_12_1` is one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../deflate/judge.rs"]
#[allow(dead_code, reason = "the tests of `tests/deflate` use more of it")]
mod judge;

mod case;
mod closing;
mod codec;
mod compression;
mod fragments;
mod framing;
mod mistakes;
mod socket;
mod utf8;

/// Returns all cases of 1 to 7.
fn cases() -> Vec<case::Case> {
    [framing::cases(), mistakes::cases(), fragments::cases(), utf8::cases(), closing::cases()]
        .concat()
}

/// The numbers of cases are those of the suite: 45 of framing, pings, reserved bits and opcodes, 20 of fragments, 145 of text, and
/// 37 of closing.
#[test]
fn no_case_is_missing() {
    let count = |group: &str| cases().iter().filter(|case| case.id.starts_with(group)).count();
    let groups = ["1.", "2.", "3.", "4.", "5.", "6.", "7."].map(count);
    assert_eq!(groups, [16, 11, 7, 10, 20, 145, 37]);
    let mut ids: Vec<_> = cases().into_iter().map(|case| case.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), groups.iter().sum::<usize>(), "no number twice");
}
