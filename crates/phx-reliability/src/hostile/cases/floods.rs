//! Floods: frames and messages at full speed, for as long as the connection lasts. Heartbeats are answered.

use std::io;

use crate::hostile::case::{Case, Ends};
use crate::hostile::peer::Peer;
use crate::hostile::users::User;
use crate::hostile::wire::{BINARY, FINAL, PING, PONG, TEXT, frame, message, text};

pub(super) const CASES: &[Case] = &[
    Case::new("pings", |peer| flood(peer, &frame(FINAL | PING, &[0; 125])), Ends::Stays),
    Case::new("pings_unread", pings_unread, Ends::Dies(&["heartbeat timed out"])).deaf(),
    Case::new(
        "messages_without_heartbeat_replies",
        unanswered,
        Ends::Dies(&["heartbeat timed out"]),
    )
    .user(User::Joins),
    Case::new("pongs", |peer| flood(peer, &frame(FINAL | PONG, b"")), Ends::Stays),
    Case::new("empty_messages", |peer| flood(peer, &frame(FINAL | TEXT, b"")), Ends::Stays),
    Case::new("malformed_messages", |peer| flood(peer, &text("[{")), Ends::Stays),
    Case::new(
        "malformed_binary",
        |peer| flood(peer, &frame(FINAL | BINARY, &[9; 40])),
        Ends::Stays,
    ),
    Case::new("small_messages_read", |peer| join_flood(peer, &small()), Ends::Stays)
        .user(User::Reads),
    Case::new("small_messages_unread", |peer| join_flood(peer, &small()), Ends::Stays)
        .user(User::ForgetsStream)
        .kept_kib(1 << 10),
    Case::new("messages_of_a_kib_unread", |peer| join_flood(peer, &sized(1 << 10)), Ends::Stays)
        .user(User::ForgetsStream)
        // 1,024 of them.
        .kept_kib(2 << 10),
    Case::new("messages_of_64_kib_unread", |peer| join_flood(peer, &sized(64 << 10)), Ends::Stays)
        .user(User::ForgetsStream)
        .tune(|builder| builder.stream_bytes(1 << 20))
        .kept_kib(2 << 10),
    Case::new("messages_of_64_kib_read", |peer| join_flood(peer, &sized(64 << 10)), Ends::Stays)
        .user(User::Reads)
        .tune(|builder| builder.stream_bytes(1 << 20))
        .kept_kib(2 << 10),
    Case::new("topics_that_nobody_joined", unique_topics, Ends::Stays),
    Case::new("events_that_are_unique", unique_events, Ends::Stays).user(User::Joins),
    Case::new("events_that_are_unique_unread", unique_events, Ends::Stays)
        .user(User::ForgetsStream),
    Case::new("refs_that_are_unique", unique_refs, Ends::Stays).user(User::Joins),
    Case::new("join_refs_that_are_unique", unique_join_refs, Ends::Stays).user(User::Joins),
    Case::new("statuses_that_are_unique", unique_statuses, Ends::Stays).user(User::Joins),
    Case::new("heartbeat_replies_unasked", unasked_heartbeats, Ends::Stays),
    Case::new("replies_again_and_again", repeated_replies, Ends::Stays)
        .user(User::Pushes)
        .kept_kib(1 << 10),
    Case::new("crashes_again_and_again", |peer| ends(peer, "phx_error"), Ends::Stays)
        .user(User::Joins),
    Case::new("errors_and_closes", errors_and_closes, Ends::Stays).user(User::Joins),
    Case::new("rejections_again_and_again", rejections, Ends::Stays).user(User::JoinsManyChannels),
];

fn small() -> Vec<u8> {
    message("x", r#"{"n":1,"text":"abcdefghijklmnopqrstuvwxyz"}"#)
}

fn sized(bytes: usize) -> Vec<u8> {
    message("x", &format!("\"{}\"", "a".repeat(bytes)))
}

fn flood(peer: &mut Peer, bytes: &[u8]) -> io::Result<()> {
    peer.upgraded()?.flood(bytes)
}

fn join_flood(peer: &mut Peer, bytes: &[u8]) -> io::Result<()> {
    peer.joined()?.flood(bytes)
}

/// Floods with pings, and reads nothing, not even pongs.
fn pings_unread(peer: &mut Peer) -> io::Result<()> {
    peer.upgrade_deaf()?;
    peer.flood_only(&frame(FINAL | PING, &[0; 125]))
}

fn unanswered(peer: &mut Peer) -> io::Result<()> {
    peer.joined()?.flood_only(&small())
}

fn unique_topics(peer: &mut Peer) -> io::Result<()> {
    peer.upgraded()?.flood_with(|n| text(&format!(r#"[null,null,"topic:{n}","x",{{}}]"#)))
}

fn unique_events(peer: &mut Peer) -> io::Result<()> {
    peer.joined()?.flood_with(|n| message(&format!("event {n}"), "{}"))
}

fn unique_refs(peer: &mut Peer) -> io::Result<()> {
    peer.joined()?.flood_with(|n| {
        let reply = r#"{"status":"ok","response":{}}"#;
        text(&format!(r#"[null,"ref {n}","room:a","phx_reply",{reply}]"#))
    })
}

fn unique_join_refs(peer: &mut Peer) -> io::Result<()> {
    peer.joined()?.flood_with(|n| text(&format!(r#"["join {n}",null,"room:a","x",{{}}]"#)))
}

fn unique_statuses(peer: &mut Peer) -> io::Result<()> {
    peer.joined()?.flood_with(|n| {
        let reply = format!(r#"{{"status":"status {n}","response":{{}}}}"#);
        text(&format!(r#"[null,"{n}","room:a","phx_reply",{reply}]"#))
    })
}

fn unasked_heartbeats(peer: &mut Peer) -> io::Result<()> {
    peer.upgraded()?.flood_with(|n| {
        let reply = r#"{"status":"ok","response":{}}"#;
        text(&format!(r#"[null,"{}","phoenix","phx_reply",{reply}]"#, n + 1_000_000))
    })
}

fn repeated_replies(peer: &mut Peer) -> io::Result<()> {
    peer.joined()?.answer_each("p", |push| {
        ["ok", "error", "other"].map(|status| push.reply(status, "{}")).concat().repeat(3)
    })
}

/// Ends the channel whenever it has been joined.
fn ends(peer: &mut Peer, event: &str) -> io::Result<()> {
    let mut join = peer.join()?;
    loop {
        peer.send(&join.message(event, "{}"))?;
        join = peer.next("phx_join")?;
        peer.send(&join.reply("ok", "{}"))?;
    }
}

fn errors_and_closes(peer: &mut Peer) -> io::Result<()> {
    let join = peer.join()?;
    peer.flood(&[join.message("phx_error", "{}"), join.message("phx_close", "{}")].concat())
}

fn rejections(peer: &mut Peer) -> io::Result<()> {
    peer.upgraded()?.answer_each("phx_join", |join| join.reply("error", r#"{"reason":"no"}"#))
}
