//! Futures that wait for something that has an id.

use std::collections::HashMap;
use std::hash::Hash;
use std::task::{Context, Poll, Waker};

use foldhash::fast::FixedState;

use super::deferred::Deferred;

/// Capacity that is always kept.
const KEPT: usize = 8;

/// A larger capacity is released as soon as no future waits.
const LARGE: usize = 512;

/// Futures that wait by an id, and the values that have come for them. This side chooses the ids, so a peer can't
/// make them collide, and none is used twice.
///
/// An unneeded waker may hold the last reference to a task and the handles in it. So it is returned to the caller,
/// which drops it after releasing the lock.
pub(crate) struct Waiters<K, V> {
    /// Usually the only one, without a table.
    one: Option<(K, Slot<V>)>,
    others: HashMap<K, Slot<V>, FixedState>,
}

enum Slot<V> {
    Pending(Option<Waker>),
    Done(V),
}

impl<K: Eq + Hash, V> Waiters<K, V> {
    /// Registers a future that waits for `key`.
    pub(crate) fn register(&mut self, key: K) {
        let slot = Slot::Pending(None);
        match &self.one {
            None => self.one = Some((key, slot)),
            Some(_) => drop(self.others.insert(key, slot)),
        }
    }

    /// Keeps what `keep` makes of `value` for the future that waits for `key`, and returns its waker. If there is no
    /// such future, `value` comes back.
    pub(crate) fn resolve(
        &mut self,
        key: &K,
        value: V,
        keep: impl FnOnce(V) -> V,
    ) -> Result<Option<Waker>, V> {
        match self.slot(key) {
            Some(slot @ Slot::Pending(_)) => {
                match std::mem::replace(slot, Slot::Done(keep(value))) {
                    Slot::Pending(waker) => Ok(waker),
                    Slot::Done(before) => Err(before),
                }
            }
            Some(Slot::Done(_)) | None => Err(value),
        }
    }

    /// Returns the value for `key`, once, and the previous waker.
    pub(crate) fn poll(&mut self, key: &K, cx: &Context<'_>) -> (Poll<V>, Option<Waker>) {
        if let Some(Slot::Pending(waker)) = self.slot(key) {
            return (Poll::Pending, waker.replace(cx.waker().clone()));
        }
        let polled = match self.remove(key) {
            Some(Slot::Done(value)) => Poll::Ready(value),
            Some(Slot::Pending(_)) | None => Poll::Pending,
        };
        (polled, None)
    }

    /// Forgets the future that waits for `key`. Returns its waker, or the value that had come.
    pub(crate) fn forget(&mut self, key: &K) -> (Option<Waker>, Option<V>) {
        match self.remove(key) {
            Some(Slot::Pending(waker)) => (waker, None),
            Some(Slot::Done(value)) => (None, Some(value)),
            None => (None, None),
        }
    }

    fn slot(&mut self, key: &K) -> Option<&mut Slot<V>> {
        match &mut self.one {
            Some((one, slot)) if one == key => Some(slot),
            _ => self.others.get_mut(key),
        }
    }

    fn remove(&mut self, key: &K) -> Option<Slot<V>> {
        if let Some((_, slot)) = self.one.take_if(|(one, _)| one == key) {
            return Some(slot);
        }
        let slot = self.others.remove(key);
        if self.others.is_empty() && self.others.capacity() > LARGE {
            self.shrink();
        }
        slot
    }

    /// Shrinks the table after a burst.
    pub(crate) fn shrink(&mut self) {
        self.others.shrink_to(self.others.len().saturating_mul(2).max(KEPT));
    }

    pub(crate) fn take_wakers(&mut self, deferred: &mut Deferred) {
        let slots = self.one.iter_mut().map(|(_, slot)| slot).chain(self.others.values_mut());
        deferred.wake(slots.filter_map(|slot| match slot {
            Slot::Pending(waker) => waker.take(),
            Slot::Done(_) => None,
        }));
    }
}

impl<K, V> Default for Waiters<K, V> {
    fn default() -> Self {
        Waiters { one: None, others: HashMap::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_a_peak_is_given_back_and_what_waits_is_kept() {
        let mut waiting = Waiters::<u32, u32>::default();
        (0..10_000).for_each(|key| waiting.register(key));
        assert!(waiting.resolve(&7, 70, |value| value).is_ok());
        (100..10_000).for_each(|key| drop(waiting.forget(&key)));
        waiting.shrink();
        assert!(waiting.others.capacity() < 1_000, "{}", waiting.others.capacity());
        let (polled, _) = waiting.poll(&7, &Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(70));
        (0..100).for_each(|key| drop(waiting.forget(&key)));
        (10_000..20_000).for_each(|key| waiting.register(key));
        (10_000..20_000).for_each(|key| drop(waiting.forget(&key)));
        assert!(waiting.others.capacity() < 2 * KEPT, "{}", waiting.others.capacity());
    }
}
