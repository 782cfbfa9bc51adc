//! Presence events of any JSON.
//!
//! The input is lines. The first letter of each says what happens: `s` a `presence_state` and `d` a
//! `presence_diff`, with the rest of the line as their payload, `j` a join and `e` an error of the
//! channel.
//!
//! What must hold: whoever folds the changes has the list; a state makes the list what it says; a
//! payload that is refused changes nothing; the limits are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use phx_proto::{
    ByteString, Payload, Presence, PresenceChange, PresenceConfig, PresenceEntry, PresenceStatus,
};
use serde_json::{Map, Value};

const MAX_METAS: usize = 16;
const MAX_PENDING: usize = 3;

type Entry = PresenceEntry<Value, Map<String, Value>>;
type List = BTreeMap<String, Vec<String>>;

/// Panics if something doesn't hold.
pub fn check(input: &[u8]) {
    let mut config = PresenceConfig::default();
    config.max_metas = MAX_METAS;
    config.max_pending_diffs = MAX_PENDING;
    let mut presence: Presence = Presence::with_config(config);
    // Whether a state came since the last join, and how many diffs wait for it if not.
    let (mut synced, mut waiting) = (false, 0);
    for line in input.split(|byte| *byte == b'\n') {
        let Some((kind, json)) = line.split_first() else { continue };
        match kind {
            b'j' | b'e' => {
                if *kind == b'j' {
                    presence.handle_joined();
                } else {
                    presence.handle_errored();
                }
                (synced, waiting) = (false, 0);
                assert_eq!(presence.status(), PresenceStatus::Pending);
            }
            b's' | b'd' => {
                let Ok(text) = str::from_utf8(json) else { continue };
                let Ok(payload) = Payload::from_json_text(text.to_owned()) else { continue };
                if *kind == b's' {
                    if handle_state(&mut presence, &payload, waiting) {
                        (synced, waiting) = (true, 0);
                    }
                } else if handle(&mut presence, "presence_diff", &payload).is_some() && !synced {
                    waiting += 1;
                    assert!(waiting <= MAX_PENDING, "{waiting} diffs wait");
                }
            }
            _ => {}
        }
    }
}

/// Feeds a state before which `waiting` diffs came; whether it was taken.
fn handle_state(presence: &mut Presence, payload: &Payload, waiting: usize) -> bool {
    if handle(presence, "presence_state", payload).is_none() {
        return false;
    }
    let state: BTreeMap<String, Value> = payload.decode().expect("a state is a map");
    let refs = |entry: &Value| -> BTreeSet<String> {
        let metas = entry.get("metas").and_then(Value::as_array).into_iter().flatten();
        metas.filter_map(|meta| meta.get("phx_ref")?.as_str().map(str::to_owned)).collect()
    };
    let expected: BTreeMap<_, _> =
        state.iter().map(|(key, entry)| (key.clone(), refs(entry))).collect();
    let has_all = expected.values().all(|refs| !refs.is_empty());
    // Diffs that waited have been applied to it.
    if waiting == 0 && has_all {
        let list = list(presence).into_iter();
        let found: BTreeMap<_, _> =
            list.map(|(key, refs)| (key, BTreeSet::from_iter(refs))).collect();
        assert_eq!(found, expected, "the list is what the state says");
        let again = handle(presence, "presence_state", payload).expect("it was taken before");
        assert_eq!(again, 1, "nothing changes but that it is in sync");
    }
    true
}

/// Feeds one event, and checks the changes; how many there were, or `None` if it was refused.
fn handle(presence: &mut Presence, event: &str, payload: &Payload) -> Option<usize> {
    let before = list(presence);
    let result = presence.handle_event(event, payload);
    let after = list(presence);
    assert!(after.values().map(|refs| refs.len().max(1)).sum::<usize>() <= MAX_METAS);
    assert_eq!(after.len(), presence.len());
    match result {
        Err(error) => {
            let _ = format!("{error} {error:?}");
            assert_eq!(before, after, "a refused payload changes nothing");
            assert_eq!(presence.status(), PresenceStatus::Incomplete);
            None
        }
        Ok(None) => panic!("both are presence events"),
        Ok(Some(changes)) => {
            let count = changes.len();
            assert_eq!(fold(before, &changes), after);
            Some(count)
        }
    }
}

/// What somebody has who had `list` and is told these changes.
fn fold(mut list: List, changes: &[PresenceChange<Value, Map<String, Value>>]) -> List {
    let Some((last, others)) = changes.split_last() else {
        return list;
    };
    assert!(matches!(last, PresenceChange::Synced));
    for change in others {
        match change {
            PresenceChange::Joined { key, before, joined, .. } => {
                let had = before.as_ref().map(|before| refs(before));
                assert_eq!(list.get(&**key), had.as_ref(), "what was there before");
                let joined = refs(joined);
                let mut now = had.unwrap_or_default();
                now.retain(|known| !joined.contains(known));
                now.extend(joined);
                list.insert(key.to_string(), now);
            }
            PresenceChange::Left { key, after, left, .. } => {
                let left = refs(left);
                let mut now = list.remove(&**key).expect("who leaves was there");
                now.retain(|known| !left.contains(known));
                assert_eq!(refs(after), now, "what remains");
                if !now.is_empty() {
                    list.insert(key.to_string(), now);
                }
            }
            other => panic!("{other:?} before the end"),
        }
    }
    list
}

fn list(presence: &Presence) -> List {
    let entries = presence.list();
    entries.map(|(key, entry): (&ByteString, &Arc<Entry>)| (key.to_string(), refs(entry))).collect()
}

fn refs(entry: &Entry) -> Vec<String> {
    entry.metas().map(|meta| meta.phx_ref().to_owned()).collect()
}
