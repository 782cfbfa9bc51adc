//! The presences of a channel at one moment.

use alloc::sync::Arc;
use core::fmt;

use bytestring::ByteString;

use super::tree::Tree;
use super::{PresenceConfig, PresenceEntry, PresenceError};
use crate::Payload;

/// The presences of a channel at one moment, in the order of their keys.
///
/// A clone costs a reference count and shares what it holds, whatever its length: it stays as it is while the
/// [`Presence`](super::Presence) that it is from goes on.
///
/// `Debug` shows the number of keys, and no key.
pub struct PresenceList<M, E> {
    entries: Tree<Present<M, E>>,
    weight: Weight,
}

/// A key and its presence.
type Present<M, E> = (ByteString, Arc<PresenceEntry<M, E>>);

impl<M, E> PresenceList<M, E> {
    /// The presences in the order of their keys.
    #[must_use]
    pub fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = (&ByteString, &Arc<PresenceEntry<M, E>>)> + Clone {
        self.entries.iter().map(|(key, entry)| (key, entry))
    }

    /// The presence of this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Arc<PresenceEntry<M, E>>> {
        self.entries.get(|(other, _)| (**other).cmp(key)).map(|(_, entry)| entry)
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns `true` if there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sum of the entries' weights.
    pub(super) fn weight(&self) -> Weight {
        self.weight
    }

    /// A copy to go back to, if growing by `growth` could exceed a limit; otherwise `None`, so that
    /// the list changes in place.
    pub(super) fn clone_if_over(&self, config: &PresenceConfig, growth: Weight) -> Option<Self> {
        let most = self.weight.plus(growth);
        (most.metas > config.max_metas || most.bytes > config.max_bytes).then(|| self.clone())
    }

    pub(super) fn insert(&mut self, key: ByteString, entry: Arc<PresenceEntry<M, E>>) {
        let weight = Weight::of(&key, &entry);
        let replaced = self.entries.insert((key, entry), |(one, _), (other, _)| one.cmp(other));
        let before = replaced.as_ref().map(|(key, entry)| Weight::of(key, entry));
        self.weight = self.weight.minus(before.unwrap_or_default()).plus(weight);
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some((key, entry)) = self.entries.remove(|(other, _)| (**other).cmp(key)) {
            self.weight = self.weight.minus(Weight::of(&key, &entry));
        }
    }
}

impl<M, E> Clone for PresenceList<M, E> {
    fn clone(&self) -> Self {
        PresenceList { entries: self.entries.clone(), weight: self.weight }
    }
}

impl<M, E> Default for PresenceList<M, E> {
    fn default() -> Self {
        PresenceList { entries: Tree::new(), weight: Weight::default() }
    }
}

impl<M, E> fmt::Debug for PresenceList<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PresenceList({} keys)", self.len())
    }
}

/// The amounts that count towards the limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// Number of metas. A key without metas counts as one, so that keys are limited as well.
    pub(super) metas: usize,
    /// Length of JSON text and keys in bytes.
    pub(super) bytes: usize,
}

impl Weight {
    fn of<M, E>(key: &ByteString, entry: &PresenceEntry<M, E>) -> Self {
        let bytes = key.len().saturating_add(entry.size());
        Weight { metas: entry.metas.len().max(1), bytes }
    }

    /// Checks the weight against the limits; the error holds `payload`.
    pub(super) fn check(
        self,
        config: &PresenceConfig,
        payload: &Payload,
    ) -> Result<(), PresenceError> {
        let limit = config.max_metas;
        if self.metas > limit {
            return Err(PresenceError::TooManyMetas { limit, payload: payload.clone() });
        }
        let limit = config.max_bytes;
        if self.bytes > limit {
            return Err(PresenceError::TooManyBytes { limit, payload: payload.clone() });
        }
        Ok(())
    }

    pub(super) fn plus(self, other: Self) -> Self {
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
