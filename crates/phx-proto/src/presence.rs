//! Presence: folds the presence events of a channel into a list.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::{fmt, mem};

use bytestring::ByteString;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::Payload;

mod change;
mod config;
mod entry;
mod error;
mod ignored;
mod list;
mod meta;
mod metas;
mod places;
mod sync;
mod tree;
mod wire;

pub use change::PresenceChange;
pub use config::PresenceConfig;
pub use entry::PresenceEntry;
pub use error::PresenceError;
pub use list::PresenceList;
pub use meta::PresenceMeta;

use list::Weight;
use wire::{Counted, Diff, Kind};

/// The state of a [`Presence`]: complete, outdated or incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresenceStatus {
    /// The state of the current join hasn't come yet: the list is that of the join before.
    Pending,
    /// The list is the server's.
    Synced,
    /// A payload of the current join was refused, so the list lacks its contents, or the transport has lost messages, and
    /// the list may lack changes. Joining again repairs that; after lost messages a state repairs it as well.
    Incomplete,
}

/// The presences of one channel: a pure fold over its presence events.
///
/// Feed it with every message of the channel by [`handle_event`](Self::handle_event), and report to it
/// every join and rejoin by [`handle_joined`](Self::handle_joined). It returns the
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
/// The limits of the [configuration](PresenceConfig) hold while a payload is decoded as well: it is
/// counted first, and nothing of it is decoded or copied before it is known to be within them.
///
/// Applying a diff costs in proportion to the diff, and to the logarithms of how many keys there are and
/// of how many metas a key has. Metas are never copied: list and changes share them.
///
/// `Debug` shows the number of keys, and no key.
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
    list: PresenceList<M, E>,
    phase: Phase<M, E>,
    /// `true` once a payload of the current join was refused.
    refused: bool,
    /// `true` since the transport lost messages of the current join, until a state comes.
    gap: bool,
}

enum Phase<M, E> {
    /// Waiting for the state of the current join, with the diffs that came before it.
    Pending {
        diffs: Vec<Diff<M, E>>,
        /// Sum of the weights of the diffs' payloads.
        weight: Weight,
    },
    Synced,
}

impl<M, E> Phase<M, E> {
    const WAITING: Self =
        Phase::Pending { diffs: Vec::new(), weight: Weight { metas: 0, bytes: 0 } };
}

impl<M, E> Presence<M, E> {
    /// An empty list with the default settings, before the first join.
    #[must_use]
    pub fn new() -> Self {
        Presence::with_config(PresenceConfig::default())
    }

    /// An empty list with these settings, before the first join.
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
        let (list, phase) = (PresenceList::default(), Phase::WAITING);
        Presence { config, list, phase, refused: false, gap: false }
    }

    /// The channel was joined or rejoined: call it before the first message of that join.
    ///
    /// Diffs that wait for a state are dropped, since the new state includes them. The list stays as
    /// it is until that state comes; the changes then are what differs.
    pub fn handle_joined(&mut self) {
        // Old diffs go: phoenix.js applies them after a rejoin, and shows presences that are gone.
        self.phase = Phase::WAITING;
        self.refused = false;
        self.gap = false;
    }

    /// The channel errored, or its connection was lost: the same as
    /// [`handle_joined`](Self::handle_joined), so that [`status`](Self::status) says so at once.
    pub fn handle_errored(&mut self) {
        self.handle_joined();
    }

    /// The transport lost messages, see [`Event::MessagesLost`](crate::Event::MessagesLost): a state or a diff may have
    /// been among them. The list stays as it is, and the [status](Self::status) says so.
    pub fn handle_gap(&mut self) {
        self.gap = true;
    }

    /// Reports whether the list is complete, that of an earlier join, or incomplete.
    #[must_use]
    pub fn status(&self) -> PresenceStatus {
        match self.phase {
            _ if self.refused || self.gap => PresenceStatus::Incomplete,
            Phase::Pending { .. } => PresenceStatus::Pending,
            Phase::Synced => PresenceStatus::Synced,
        }
    }

    /// The presences in the order of their keys.
    pub fn list(
        &self,
    ) -> impl ExactSizeIterator<Item = (&ByteString, &Arc<PresenceEntry<M, E>>)> + Clone {
        self.list.iter()
    }

    /// The presences as they are now. The copy costs a reference count and never changes.
    #[must_use]
    pub fn snapshot(&self) -> PresenceList<M, E> {
        self.list.clone()
    }

    /// The results of `by` for each presence, in the order of their keys: phoenix.js's `list(by)`.
    pub fn list_by<T>(&self, mut by: impl FnMut(&str, &PresenceEntry<M, E>) -> T) -> Vec<T> {
        self.list.iter().map(|(key, entry)| by(key, entry)).collect()
    }

    /// The presence of this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Arc<PresenceEntry<M, E>>> {
        self.list.get(key)
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns `true` if there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
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
        let is_state = self.config.state_event == *event;
        if !is_state && self.config.diff_event != *event {
            return Ok(None);
        }
        // Until it is known better: decoding may panic.
        let refused = mem::replace(&mut self.refused, true);
        let changes =
            if is_state { self.handle_state(payload) } else { self.handle_diff(payload) }?;
        self.refused = refused;
        Ok(Some(changes))
    }

    fn handle_state(
        &mut self,
        payload: &Payload,
    ) -> Result<Vec<PresenceChange<M, E>>, PresenceError> {
        let counted = Counted::new(Kind::State, payload, &self.config)?;
        // Before anything changes: one part of the wrong type refuses the whole.
        let state = counted.decode()?.joins;
        let (diffs, waiting) = match &self.phase {
            Phase::Pending { diffs, weight } => (diffs.as_slice(), *weight),
            Phase::Synced => (&[][..], Weight::default()),
        };
        // The diffs that wait are applied with the state, so they count as well.
        let before = self.list.clone_if_over(&self.config, counted.growth().plus(waiting));
        let mut changes = Vec::new();
        self.list.sync_state(state, &mut changes);
        for diff in diffs {
            self.list.sync_diff(diff, &mut changes);
        }
        self.keep(before, payload)?;
        // Only now: a state that is refused leaves the diffs waiting.
        self.phase = Phase::Synced;
        // Whatever was lost before, the state has it.
        self.gap = false;
        changes.push(PresenceChange::Synced);
        Ok(changes)
    }

    fn handle_diff(
        &mut self,
        payload: &Payload,
    ) -> Result<Vec<PresenceChange<M, E>>, PresenceError> {
        let mut changes = Vec::new();
        if let Phase::Pending { diffs, weight } = &mut self.phase {
            // Before the payload is read, which costs more.
            let limit = self.config.max_pending_diffs;
            if diffs.len() >= limit {
                let payload = payload.clone();
                return Err(PresenceError::TooManyPendingDiffs { limit, payload });
            }
            let counted = Counted::new(Kind::Diff, payload, &self.config)?;
            let total = weight.plus(counted.weight());
            total.check(&self.config, payload)?;
            diffs.push(counted.decode()?);
            *weight = total;
            return Ok(changes);
        }
        let counted = Counted::new(Kind::Diff, payload, &self.config)?;
        let diff = counted.decode()?;
        let before = self.list.clone_if_over(&self.config, counted.growth());
        self.list.sync_diff(&diff, &mut changes);
        self.keep(before, payload)?;
        changes.push(PresenceChange::Synced);
        Ok(changes)
    }

    /// Keeps the list if it is within the limits, or else goes back to what it was before. Where
    /// there is no list to go back to, they can't have been reached.
    fn keep(
        &mut self,
        before: Option<PresenceList<M, E>>,
        payload: &Payload,
    ) -> Result<(), PresenceError> {
        let Some(before) = before else { return Ok(()) };
        let checked = self.list.weight().check(&self.config, payload);
        if checked.is_err() {
            self.list = before;
        }
        checked
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
            .field("len", &self.list.len())
            .field("pending_diffs", &pending)
            .finish_non_exhaustive()
    }
}
