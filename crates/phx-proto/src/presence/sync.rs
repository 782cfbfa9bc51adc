//! The rules by which states and diffs change a list: phoenix.js's `syncState` and `syncDiff`.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytestring::ByteString;

use super::wire::{Diff, Entries, State};
use super::{PresenceChange, PresenceEntry, PresenceMeta};

/// The changes of one payload, laid over the list they aren't yet part of. It holds only the keys
/// that the payload touches.
pub(super) struct Staged<'a, M, E> {
    entries: &'a Entries<M, E>,
    outcome: Outcome<M, E>,
}

/// What a payload makes of the list.
pub(super) struct Outcome<M, E> {
    /// The touched keys as they are now; `None` is gone.
    pub(super) touched: BTreeMap<ByteString, Option<Arc<PresenceEntry<M, E>>>>,
    /// The sum of the weights of all entries of the list.
    pub(super) weight: Weight,
    pub(super) changes: Vec<PresenceChange<M, E>>,
}

impl<'a, M, E> Staged<'a, M, E> {
    pub(super) fn new(entries: &'a Entries<M, E>, weight: Weight) -> Self {
        let outcome = Outcome { touched: BTreeMap::new(), weight, changes: Vec::new() };
        Staged { entries, outcome }
    }

    pub(super) fn finish(self) -> Outcome<M, E> {
        self.outcome
    }

    /// Makes the list equal to `state`: what differs by `phx_ref` becomes a diff.
    pub(super) fn sync_state(&mut self, State(state): State<M, E>) {
        let mut joins = BTreeMap::new();
        let mut leaves = BTreeMap::new();
        for (key, entry) in self.entries {
            if !state.contains_key(key) {
                leaves.insert(key.clone(), Arc::clone(entry));
            }
        }
        for (key, new) in state {
            let Some(current) = self.current(&key) else {
                joins.insert(key, new);
                continue;
            };
            let joined = without(&new.metas, &current.metas);
            let left = without(&current.metas, &new.metas);
            if !left.is_empty() {
                leaves.insert(key.clone(), entry(left, current));
            }
            if !joined.is_empty() {
                joins.insert(key, entry(joined, &new));
            }
        }
        self.sync_diff(&Diff { joins, leaves });
    }

    pub(super) fn sync_diff(&mut self, diff: &Diff<M, E>) {
        for (key, joined) in &diff.joins {
            self.join(key, joined);
        }
        for (key, left) in &diff.leaves {
            self.leave(key, left);
        }
    }

    fn join(&mut self, key: &ByteString, joined: &Arc<PresenceEntry<M, E>>) {
        let before = self.current(key).cloned();
        let after = match &before {
            Some(before) => {
                let mut metas = without(&before.metas, &joined.metas);
                metas.extend_from_slice(&joined.metas);
                entry(metas, joined)
            }
            None => Arc::clone(joined),
        };
        self.set(key, Some(after));
        let (key, joined) = (key.clone(), Arc::clone(joined));
        self.outcome.changes.push(PresenceChange::Joined { key, before, joined });
    }

    /// A leave of an unknown key is nothing; one of unknown metas is reported, as in phoenix.js.
    fn leave(&mut self, key: &ByteString, left: &Arc<PresenceEntry<M, E>>) {
        let Some(current) = self.current(key) else {
            return;
        };
        let after = entry(without(&current.metas, &left.metas), current);
        self.set(key, (!after.metas.is_empty()).then(|| Arc::clone(&after)));
        let (key, left) = (key.clone(), Arc::clone(left));
        self.outcome.changes.push(PresenceChange::Left { key, after, left });
    }

    fn current(&self, key: &ByteString) -> Option<&Arc<PresenceEntry<M, E>>> {
        match self.outcome.touched.get(key) {
            Some(touched) => touched.as_ref(),
            None => self.entries.get(key),
        }
    }

    fn set(&mut self, key: &ByteString, entry: Option<Arc<PresenceEntry<M, E>>>) {
        let weight = |entry| Weight::of(key, entry);
        let before = self.current(key).map(weight).unwrap_or_default();
        let after = entry.as_ref().map(weight).unwrap_or_default();
        self.outcome.weight = self.outcome.weight.minus(before).plus(after);
        self.outcome.touched.insert(key.clone(), entry);
    }
}

/// What entries count towards the limits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weight {
    pub(super) metas: usize,
    pub(super) bytes: usize,
}

impl Weight {
    /// Never nothing, so that the keys are limited too.
    fn of<M, E>(key: &ByteString, entry: &Arc<PresenceEntry<M, E>>) -> Self {
        let bytes = key.len().saturating_add(entry.size());
        Weight { metas: entry.metas.len().max(1), bytes }
    }

    fn plus(self, other: Self) -> Self {
        Weight {
            metas: self.metas.saturating_add(other.metas),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    fn minus(self, other: Self) -> Self {
        Weight {
            metas: self.metas.saturating_sub(other.metas),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

fn entry<M, E>(
    metas: Vec<Arc<PresenceMeta<M>>>,
    of: &PresenceEntry<M, E>,
) -> Arc<PresenceEntry<M, E>> {
    Arc::new(PresenceEntry { metas, extra: Arc::clone(&of.extra), extra_size: of.extra_size })
}

/// The metas whose ref isn't among those of `others`. A set, because one key may have thousands.
fn without<M>(
    metas: &[Arc<PresenceMeta<M>>],
    others: &[Arc<PresenceMeta<M>>],
) -> Vec<Arc<PresenceMeta<M>>> {
    let refs: BTreeSet<&str> = others.iter().map(|meta| meta.phx_ref()).collect();
    metas.iter().filter(|meta| !refs.contains(meta.phx_ref())).cloned().collect()
}
