//! The rules by which states and diffs change a list: phoenix.js's `syncState` and `syncDiff`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytestring::ByteString;

use super::wire::{Diff, Entries};
use super::{PresenceChange, PresenceEntry, PresenceList};

impl<M, E> PresenceList<M, E> {
    /// Makes the list equal to `state`: what differs by `phx_ref` becomes a diff.
    pub(super) fn sync_state(
        &mut self,
        mut state: Entries<M, E>,
        changes: &mut Vec<PresenceChange<M, E>>,
    ) {
        let mut leaves = Vec::new();
        for (key, current) in self.iter() {
            let left = match state.binary_search_by(|(other, _)| other.cmp(key)) {
                Err(_) => Arc::clone(current),
                Ok(index) => {
                    let Some((_, new)) = state.get(index) else { continue };
                    let left = current.metas.not_in(&new.metas);
                    if left.is_empty() {
                        continue;
                    }
                    current.with_metas(left.into())
                }
            };
            leaves.push((key.clone(), left));
        }
        state.retain_mut(|(key, new)| {
            let Some(current) = self.get(key) else {
                return true;
            };
            let joined = new.metas.not_in(&current.metas);
            let has_joined = !joined.is_empty();
            if has_joined {
                *new = new.with_metas(joined.into());
            }
            has_joined
        });
        self.sync_diff(&Diff { joins: state, leaves }, changes);
    }

    pub(super) fn sync_diff(&mut self, diff: &Diff<M, E>, changes: &mut Vec<PresenceChange<M, E>>) {
        // With room for the last change, which says that all are made.
        let len = diff.joins.len().saturating_add(diff.leaves.len()).saturating_add(1);
        changes.reserve_exact(len);
        // Joins first, as in phoenix.js: an update never shows its key as gone.
        for (key, joined) in &diff.joins {
            changes.push(self.join(key, joined));
        }
        for (key, left) in &diff.leaves {
            changes.extend(self.leave(key, left));
        }
    }

    fn join(
        &mut self,
        key: &ByteString,
        joined: &Arc<PresenceEntry<M, E>>,
    ) -> PresenceChange<M, E> {
        let before = self.get(key).cloned();
        let after = match &before {
            Some(before) => {
                // A meta that is there already goes to the end with the new ones, as in phoenix.js.
                joined.with_metas(before.metas.without(&joined.metas).followed_by(&joined.metas))
            }
            None => Arc::clone(joined),
        };
        self.insert(key.clone(), after);
        PresenceChange::Joined { key: key.clone(), before, joined: Arc::clone(joined) }
    }

    /// A leave of an unknown key is nothing; one of unknown metas is reported, as in phoenix.js.
    fn leave(
        &mut self,
        key: &ByteString,
        left: &Arc<PresenceEntry<M, E>>,
    ) -> Option<PresenceChange<M, E>> {
        let current = self.get(key)?;
        let after = current.with_metas(current.metas.without(&left.metas));
        if after.metas.is_empty() {
            self.remove(key);
        } else {
            self.insert(key.clone(), Arc::clone(&after));
        }
        Some(PresenceChange::Left { key: key.clone(), after, left: Arc::clone(left) })
    }
}
