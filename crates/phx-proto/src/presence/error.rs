//! The error of a presence payload that was refused.

use crate::{Payload, PayloadError};

/// The error of a presence event whose payload was refused. The list is as it was before;
/// [`payload`](Self::payload) hands the payload back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// It isn't a state or a diff, or a part of it isn't of the type that is wanted.
    #[error("the payload isn't a presence state or diff of the expected types")]
    Payload(#[from] PayloadError),
    /// With it there would be more metas than
    /// [`max_metas`](super::PresenceConfig::max_metas).
    #[error("more than {limit} presence metas")]
    #[non_exhaustive]
    TooManyMetas {
        /// The limit, in metas of all keys.
        limit: usize,
        /// The payload, as it came.
        payload: Payload,
    },
    /// As many diffs as [`max_pending_diffs`](super::PresenceConfig::max_pending_diffs) wait for a
    /// state already.
    #[error("more than {limit} presence diffs before the state")]
    #[non_exhaustive]
    TooManyPendingDiffs {
        /// The limit, in diffs that wait.
        limit: usize,
        /// The payload, as it came.
        payload: Payload,
    },
    /// With it the list, or the diffs that wait for a state, would be made of more text than
    /// [`max_bytes`](super::PresenceConfig::max_bytes).
    #[error("more than {limit} bytes of presences")]
    #[non_exhaustive]
    TooManyBytes {
        /// The limit, in bytes of JSON text.
        limit: usize,
        /// The payload, as it came.
        payload: Payload,
    },
}

impl PresenceError {
    /// The payload that was refused, as it came.
    #[must_use]
    pub fn payload(&self) -> Option<&Payload> {
        match self {
            PresenceError::Payload(error) => error.payload(),
            PresenceError::TooManyMetas { payload, .. }
            | PresenceError::TooManyPendingDiffs { payload, .. }
            | PresenceError::TooManyBytes { payload, .. } => Some(payload),
        }
    }
}
