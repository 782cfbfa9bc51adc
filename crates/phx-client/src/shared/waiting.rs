//! Who waits for what has an id.

use std::collections::HashMap;
use std::hash::Hash;
use std::task::{Context, Poll, Waker};

/// Futures that wait for something that has an id, and what has come for them.
pub(crate) struct Waiting<K, V>(HashMap<K, Slot<V>>);

enum Slot<V> {
    Pending(Option<Waker>),
    Done(V),
}

impl<K: Eq + Hash, V> Waiting<K, V> {
    /// Someone waits for `key` from now on.
    pub(crate) fn expect(&mut self, key: K) {
        self.0.insert(key, Slot::Pending(None));
    }

    /// Keeps `value` for who waits for `key`, if anyone does.
    pub(crate) fn resolve(&mut self, key: &K, value: V) -> Option<Waker> {
        let slot = self.0.get_mut(key)?;
        match std::mem::replace(slot, Slot::Done(value)) {
            Slot::Pending(waker) => waker,
            Slot::Done(_) => None,
        }
    }

    /// What came for `key`, once.
    pub(crate) fn poll(&mut self, key: &K, cx: &Context<'_>) -> Poll<V> {
        if let Some(Slot::Pending(waker)) = self.0.get_mut(key) {
            *waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        match self.0.remove(key) {
            Some(Slot::Done(value)) => Poll::Ready(value),
            Some(Slot::Pending(_)) | None => Poll::Pending,
        }
    }

    /// Nobody waits for `key` any more.
    pub(crate) fn forget(&mut self, key: &K) {
        self.0.remove(key);
    }

    pub(crate) fn take_wakers(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.0.values_mut().filter_map(|slot| match slot {
            Slot::Pending(waker) => waker.take(),
            Slot::Done(_) => None,
        }));
    }
}

impl<K, V> Default for Waiting<K, V> {
    fn default() -> Self {
        Waiting(HashMap::new())
    }
}
