//! What the client needs of an async runtime: a clock, timers and tasks.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use phx_proto::Instant;

mod counts_sleep;
mod slept;

pub use counts_sleep::CountsSleep;

/// A future that owns all it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// What the client needs of an async runtime. The adapters implement it; so can anyone else.
pub trait Runtime: fmt::Debug + Send + Sync + 'static {
    /// The time since this runtime's epoch, which never changes. Monotonic. It should count the time
    /// that the machine sleeps, see [`CountsSleep`].
    fn now(&self) -> Instant;

    /// A timer that completes at `deadline` or a little later.
    fn timer(&self, deadline: Instant) -> Pin<Box<dyn Timer>>;

    /// Runs `task` to its end, in the background. If it is dropped before that, the socket is closed for good, with
    /// [`CloseCause::Stopped`](phx_proto::CloseCause::Stopped).
    fn spawn(&self, task: BoxFuture<()>);
}

impl<R: Runtime + ?Sized> Runtime for Arc<R> {
    fn now(&self) -> Instant {
        (**self).now()
    }

    fn timer(&self, deadline: Instant) -> Pin<Box<dyn Timer>> {
        (**self).timer(deadline)
    }

    fn spawn(&self, task: BoxFuture<()>) {
        (**self).spawn(task);
    }
}

/// The calling code runs on no runtime that a socket could run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("the calling code runs on no async runtime")]
#[non_exhaustive]
pub struct NoRuntime;

impl NoRuntime {
    /// For runtimes that one can be outside of.
    #[must_use]
    pub fn new() -> Self {
        NoRuntime
    }
}

/// A future that completes at its deadline, which can be moved.
pub trait Timer: Future<Output = ()> + Send {
    /// Moves the deadline; a timer that has completed becomes pending again.
    fn reset(self: Pin<&mut Self>, deadline: Instant);
}
