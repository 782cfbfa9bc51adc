//! Tasks, run on the thread of the test in the order in which they were woken.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures::stream::{FuturesUnordered, StreamExt};
use phx_client::BoxFuture;

/// Flag of a task that must be polled.
pub(super) struct Woken(AtomicBool);

impl Woken {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Woken(AtomicBool::new(true)))
    }

    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// Tasks that were spawned and haven't been polled for the first time.
#[derive(Default)]
pub(super) struct Spawned(Mutex<Vec<BoxFuture<()>>>);

impl Spawned {
    pub(super) fn push(&self, task: BoxFuture<()>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    pub(super) fn take(&self) -> Vec<BoxFuture<()>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Spawned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawned").finish_non_exhaustive()
    }
}

/// The tasks that haven't ended.
pub(super) struct Tasks {
    running: FuturesUnordered<BoxFuture<()>>,
    woken: Arc<Woken>,
}

impl Tasks {
    pub(super) fn new() -> Self {
        Tasks { running: FuturesUnordered::new(), woken: Woken::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// Polls the tasks that were woken; returns true if there were any.
    pub(super) fn run(&mut self, spawned: &Spawned) -> bool {
        let new = spawned.take();
        if !self.woken.take() && new.is_empty() {
            return false;
        }
        self.running.extend(new);
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut cx = Context::from_waker(&waker);
        while let Poll::Ready(Some(())) = self.running.poll_next_unpin(&mut cx) {}
        true
    }
}

/// The future of the test, beside the tasks.
pub(super) struct Main<'a, F> {
    future: Pin<&'a mut F>,
    woken: Arc<Woken>,
}

impl<'a, F: Future> Main<'a, F> {
    pub(super) fn new(future: Pin<&'a mut F>) -> Self {
        Main { future, woken: Woken::new() }
    }

    /// `None` if it wasn't woken.
    pub(super) fn run(&mut self) -> Option<Poll<F::Output>> {
        self.woken.take().then(|| {
            let waker = Waker::from(Arc::clone(&self.woken));
            self.future.as_mut().poll(&mut Context::from_waker(&waker))
        })
    }
}
