//! Replays a recorded conversation and compares the changes with phoenix.js's callbacks.
use crate::presences::{entry_json, list_json};
use phx_conformance::recordings::{Fact, Recording, Side};
use phx_proto::{Payload, Presence, PresenceChange};
use serde_json::{Value, json};

/// The server's frames, and the callbacks of phoenix.js 1.8.16 as notes. Connection 1 belongs to client A, which notes all
/// callbacks; connection 2 to B, which notes onSync only.
fn recording() -> Recording {
    Recording::open("presence").unwrap()
}

fn callbacks(changes: &[PresenceChange<Value, serde_json::Map<String, Value>>]) -> Vec<Value> {
    changes
        .iter()
        .filter_map(|change| match change {
            PresenceChange::Joined { key, before, joined } => {
                let before = before.as_deref().map(entry_json);
                Some(json!(["onJoin", [&**key, before, entry_json(joined)]]))
            }
            PresenceChange::Left { key, after, left } => {
                Some(json!(["onLeave", [&**key, entry_json(after), entry_json(left)]]))
            }
            _ => None,
        })
        .collect()
}

fn replay(conn: u32) -> Vec<Value> {
    let mut presence: Presence = Presence::new();
    let mut reported = Vec::new();
    let lines = recording().lines.into_iter();
    let lines = lines.filter(|line| line.conn == conn && line.from == Side::Server);
    for frame in lines.filter_map(|line| line.frame()) {
        let frame: Value = serde_json::from_slice(frame.as_bytes()).unwrap();
        let event = frame[3].as_str().unwrap();
        if event == "phx_reply" && frame[0] == frame[1] {
            presence.handle_joined();
        }
        let payload = Payload::json(&frame[4]).unwrap();
        let Some(changes) = presence.handle_event(event, &payload).unwrap() else {
            continue;
        };
        reported.extend(callbacks(&changes));
        if let Some(last) = changes.last() {
            assert!(matches!(last, PresenceChange::Synced));
            reported.push(json!(["onSync", list_json(&presence)]));
        }
    }
    reported
}

fn noted(client: &str) -> Vec<Value> {
    let lines = recording().lines.into_iter();
    lines
        .filter_map(|line| {
            let Fact::Note { text } = line.fact else { return None };
            let (who, note) = text.split_once(' ')?;
            let (callback, arguments) = note.split_once(' ')?;
            (who == client && callback.starts_with("on"))
                .then(|| json!([callback, serde_json::from_str::<Value>(arguments).unwrap()]))
        })
        .collect()
}

#[test]
fn changes_are_those_of_the_recorded_callbacks() {
    let expected = noted("A");
    assert_eq!(expected.len(), 14);
    assert_eq!(replay(1), expected);
}

#[test]
fn lists_of_a_later_joiner_are_the_recorded_ones() {
    let syncs: Vec<Value> =
        replay(2).into_iter().filter(|reported| reported[0] == "onSync").collect();
    let expected = noted("B");
    assert_eq!(expected.len(), 4);
    assert_eq!(syncs, expected);
}
