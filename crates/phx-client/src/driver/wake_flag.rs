//! Records which part of the driver was woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use crate::shared::Shared;

/// Wakes the driver on behalf of one thing that it polls, and records that it did: what hasn't
/// woken needs no poll, which may cost more than the rest of a wake.
pub(super) struct WakeFlag {
    called: Arc<Called>,
    waker: Waker,
}

struct Called {
    called: AtomicBool,
    shared: Arc<Shared>,
}

impl WakeFlag {
    /// A flag that is set: a thing that wasn't polled yet must be.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let called = Arc::new(Called { called: AtomicBool::new(true), shared });
        WakeFlag { waker: Waker::from(Arc::clone(&called)), called }
    }

    /// The context to poll the thing with.
    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// Returns the flag and clears it. Called before each poll, after the driver's waker has been registered, so
    /// that a wake during the poll isn't lost.
    pub(super) fn take(&self) -> bool {
        self.called.called.load(Ordering::Relaxed)
            && self.called.called.swap(false, Ordering::AcqRel)
    }

    /// Sets the flag: the thing must be polled again although it won't wake.
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
        self.shared.driver.wake();
    }
}
