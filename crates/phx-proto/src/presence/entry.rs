//! One presence: its metas, and what the server says beside them.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// What is known of one key: a meta for each process that tracks it (one per device, or per tab),
/// and what the server adds beside them.
///
/// `Debug` shows the number of metas only.
#[derive(PartialEq, Eq)]
pub struct PresenceEntry<M, E> {
    // Both are shared by the list and its changes, so that neither `M` nor `E` has to be `Clone`.
    pub(super) metas: Vec<Arc<PresenceMeta<M>>>,
    pub(super) extra: Arc<E>,
}

impl<M, E> PresenceEntry<M, E> {
    /// The metas, the oldest first. None only where a [`Left`](super::PresenceChange::Left) says
    /// that nothing remains.
    #[must_use]
    pub fn metas(&self) -> impl ExactSizeIterator<Item = &PresenceMeta<M>> + Clone {
        self.metas.iter().map(|meta| &**meta)
    }

    /// What the presence has beside its metas, such as the `user` that a server's `fetch/2` adds.
    #[must_use]
    pub fn extra(&self) -> &E {
        &self.extra
    }
}

impl<M, E> fmt::Debug for PresenceEntry<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PresenceEntry({} metas)", self.metas.len())
    }
}

/// One meta of a presence.
///
/// `Debug` shows the refs only.
#[derive(PartialEq, Eq)]
pub struct PresenceMeta<M> {
    pub(super) phx_ref: Box<str>,
    pub(super) phx_ref_prev: Option<Box<str>>,
    pub(super) data: M,
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

impl<M> fmt::Debug for PresenceMeta<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresenceMeta")
            .field("phx_ref", &self.phx_ref)
            .field("phx_ref_prev", &self.phx_ref_prev)
            .finish_non_exhaustive()
    }
}
