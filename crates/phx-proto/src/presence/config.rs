//! The settings of presence: events and limits.

use bytestring::ByteString;

use crate::message::event;

/// The settings of a [`Presence`](super::Presence).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresenceConfig {
    /// The event that carries the whole list. Default: `presence_state`.
    pub state_event: ByteString,
    /// The event that carries joins and leaves. Default: `presence_diff`.
    pub diff_event: ByteString,
    /// The most diffs that may wait for the state of the current join. Default: 1,000.
    pub max_pending_diffs: usize,
    /// The most metas that all keys may have together; a key without metas counts as one. As many
    /// again may wait in diffs, and no state, no `joins` and no `leaves` may have more. Default:
    /// 100,000.
    pub max_metas: usize,
    /// The most bytes of JSON text that the list may be made of, keys included. As many again may
    /// wait in diffs, and no payload may be longer. Default: 16 MiB.
    ///
    /// Decoded values take more memory than their text: a [`Value`](serde_json::Value) of small
    /// objects up to 100 times as much.
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

impl PresenceConfig {
    /// Limits for machines with a few KiB of memory, as [`Config::small`](crate::Config::small): 32 metas, made of at most
    /// 2 KiB of JSON text.
    ///
    /// Decode metas to a small type: the default one, a map of values, takes many times the text.
    #[must_use]
    pub fn small() -> Self {
        PresenceConfig {
            max_pending_diffs: 4,
            max_metas: 32,
            max_bytes: 2 << 10,
            ..PresenceConfig::default()
        }
    }
}
