//! tokio's clock, timers and tasks.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use phx_client::{BoxFuture, Instant, Runtime, Timer};
use tokio::runtime::{Handle, TryCurrentError};
use tokio::time::{self, Sleep};

/// A tokio runtime, as the client needs it.
///
/// Time is tokio's, so that `tokio::time::pause` and `advance` govern the client too. Its epoch is
/// the moment at which the value was made.
#[derive(Clone, Debug)]
pub struct TokioRuntime {
    handle: Handle,
    epoch: time::Instant,
}

impl TokioRuntime {
    /// The runtime that the calling code runs on.
    ///
    /// # Errors
    ///
    /// If it runs on none.
    pub fn current() -> Result<Self, TryCurrentError> {
        Handle::try_current().map(Self::new)
    }

    /// The runtime of `handle`, for calls from outside of it.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        let epoch = {
            let _entered = handle.enter();
            time::Instant::now()
        };
        TokioRuntime { handle, epoch }
    }

    /// A deadline that tokio's clock can't express is as good as one that never comes.
    fn at(&self, deadline: Instant) -> time::Instant {
        const FAR: std::time::Duration = std::time::Duration::from_secs(86_400 * 365 * 30);
        let far = || time::Instant::now() + FAR;
        self.epoch.checked_add(deadline.since_epoch()).unwrap_or_else(far)
    }
}

impl Runtime for TokioRuntime {
    fn now(&self) -> Instant {
        Instant::from_epoch(time::Instant::now().saturating_duration_since(self.epoch))
    }

    fn timer(&self, deadline: Instant) -> Pin<Box<dyn Timer>> {
        let _entered = self.handle.enter();
        Box::pin(TokioTimer {
            sleep: Box::pin(time::sleep_until(self.at(deadline))),
            runtime: self.clone(),
        })
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.handle.spawn(task);
    }
}

struct TokioTimer {
    sleep: Pin<Box<Sleep>>,
    runtime: TokioRuntime,
}

impl Future for TokioTimer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.as_mut().poll(cx)
    }
}

impl Timer for TokioTimer {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        let deadline = self.runtime.at(deadline);
        self.sleep.as_mut().reset(deadline);
    }
}
