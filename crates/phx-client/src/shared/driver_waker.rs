//! Wakes the driver, and leaves a wake that comes while the driver is polled to the runtime's yield.

use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Waker;

use futures::task::AtomicWaker;

/// The driver is being polled.
const POLLED: u8 = 1;

/// The driver was woken since its last poll began or, unless it is being polled, since that poll ended.
const WOKEN: u8 = 2;

/// The driver's waker.
///
/// A transport that has spent its turn wakes the driver while the driver polls it. Executors run such a task again
/// soon, tokio's up to 61 times before it looks at its timers. So the driver collects these wakes, and asks its
/// runtime for a [yield](crate::Runtime::yield_now) when its poll ends.
#[derive(Debug)]
pub(crate) struct DriverWaker {
    state: AtomicU8,
    waker: AtomicWaker,
}

impl DriverWaker {
    pub(super) fn new() -> Self {
        DriverWaker { state: AtomicU8::new(0), waker: AtomicWaker::new() }
    }

    /// Begins a poll of the driver, which `waker` wakes from now on.
    pub(crate) fn begin_poll(&self, waker: &Waker) {
        self.waker.register(waker);
        self.state.swap(POLLED, Ordering::AcqRel);
    }

    /// Ends the poll. Returns true if the driver was woken since it began, and must be polled again.
    pub(crate) fn end_poll(&self) -> bool {
        self.state.swap(0, Ordering::AcqRel) & WOKEN != 0
    }

    /// Wakes the driver. Each wake is a read and write of the state, so that the next poll sees what happened before
    /// any of them.
    pub(crate) fn wake(&self) {
        if self.state.fetch_or(WOKEN, Ordering::AcqRel) == 0 {
            self.waker.wake();
        }
    }

    /// Takes what the last poll registered.
    pub(super) fn take(&self) -> Option<Waker> {
        self.waker.take()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_wake_during_a_poll_is_left_to_its_end() {
        let wakes = Arc::new(Wakes::default());
        let (task, driver) = (Waker::from(Arc::clone(&wakes)), DriverWaker::new());
        let count = || wakes.0.load(Ordering::Relaxed);

        driver.begin_poll(&task);
        assert!(!driver.end_poll());

        driver.begin_poll(&task);
        driver.wake();
        driver.wake();
        assert_eq!(count(), 0);
        assert!(driver.end_poll());
        assert!(!driver.end_poll(), "reported once");

        driver.wake();
        driver.wake();
        assert_eq!(count(), 1, "the second has nothing to add");
        driver.begin_poll(&task);
        assert!(!driver.end_poll(), "the poll came for these wakes");
        driver.wake();
        assert_eq!(count(), 2);
    }
}
