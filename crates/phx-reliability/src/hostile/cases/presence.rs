//! Attacks on presence lists.

use std::fmt::Write as _;
use std::io;

use crate::hostile::case::{Case, Ends};
use crate::hostile::peer::Peer;
use crate::hostile::users::User;
use crate::hostile::wire::message;

/// Memory of a list of 100,000 metas, besides the user's type: 400 bytes each.
const METAS_KIB: u64 = 100_000 * 400 / 1024;

/// Memory of the user's type for them: 50 bytes each.
const USERS_KIB: u64 = 100_000 * 50 / 1024;

pub(super) const CASES: &[Case] = &[
    Case::new("presence_state_of_60_mb", |peer| state(peer, || metas(3_750_000)), Ends::Stays)
        .user(User::WatchesPresence)
        .frame_mib(58)
        // The frame, and less than as much again.
        .kept_kib(2 * 60_000_000 / 1024),
    Case::new(
        "presence_state_of_a_million_keys",
        |peer| state(peer, || keys(1_000_000)),
        Ends::Stays,
    )
    .user(User::WatchesPresence)
    .frame_mib(41)
    .kept_kib(2 * 43_000_000 / 1024),
    Case::new("presence_diffs_of_a_key_with_90000_metas", diffs_of_a_large_key, Ends::Stays)
        .user(User::WatchesPresence)
        .frame_mib(2)
        .kept_kib(METAS_KIB + USERS_KIB),
    Case::new("presence_diffs_before_the_state", diffs_before_the_state, Ends::Stays)
        .user(User::ForgetsPresence)
        // A thousand of them, and as many changes.
        .kept_kib(2 << 10),
    Case::new(
        "presence_diffs_of_a_mib_before_the_state",
        large_diffs_before_the_state,
        Ends::Stays,
    )
    .user(User::ForgetsPresence)
    .frame_mib(1)
    .kept_kib((64 + 4) << 10),
    Case::new("presence_keys_without_an_end", ever_more_keys, Ends::Stays)
        .user(User::ForgetsPresence)
        .kept_kib(METAS_KIB),
    Case::new("presence_metas_without_an_end", ever_more_metas, Ends::Stays)
        .user(User::ForgetsPresence)
        .kept_kib(METAS_KIB),
    Case::new("presence_states_again_and_again", states_again_and_again, Ends::Stays)
        .user(User::WatchesPresence)
        // Waiting changes are counted as text; as metas they take ten times as much.
        .tune(|builder| builder.stream_bytes(1 << 18))
        .kept_kib(4 << 10),
    Case::new("presence_states_that_are_none", |peer| flood_state(peer, "[1,2,3]"), Ends::Stays)
        .user(User::ForgetsPresence)
        // The stream holds the errors until the user reads them.
        .kept_kib(1 << 10),
    Case::new("presence_leaves_of_strangers", strangers_leave, Ends::Stays)
        .user(User::ForgetsPresence),
];

fn metas(count: usize) -> String {
    let metas = r#",{"phx_ref":"a"}"#.repeat(count - 1);
    format!(r#"{{"k":{{"metas":[{{"phx_ref":"a"}}{metas}]}}}}"#)
}

fn numbered(from: usize, to: usize) -> String {
    let mut metas = String::new();
    for n in from..to {
        let comma = if n == from { "" } else { "," };
        let _infallible = write!(metas, r#"{comma}{{"phx_ref":"{n}"}}"#);
    }
    format!(r#"{{"k":{{"metas":[{metas}]}}}}"#)
}

fn keys(count: usize) -> String {
    let mut keys = String::from("{");
    for n in 0..count {
        let comma = if n == 0 { "" } else { "," };
        let _infallible = write!(keys, r#"{comma}"key {n}":{{"metas":[{{"phx_ref":"a"}}]}}"#);
    }
    keys + "}"
}

fn diff(joins: &str, leaves: &str) -> Vec<u8> {
    message("presence_diff", &format!(r#"{{"joins":{joins},"leaves":{leaves}}}"#))
}

fn state(peer: &mut Peer, state: fn() -> String) -> io::Result<()> {
    peer.joined()?.send_large(|| message("presence_state", &state()))?;
    peer.idle()
}

fn flood_state(peer: &mut Peer, state: &str) -> io::Result<()> {
    peer.joined()?.flood(&message("presence_state", state))
}

/// Sends diffs that each add one meta and remove one.
fn diffs_of_a_large_key(peer: &mut Peer) -> io::Result<()> {
    peer.joined()?.send_large(|| message("presence_state", &numbered(0, 90_000)))?;
    peer.flood_with(|n| diff(&numbered(n + 90_000, n + 90_001), &numbered(n, n + 1)))
}

fn diffs_before_the_state(peer: &mut Peer) -> io::Result<()> {
    peer.joined()?.flood_with(|n| diff(&numbered(n, n + 1), "{}"))
}

fn large_diffs_before_the_state(peer: &mut Peer) -> io::Result<()> {
    let large =
        format!(r#"{{"k":{{"metas":[{{"phx_ref":"a","text":"{}"}}]}}}}"#, "a".repeat(1 << 20));
    peer.joined()?.flood(&diff(&large, "{}"))
}

fn ever_more_keys(peer: &mut Peer) -> io::Result<()> {
    peer.joined()?.send(&message("presence_state", "{}"))?;
    peer.flood_with(|n| diff(&format!(r#"{{"key {n}":{{"metas":[{{"phx_ref":"{n}"}}]}}}}"#), "{}"))
}

fn ever_more_metas(peer: &mut Peer) -> io::Result<()> {
    peer.joined()?.send(&message("presence_state", "{}"))?;
    peer.flood_with(|n| diff(&numbered(n, n + 1), "{}"))
}

fn states_again_and_again(peer: &mut Peer) -> io::Result<()> {
    let states = [0, 1_000].map(|from| message("presence_state", &numbered(from, from + 1_000)));
    peer.joined()?.flood(&states.concat())
}

fn strangers_leave(peer: &mut Peer) -> io::Result<()> {
    peer.joined()?.send(&message("presence_state", "{}"))?;
    peer.flood_with(|n| diff("{}", &format!(r#"{{"key {n}":{{"metas":[{{"phx_ref":"{n}"}}]}}}}"#)))
}
