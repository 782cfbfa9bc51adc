//! Wakes and drops deferred until the lock is released.

use std::task::Waker;

use phx_proto::Outcome;

use super::content::Content;
use crate::subscription::isolated;

/// Capacity that is always kept.
const KEPT: usize = 64;

/// Wakers to call and values to drop once the lock is released. Both run foreign code, which may call back into the
/// socket: wakers may own a task with handles in it, payloads may be memory with a destructor of the user's.
#[derive(Default)]
pub(crate) struct Deferred {
    wakers: Vec<Waker>,
    lost: Vec<Lost>,
}

#[expect(dead_code, reason = "held to be dropped")]
enum Lost {
    Content(Content),
    Outcome(Outcome),
    Other(Box<dyn Send>),
}

impl Deferred {
    /// Wakes these tasks later.
    #[inline]
    pub(crate) fn wake(&mut self, wakers: impl IntoIterator<Item = Waker>) {
        self.wakers.extend(wakers);
    }

    /// Drops a message later.
    #[inline(never)]
    pub(super) fn drop_content(&mut self, content: Content) {
        self.lost.push(Lost::Content(content));
    }

    /// Drops an outcome later.
    pub(super) fn drop_outcome(&mut self, outcome: Outcome) {
        self.lost.push(Lost::Outcome(outcome));
    }

    /// Drops something rare later.
    pub(crate) fn drop_box<T: Send + 'static>(&mut self, value: Box<T>) {
        self.lost.push(Lost::Other(value));
    }

    /// Wakes and drops. Called without the lock; a panic of foreign code is reported and ends nothing else.
    #[inline(always)]
    pub(crate) fn run(&mut self) {
        // Mostly there is nothing.
        if !(self.wakers.is_empty() && self.lost.is_empty()) {
            self.run_all();
        }
    }

    #[inline(never)]
    fn run_all(&mut self) {
        for waker in self.wakers.drain(..) {
            isolated("a waker", || waker.wake());
        }
        for lost in self.lost.drain(..) {
            isolated("a destructor", || drop(lost));
        }
    }

    /// Shrinks the queues after a burst.
    pub(crate) fn shrink(&mut self) {
        self.wakers.shrink_to(KEPT);
        // What is in it is dropped once the lock is released.
        self.lost.shrink_to(0);
    }
}
