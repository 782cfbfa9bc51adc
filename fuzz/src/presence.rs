//! Presence events of any JSON, with any limits.
//!
//! The input is lines, each with a letter first: `s` a `presence_state` and `d` a `presence_diff`, with the rest of the
//! line as payload; `j` a join and `e` an error of the channel; `l` and three numbers for a new presence with these
//! limits: metas, waiting diffs, bytes.
//!
//! Checks: the list, refusals and their reasons are those of a plain model; the fold of the changes is the list; a
//! refused payload changes nothing; the limits are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use phx_proto::{
    ByteString, Payload, Presence, PresenceChange, PresenceConfig, PresenceEntry, PresenceError,
    PresenceStatus,
};
use serde_json::{Map, Value};

mod model;

use model::{Model, UpgradeRejection};

type Entry = PresenceEntry<Value, Map<String, Value>>;
type List = BTreeMap<String, Vec<String>>;

/// Panics if the input shows a fault.
pub fn check(input: &[u8]) {
    let mut both = Both::new(16, 3, 16 << 20);
    for line in input.split(|byte| *byte == b'\n') {
        let Some((kind, rest)) = line.split_first() else { continue };
        match kind {
            b'l' => {
                let text = String::from_utf8_lossy(rest);
                let mut numbers = text.split(' ').filter_map(|number| number.parse().ok());
                let mut next = || numbers.next().unwrap_or_default();
                both = Both::new(next(), next(), next());
            }
            b'j' | b'e' => {
                if *kind == b'j' {
                    both.presence.handle_joined();
                } else {
                    both.presence.handle_errored();
                }
                both.model.begin_anew();
                assert_eq!(both.presence.status(), PresenceStatus::Pending);
            }
            b's' | b'd' => both.handle(*kind == b's', rest),
            _ => {}
        }
    }
}

/// A presence and its model.
struct Both {
    presence: Presence,
    model: Model,
}

impl Both {
    fn new(max_metas: usize, max_pending_diffs: usize, max_bytes: usize) -> Self {
        let mut config = PresenceConfig::default();
        config.max_metas = max_metas;
        config.max_pending_diffs = max_pending_diffs;
        config.max_bytes = max_bytes;
        Both { presence: Presence::with_config(config), model: Model::new() }
    }

    /// Passes an event to both.
    fn handle(&mut self, is_state: bool, text: &[u8]) {
        let payload = Payload::from_unchecked_json(text.to_vec().into());
        let before = list(&self.presence);
        let snapshot = self.presence.snapshot();
        let event = if is_state { "presence_state" } else { "presence_diff" };
        let result = self.presence.handle_event(event, &payload);
        let expected = self.model.handle(is_state, text, self.presence.config());
        let after = list(&self.presence);
        match (result, expected) {
            (Err(error), Err(refusal)) => {
                assert!(may_be(&error, refusal), "{error:?}, but {refusal:?}");
                let _ = format!("{error} {error:?}");
                assert_eq!(error.payload(), Some(&payload));
                assert_eq!(before, after, "a refused payload changes nothing");
                assert_eq!(self.presence.status(), PresenceStatus::Incomplete);
            }
            (Ok(Some(changes)), Ok(())) => assert_eq!(fold(before.clone(), &changes), after),
            (result, expected) => panic!("{result:?}, but {expected:?}"),
        }
        self.agrees();
        let snapshot = snapshot.iter().map(|(key, entry)| (key.to_string(), refs(entry)));
        assert_eq!(snapshot.collect::<List>(), before, "a snapshot stays");
    }

    /// Panics unless the list is the model's, and within the limits.
    fn agrees(&self) {
        let list = self.presence.list();
        assert_eq!(list.len(), self.model.list.len());
        let (mut metas, mut bytes) = (0, 0);
        for ((key, entry), (expected, present)) in list.zip(&self.model.list) {
            assert_eq!((&**key, entry.extra()), (&**expected, &present.extra));
            assert_eq!(entry.metas().len(), present.metas.len());
            for (meta, expected) in entry.metas().zip(&present.metas) {
                assert_eq!((meta.phx_ref(), meta.data()), (&*expected.phx_ref, &expected.data));
            }
            metas += present.metas.len().max(1);
            bytes += key.len() + entry.size();
        }
        assert!(metas <= self.presence.config().max_metas, "{metas} metas");
        assert!(bytes <= self.presence.config().max_bytes, "{bytes} bytes");
    }
}

/// Returns true if the error is one of the model's reasons. A payload that is no list of presences may also exceed the
/// limit of metas before that shows.
fn may_be(error: &PresenceError, refusal: UpgradeRejection) -> bool {
    match error {
        PresenceError::Payload(_) => refusal.payload,
        PresenceError::TooManyMetas { .. } => refusal.metas || refusal.payload,
        PresenceError::TooManyPendingDiffs { .. } => refusal.diffs,
        PresenceError::TooManyBytes { .. } => refusal.bytes,
        other => panic!("{other:?}"),
    }
}

/// Returns the list that results from `list` and these changes.
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
