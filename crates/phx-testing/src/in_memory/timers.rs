//! Clock that stands still until it is moved, and its timers.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use phx_proto::Instant;

#[derive(Default)]
pub(super) struct Clock(Mutex<State>);

#[derive(Default)]
struct State {
    now: Instant,
    /// In the order in which they go off: by deadline, then by age.
    timers: BTreeMap<TimerKey, Waker>,
    made: u64,
}

type TimerKey = (Instant, u64);

impl Clock {
    pub(super) fn now(&self) -> Instant {
        self.lock().now
    }

    pub(super) fn timer(self: &Arc<Self>, deadline: Instant) -> VirtualTimer {
        let mut state = self.lock();
        state.made += 1;
        VirtualTimer { clock: Arc::clone(self), key: (deadline, state.made) }
    }

    /// The deadline of the timer that goes off next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.lock().timers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Moves the clock, and wakes the timers that are due.
    pub(super) fn move_to(&self, now: Instant) {
        let mut state = self.lock();
        let now = state.now.max(now);
        state.now = now;
        let left = state.timers.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut state.timers, left);
        drop(state);
        due.into_values().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

/// A timer is in the clock's list from its first poll until it goes off or is dropped.
pub(super) struct VirtualTimer {
    clock: Arc<Clock>,
    key: TimerKey,
}

impl Future for VirtualTimer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.lock();
        if state.now >= self.key.0 {
            return Poll::Ready(());
        }
        state.timers.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for VirtualTimer {
    fn drop(&mut self) {
        // Drop the waker without the lock: it may own timers.
        let waker = self.clock.lock().timers.remove(&self.key);
        drop(waker);
    }
}
