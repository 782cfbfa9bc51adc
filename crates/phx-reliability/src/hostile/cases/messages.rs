//! Large answers and large payloads.

use std::io;

use crate::hostile::case::{Case, Ends};
use crate::hostile::peer::Peer;
use crate::hostile::users::User;
use crate::hostile::wire::message;

/// Memory of kept answers, in KiB: up to 64 MiB, one more of any size, and those under way: gathered, read and
/// handled.
const KEPT: u64 = (64 + 4 * 4 + 1) << 10;

pub(super) const CASES: &[Case] = &[
    Case::new("message_of_60_mib", |peer| one(peer, || string(60 << 20)), Ends::Stays)
        .user(User::Joins)
        .frame_mib(60)
        .kept_kib(64 << 10),
    Case::new("message_of_60_mib_read", |peer| one(peer, || string(60 << 20)), Ends::Stays)
        .user(User::Reads)
        .frame_mib(60)
        // The value that the user asked for is as large again.
        .kept_kib(128 << 10),
    Case::new("message_of_60_mib_of_escapes", |peer| one(peer, || escapes(60 << 20)), Ends::Stays)
        .user(User::Joins)
        .frame_mib(60)
        .kept_kib(64 << 10),
    Case::new("json_a_million_deep", |peer| one(peer, || deep(1_000_000)), Ends::Stays)
        .user(User::Reads)
        .frame_mib(2)
        .kept_kib(8 << 10),
    Case::new("join_responses_of_4_mib", |peer| joins(peer, "ok"), Ends::Stays)
        .user(User::JoinsManyChannels)
        .frame_mib(4)
        .kept_kib(KEPT),
    Case::new("join_rejections_of_4_mib", |peer| joins(peer, "error"), Ends::Stays)
        .user(User::JoinsManyChannels)
        .frame_mib(4)
        .kept_kib(KEPT),
    Case::new("replies_of_4_mib_unread", |peer| replies(peer, "ok"), Ends::Stays)
        .user(User::PushesAndForgets)
        .frame_mib(4)
        .kept_kib(KEPT),
    Case::new("error_replies_of_4_mib_unread", |peer| replies(peer, "error"), Ends::Stays)
        .user(User::PushesAndForgets)
        .frame_mib(4)
        .kept_kib(KEPT),
];

fn string(bytes: usize) -> String {
    format!("\"{}\"", "a".repeat(bytes))
}

fn escapes(bytes: usize) -> String {
    format!("\"{}\"", r"\u0041".repeat(bytes / 6))
}

fn deep(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

fn one(peer: &mut Peer, payload: fn() -> String) -> io::Result<()> {
    peer.joined()?.send_large(|| message("x", &payload()))?;
    peer.idle()
}

fn joins(peer: &mut Peer, status: &str) -> io::Result<()> {
    let response = string(4 << 20);
    peer.upgraded()?.answer_each("phx_join", |join| join.reply(status, &response))
}

fn replies(peer: &mut Peer, status: &str) -> io::Result<()> {
    let response = string(4 << 20);
    peer.joined()?.answer_each("p", |push| push.reply(status, &response))
}
