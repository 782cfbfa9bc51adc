//! One presence: its metas, and what the server says beside them.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

use super::metas::Metas;

/// What is known of one key: a meta for each process that tracks it (one per device, or per tab),
/// and what the server adds beside them.
///
/// `Debug` shows the number of metas only.
pub struct PresenceEntry<M, E> {
    // Both are shared by the list and its changes, so that neither `M` nor `E` has to be `Clone`.
    pub(super) metas: Metas<M>,
    pub(super) extra: Arc<E>,
    /// Bytes of the entry's text beside its metas'.
    pub(super) extra_size: usize,
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

    /// The length of the JSON text that it was made of, in bytes: what it counts for in
    /// [`PresenceConfig::max_bytes`](super::PresenceConfig::max_bytes).
    #[must_use]
    pub fn size(&self) -> usize {
        self.metas.size().saturating_add(self.extra_size)
    }

    /// The same presence with other metas.
    pub(super) fn with_metas(&self, metas: Metas<M>) -> Arc<Self> {
        let (extra, extra_size) = (Arc::clone(&self.extra), self.extra_size);
        Arc::new(PresenceEntry { metas, extra, extra_size })
    }
}

/// Whatever the texts looked like.
impl<M: PartialEq, E: PartialEq> PartialEq for PresenceEntry<M, E> {
    fn eq(&self, other: &Self) -> bool {
        self.metas.iter().eq(other.metas.iter()) && self.extra == other.extra
    }
}

impl<M: Eq, E: Eq> Eq for PresenceEntry<M, E> {}

impl<M, E> fmt::Debug for PresenceEntry<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PresenceEntry({} metas)", self.metas.len())
    }
}

/// One meta of a presence.
///
/// `Debug` shows the refs only.
pub struct PresenceMeta<M> {
    pub(super) phx_ref: Box<str>,
    pub(super) phx_ref_prev: Option<Box<str>>,
    pub(super) data: M,
    /// Bytes of the meta's text.
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

/// Whatever the texts looked like.
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
