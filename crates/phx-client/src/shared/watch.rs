//! A value whose changes can be watched: what the status streams read.

use std::task::{Context, Waker};

use slotmap::SlotMap;

use super::waiting::OldWaker;

slotmap::new_key_type! {
    /// One watcher.
    pub(crate) struct WatchKey;
}

/// The latest value, and who waits for another one. Values in between may be skipped, so a watcher
/// that sleeps costs nothing.
pub(crate) struct Watch<S> {
    current: S,
    /// Only while there are watchers: there are many channels, and most of them are never watched.
    watchers: Option<Box<Watchers>>,
}

type Watchers = SlotMap<WatchKey, Option<Waker>>;

impl<S: Copy + PartialEq> Watch<S> {
    pub(crate) fn new(current: S) -> Self {
        Watch { current, watchers: None }
    }

    pub(crate) fn current(&self) -> S {
        self.current
    }

    /// Everybody is to be woken if this is news.
    pub(crate) fn set(&mut self, value: S, wakers: &mut Vec<Waker>) {
        if self.current != value {
            self.current = value;
            self.take_wakers(wakers);
        }
    }

    pub(crate) fn take_wakers(&mut self, wakers: &mut Vec<Waker>) {
        if let Some(watchers) = &mut self.watchers {
            wakers.extend(watchers.values_mut().filter_map(Option::take));
        }
    }

    pub(crate) fn watch(&mut self) -> WatchKey {
        self.watchers.get_or_insert_default().insert(None)
    }

    pub(crate) fn wait(&mut self, key: WatchKey, cx: &Context<'_>) -> OldWaker {
        let slot = self.watchers.as_mut().and_then(|watchers| watchers.get_mut(key));
        OldWaker(slot.and_then(|waker| waker.replace(cx.waker().clone())))
    }

    pub(crate) fn unwatch(&mut self, key: WatchKey) -> OldWaker {
        let watchers = self.watchers.as_mut();
        let waker = watchers.and_then(|watchers| watchers.remove(key)).flatten();
        if self.watchers.as_ref().is_some_and(|watchers| watchers.is_empty()) {
            self.watchers = None;
        }
        OldWaker(waker)
    }
}
