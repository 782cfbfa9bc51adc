//! One presence: its metas, and the fields that the server adds beside them.

use alloc::sync::Arc;
use core::fmt;

use super::meta::PresenceMeta;
use super::metas::Metas;

/// The presence of one key: a meta for each process that tracks it (one per device, or per tab),
/// and the fields that the server adds beside them.
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

    /// The fields beside the metas, such as the `user` that a server's `fetch/2` adds.
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

/// Compares refs and decoded values; the lengths of the JSON texts don't count.
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
