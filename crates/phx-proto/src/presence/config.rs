//! The settings of presence: events and limits.

use bytestring::ByteString;

use crate::message::event;

/// The settings of a [`Presence`](super::Presence).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresenceConfig {
    /// The event that carries everybody who is present. Default: `presence_state`.
    pub state_event: ByteString,
    /// The event that carries who came and who went. Default: `presence_diff`.
    pub diff_event: ByteString,
    /// The most diffs that may wait for the state of the current join. Default: 1,000.
    pub max_pending_diffs: usize,
    /// How many metas all keys may have together; a key without metas counts as one. The same again
    /// may wait in diffs, and no state, no `joins` and no `leaves` may have more. Default: 100,000.
    pub max_metas: usize,
    /// Bytes of JSON text that the list was made of, keys included, at the most. The same again
    /// may wait in diffs, and no payload may be longer. Default: 16 MiB.
    ///
    /// What your types make of a text takes more than the text: a [`Value`](serde_json::Value) of small objects up to 100 times
    /// as much.
    pub max_bytes: usize,
}

impl Default for PresenceConfig {
    fn default() -> Self {
        PresenceConfig {
            state_event: event::PRESENCE_STATE,
            diff_event: event::PRESENCE_DIFF,
            max_pending_diffs: 1_000,
            max_metas: 100_000,
            max_bytes: 16 << 20,
        }
    }
}
