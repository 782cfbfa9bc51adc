//! Who woke the driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use crate::shared::Shared;

/// Wakes the driver on behalf of one thing that it polls, and remembers that it did: what hasn't
/// called needs no poll, which may cost more than all else that a wake is for.
pub(super) struct WakeFlag {
    called: Arc<Called>,
    waker: Waker,
}

struct Called {
    called: AtomicBool,
    shared: Arc<Shared>,
}

impl WakeFlag {
    /// One that has called: what wasn't polled yet is to be polled.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let called = Arc::new(Called { called: AtomicBool::new(true), shared });
        WakeFlag { waker: Waker::from(Arc::clone(&called)), called }
    }

    /// What the thing is to be polled with.
    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// Whether it has called since this was asked last. Asked before each poll, after the driver's
    /// waker has been registered, so that a call that comes during the poll isn't lost.
    pub(super) fn take(&self) -> bool {
        self.called.called.load(Ordering::Relaxed)
            && self.called.called.swap(false, Ordering::AcqRel)
    }

    /// It is to be polled again although it doesn't call.
    pub(super) fn set(&self) {
        self.called.called.store(true, Ordering::Release);
    }
}

impl Wake for Called {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.called.store(true, Ordering::Release);
        self.shared.wake_driver();
    }
}
