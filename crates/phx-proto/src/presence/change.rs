//! Changes in a list of presences.

use alloc::sync::Arc;
use core::fmt;

use bytestring::ByteString;

use super::PresenceEntry;

/// One change in a list of presences: phoenix.js's `onJoin`, `onLeave` and `onSync`.
///
/// An update of a meta is a join of the new meta, which knows the old one's `phx_ref` as its
/// `phx_ref_prev`, and a leave of the old one. A join may report a meta that was present already: the
/// server sends a client that joins both the diff of its own join and a state which includes it.
/// A user is new if `before` is `None`, and gone if `after` has no metas.
///
/// `Debug` shows neither keys nor metas. Cloning copies no meta.
#[non_exhaustive]
pub enum PresenceChange<M, E> {
    /// Metas joined.
    Joined {
        /// The key of the presence.
        key: ByteString,
        /// The presence before the change; `None` if the key is new.
        before: Option<Arc<PresenceEntry<M, E>>>,
        /// The metas that joined.
        joined: Arc<PresenceEntry<M, E>>,
    },
    /// Metas left.
    Left {
        /// The key of the presence.
        key: ByteString,
        /// The presence after the change. If it has no metas, the key is gone.
        after: Arc<PresenceEntry<M, E>>,
        /// The metas that left.
        left: Arc<PresenceEntry<M, E>>,
    },
    /// A state with the diffs that waited for it, or one diff, has been applied in full.
    Synced,
}

impl<M, E> Clone for PresenceChange<M, E> {
    fn clone(&self) -> Self {
        match self {
            PresenceChange::Joined { key, before, joined } => PresenceChange::Joined {
                key: key.clone(),
                before: before.clone(),
                joined: Arc::clone(joined),
            },
            PresenceChange::Left { key, after, left } => PresenceChange::Left {
                key: key.clone(),
                after: Arc::clone(after),
                left: Arc::clone(left),
            },
            PresenceChange::Synced => PresenceChange::Synced,
        }
    }
}

impl<M, E> fmt::Debug for PresenceChange<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PresenceChange::Joined { before, joined, .. } => f
                .debug_struct("Joined")
                .field("before", before)
                .field("joined", joined)
                .finish_non_exhaustive(),
            PresenceChange::Left { after, left, .. } => f
                .debug_struct("Left")
                .field("after", after)
                .field("left", left)
                .finish_non_exhaustive(),
            PresenceChange::Synced => f.write_str("Synced"),
        }
    }
}
