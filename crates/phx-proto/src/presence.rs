//! Who is there: folds the presence events of a channel into a list.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytestring::ByteString;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::Payload;
use crate::message::event;

mod change;
mod entry;
mod error;
mod sync;
mod wire;

pub use change::PresenceChange;
pub use entry::{PresenceEntry, PresenceMeta};
pub use error::PresenceError;

use sync::{Outcome, Staged, Weight};
use wire::{Diff, State};

/// The settings of a [`Presence`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresenceConfig {
    /// The event that carries everybody who is present. Default: `presence_state`.
    pub state_event: ByteString,
    /// The event that carries who came and who went. Default: `presence_diff`.
    pub diff_event: ByteString,
    /// How many diffs may wait for the state of the current join. Default: 1,000.
    pub max_pending_diffs: usize,
    /// How many metas all keys may have together; a key without metas counts as one. Default:
    /// 100,000.
    pub max_metas: usize,
    /// Bytes of JSON text that the list was made of, keys included, at the most; and the same again
    /// for the diffs that wait. Default: 64 MiB.
    pub max_bytes: usize,
}

impl Default for PresenceConfig {
    fn default() -> Self {
        PresenceConfig {
            state_event: event::PRESENCE_STATE,
            diff_event: event::PRESENCE_DIFF,
            max_pending_diffs: 1_000,
            max_metas: 100_000,
            max_bytes: 64 << 20,
        }
    }
}

/// How far a [`Presence`] can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresenceStatus {
    /// The state of the current join hasn't come yet: the list is that of the join before.
    Pending,
    /// The list is the server's.
    Synced,
    /// A payload of the current join was refused, so the list lacks what it said. Joining again
    /// mends that.
    Incomplete,
}

/// The presences of one channel: a pure fold over its presence events.
///
/// Feed it with every message of the channel by [`handle_event`](Self::handle_event), and tell it of
/// every join and rejoin by [`handle_joined`](Self::handle_joined). What comes out are the
/// [changes](PresenceChange), with the rules of phoenix.js's `Presence`:
///
/// - A state makes the list equal to what it says; joins and leaves are what differs by `phx_ref`
///   from the list before, also across rejoins.
/// - A diff that comes before the state of the current join waits for it. (The server does send the
///   joiner its own diff first.)
/// - Joins are applied before leaves. New metas go after those that stay. A key whose last meta left
///   is gone.
///
/// There are two differences. A diff that waits when the channel errors or rejoins is dropped:
/// phoenix.js applies it after the rejoin, and shows people who aren't there. And keys come in the
/// order of their text, in the list as in the changes of one payload, whatever the history;
/// phoenix.js's order is that of a JavaScript object.
///
/// `M` is the type of a meta; the default takes any JSON. It sees the whole meta, `phx_ref` and
/// `phx_ref_prev` included. `E` is the type of what a presence has beside its metas, such as the
/// `user` that a server's `fetch/2` adds; the default takes any fields. A payload of which any part
/// doesn't decode is an error and changes nothing in the list.
///
/// Applying a diff costs in proportion to the diff and to the metas of the keys it names, whatever
/// the number of other keys. Metas are never copied: list and changes share them.
///
/// `Debug` shows how many there are, not who.
///
/// # Examples
///
/// ```
/// use phx_proto::{Payload, Presence, PresenceChange};
///
/// #[derive(serde::Deserialize)]
/// struct Meta { device: String }
///
/// let mut presence = Presence::<Meta>::new();
/// presence.handle_joined();
/// let state = Payload::from_json_text(
///     r#"{"ann": {"metas": [{"phx_ref": "F1", "device": "phone"}]}}"#,
/// )?;
/// let changes = presence.handle_event("presence_state", &state)?.unwrap_or_default();
/// assert!(matches!(&changes[0],
///     PresenceChange::Joined { key, before: None, joined }
///         if key == "ann" && joined.metas().all(|meta| meta.data().device == "phone")));
/// assert!(matches!(changes[1], PresenceChange::Synced));
///
/// assert_eq!(presence.list_by(|key, _| key.to_string()), ["ann"]);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct Presence<M = Value, E = Map<String, Value>> {
    config: PresenceConfig,
    entries: BTreeMap<ByteString, Arc<PresenceEntry<M, E>>>,
    /// The sum of the entries' weights.
    weight: Weight,
    phase: Phase<M, E>,
    /// Whether a payload of the current join was refused.
    refused: bool,
}

enum Phase<M, E> {
    /// Waiting for the state of the current join, with the diffs that came before it.
    Pending {
        diffs: Vec<Diff<M, E>>,
        /// Bytes of the diffs' payloads.
        bytes: usize,
    },
    Synced,
}

impl<M, E> Phase<M, E> {
    const WAITING: Self = Phase::Pending { diffs: Vec::new(), bytes: 0 };
}

impl<M, E> Presence<M, E> {
    /// Nobody, with the default settings, before the first join.
    #[must_use]
    pub fn new() -> Self {
        Presence::with_config(PresenceConfig::default())
    }

    /// Nobody, with these settings, before the first join.
    ///
    /// # Examples
    ///
    /// ```
    /// use phx_proto::{Presence, PresenceConfig};
    ///
    /// let mut config = PresenceConfig::default();
    /// config.state_event = "players".into();
    /// config.diff_event = "players_diff".into();
    /// let presence: Presence = Presence::with_config(config);
    /// assert!(presence.is_empty());
    /// ```
    #[must_use]
    pub fn with_config(config: PresenceConfig) -> Self {
        Presence {
            config,
            entries: BTreeMap::new(),
            weight: Weight::default(),
            phase: Phase::WAITING,
            refused: false,
        }
    }

    /// The channel was joined or rejoined: call it before the first message of that join.
    ///
    /// Diffs that wait for a state are dropped, since the new state includes them. The list stays as
    /// it is until that state comes; the changes then are what differs.
    pub fn handle_joined(&mut self) {
        self.phase = Phase::WAITING;
        self.refused = false;
    }

    /// The channel errored, or its connection was lost: the same as
    /// [`handle_joined`](Self::handle_joined), so that [`status`](Self::status) says so at once.
    pub fn handle_errored(&mut self) {
        self.handle_joined();
    }

    /// How far the list can be trusted.
    #[must_use]
    pub fn status(&self) -> PresenceStatus {
        match self.phase {
            _ if self.refused => PresenceStatus::Incomplete,
            Phase::Pending { .. } => PresenceStatus::Pending,
            Phase::Synced => PresenceStatus::Synced,
        }
    }

    /// The presences in the order of their keys.
    pub fn list(
        &self,
    ) -> impl ExactSizeIterator<Item = (&ByteString, &Arc<PresenceEntry<M, E>>)> + Clone {
        self.entries.iter()
    }

    /// What `by` makes of each presence, in the order of their keys: phoenix.js's `list(by)`.
    pub fn list_by<T>(&self, mut by: impl FnMut(&str, &PresenceEntry<M, E>) -> T) -> Vec<T> {
        self.entries.iter().map(|(key, entry)| by(key, entry)).collect()
    }

    /// The presence of this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Arc<PresenceEntry<M, E>>> {
        self.entries.get(key)
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody is present.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &PresenceConfig {
        &self.config
    }
}

impl<M: DeserializeOwned, E: DeserializeOwned> Presence<M, E> {
    /// A message of the channel came. `None`: it isn't one of the two presence events.
    ///
    /// A state or a diff that is applied gives its changes in order, [`Synced`] last and once. A
    /// diff that has to wait for the state gives none yet.
    ///
    /// [`Synced`]: PresenceChange::Synced
    ///
    /// # Errors
    ///
    /// The payload was refused: the list is unchanged, and the [status](Self::status) is
    /// [`Incomplete`](PresenceStatus::Incomplete) until the next join.
    ///
    /// - [`PresenceError::Payload`] if it isn't a state or a diff, or a part of it isn't an `M` or
    ///   an `E`.
    /// - [`PresenceError::TooManyMetas`], [`PresenceError::TooManyPendingDiffs`] and
    ///   [`PresenceError::TooManyBytes`] if it would exceed a limit of the
    ///   [configuration](PresenceConfig).
    pub fn handle_event(
        &mut self,
        event: &str,
        payload: &Payload,
    ) -> Result<Option<Vec<PresenceChange<M, E>>>, PresenceError> {
        let result = if self.config.state_event == *event {
            self.handle_state(payload)
        } else if self.config.diff_event == *event {
            self.handle_diff(payload)
        } else {
            return Ok(None);
        };
        self.refused |= result.is_err();
        result.map(Some)
    }

    fn handle_state(
        &mut self,
        payload: &Payload,
    ) -> Result<Vec<PresenceChange<M, E>>, PresenceError> {
        let state: State<M, E> = payload.decode()?;
        let mut staged = Staged::new(&self.entries, self.weight);
        staged.sync_state(state);
        if let Phase::Pending { diffs, .. } = &self.phase {
            for diff in diffs {
                staged.sync_diff(diff);
            }
        }
        let changes = self.commit(staged.finish(), payload)?;
        self.phase = Phase::Synced;
        Ok(changes)
    }

    fn handle_diff(
        &mut self,
        payload: &Payload,
    ) -> Result<Vec<PresenceChange<M, E>>, PresenceError> {
        let diff: Diff<M, E> = payload.decode()?;
        if let Phase::Pending { diffs, bytes } = &mut self.phase {
            let limit = self.config.max_pending_diffs;
            if diffs.len() >= limit {
                let payload = payload.clone();
                return Err(PresenceError::TooManyPendingDiffs { limit, payload });
            }
            let total = bytes.saturating_add(payload.len());
            let limit = self.config.max_bytes;
            if total > limit {
                return Err(PresenceError::TooManyBytes { limit, payload: payload.clone() });
            }
            *bytes = total;
            diffs.push(diff);
            return Ok(Vec::new());
        }
        let mut staged = Staged::new(&self.entries, self.weight);
        staged.sync_diff(&diff);
        self.commit(staged.finish(), payload)
    }

    /// The only place where the list changes: all of a payload, or nothing of it.
    fn commit(
        &mut self,
        outcome: Outcome<M, E>,
        payload: &Payload,
    ) -> Result<Vec<PresenceChange<M, E>>, PresenceError> {
        let limit = self.config.max_metas;
        if outcome.weight.metas > limit {
            return Err(PresenceError::TooManyMetas { limit, payload: payload.clone() });
        }
        let limit = self.config.max_bytes;
        if outcome.weight.bytes > limit {
            return Err(PresenceError::TooManyBytes { limit, payload: payload.clone() });
        }
        for (key, entry) in outcome.touched {
            match entry {
                Some(entry) => self.entries.insert(key, entry),
                None => self.entries.remove(&key),
            };
        }
        self.weight = outcome.weight;
        let mut changes = outcome.changes;
        changes.push(PresenceChange::Synced);
        Ok(changes)
    }
}

impl<M, E> Default for Presence<M, E> {
    fn default() -> Self {
        Presence::new()
    }
}

impl<M, E> fmt::Debug for Presence<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pending = match &self.phase {
            Phase::Pending { diffs, .. } => diffs.len(),
            Phase::Synced => 0,
        };
        f.debug_struct("Presence")
            .field("status", &self.status())
            .field("len", &self.entries.len())
            .field("pending_diffs", &pending)
            .finish_non_exhaustive()
    }
}
