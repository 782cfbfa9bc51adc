//! One meta of a presence: one process that tracks the key.

use alloc::boxed::Box;
use core::fmt;

/// One meta of a presence.
///
/// `Debug` shows the refs only.
pub struct PresenceMeta<M> {
    pub(super) phx_ref: Box<str>,
    pub(super) phx_ref_prev: Option<Box<str>>,
    pub(super) data: M,
    /// Length of the meta's JSON text in bytes.
    pub(super) size: usize,
}

impl<M> PresenceMeta<M> {
    /// The server's name of this meta. An update gives it a new one.
    #[must_use]
    pub fn phx_ref(&self) -> &str {
        &self.phx_ref
    }

    /// The `phx_ref` before an update; none if there was none.
    #[must_use]
    pub fn phx_ref_prev(&self) -> Option<&str> {
        self.phx_ref_prev.as_deref()
    }

    /// The meta itself, as `M` decodes it.
    #[must_use]
    pub fn data(&self) -> &M {
        &self.data
    }
}

/// Compares refs and decoded values; the lengths of the JSON texts don't count.
impl<M: PartialEq> PartialEq for PresenceMeta<M> {
    fn eq(&self, other: &Self) -> bool {
        self.phx_ref == other.phx_ref
            && self.phx_ref_prev == other.phx_ref_prev
            && self.data == other.data
    }
}

impl<M: Eq> Eq for PresenceMeta<M> {}

impl<M> fmt::Debug for PresenceMeta<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresenceMeta")
            .field("phx_ref", &self.phx_ref)
            .field("phx_ref_prev", &self.phx_ref_prev)
            .finish_non_exhaustive()
    }
}
