//! Watchers of the core's states.

use std::task::{Context, Waker};

use slotmap::SlotMap;

use super::deferred::Deferred;

slotmap::new_key_type! {
    /// Key of a watcher.
    pub(crate) struct WatchKey;
}

/// Watchers of one state, each with the value that it knows. They read the state itself from the core, so values in
/// between may be skipped, and a watcher that sleeps costs nothing.
///
/// There is a box only while there are watchers: there are many channels, and most of them are never watched.
pub(crate) struct Watchers<S>(Option<Box<Slots<S>>>);

type Slots<S> = SlotMap<WatchKey, Option<(S, Waker)>>;

impl<S: Copy + PartialEq> Watchers<S> {
    pub(crate) fn watch(&mut self) -> WatchKey {
        self.0.get_or_insert_default().insert(None)
    }

    /// Registers a waker for when the state is no longer `known`. Returns the previous waker; the caller drops it
    /// after releasing the lock, since it may hold the last reference to a task and the handles in it.
    pub(crate) fn wait(&mut self, key: WatchKey, known: S, cx: &Context<'_>) -> Option<Waker> {
        let slot = self.0.as_mut()?.get_mut(key)?;
        slot.replace((known, cx.waker().clone())).map(|(_, old)| old)
    }

    /// Removes a watcher. Returns its waker; the caller drops it after releasing the lock.
    pub(crate) fn unwatch(&mut self, key: WatchKey) -> Option<Waker> {
        let slots = self.0.as_mut()?;
        let slot = slots.remove(key).flatten();
        if slots.is_empty() {
            self.0 = None;
        }
        slot.map(|(_, old)| old)
    }

    /// Takes the wakers of the watchers that know another state than `now`.
    #[inline]
    pub(crate) fn take_outdated(&mut self, now: impl FnOnce() -> S, deferred: &mut Deferred) {
        if let Some(slots) = &mut self.0 {
            let now = now();
            let outdated =
                slots.values_mut().filter_map(|slot| slot.take_if(|(known, _)| *known != now));
            deferred.wake(outdated.map(|(_, waker)| waker));
        }
    }

    pub(crate) fn take_all(&mut self, deferred: &mut Deferred) {
        if let Some(slots) = &mut self.0 {
            deferred.wake(slots.values_mut().filter_map(Option::take).map(|(_, waker)| waker));
        }
    }
}

impl<S> Default for Watchers<S> {
    fn default() -> Self {
        Watchers(None)
    }
}
