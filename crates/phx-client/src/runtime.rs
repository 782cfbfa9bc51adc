//! The client's interface to an async runtime: a clock, timers and tasks.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use phx_proto::Instant;

mod clock;
mod suspended;

pub(crate) use clock::Clock;
pub use suspended::suspended;

/// A future that owns all it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// Clock, timers and tasks of an async runtime. The adapters implement this trait; other crates can too.
///
/// On Linux, Android and Apple's systems the clocks and timers of async runtimes stand still while
/// the machine is suspended, and a connection that the server gave up long ago would look alive for as
/// long again. So the client adds what [`suspended`](Self::suspended) returns to [`now`](Self::now), and
/// looks at both every 5 s at the latest: what came due while the machine was suspended is noticed within
/// 5 s after it woke, or at the next call on a handle or the next frame, whichever comes first. A program
/// that hears of waking up needn't wait: [`reconnect_now`](crate::Socket::reconnect_now). Less than a
/// second isn't counted, so that the noise between two clocks isn't taken for it.
pub trait Runtime: fmt::Debug + Send + Sync + 'static {
    /// The time since this runtime's epoch, which never changes. Monotonic.
    fn now(&self) -> Instant;

    /// Returns the total time for which the machine has been suspended, if [`now`](Self::now) leaves that out. It
    /// never decreases. The adapters return [`suspended()`]. Default: `None`, for a clock that includes suspended
    /// time, or isn't the machine's. With `None` the client sets timers to the deadlines themselves, otherwise to
    /// whole milliseconds, so that those of many sockets wake the program together.
    fn suspended(&self) -> Option<Duration> {
        None
    }

    /// A timer that completes once [`now`](Self::now) is `deadline` or a little more.
    fn timer(&self, deadline: Instant) -> BoxFuture<()>;

    /// Runs `task` to its end, in the background. If it is dropped before that, the socket is closed for good, with
    /// [`CloseCause::Stopped`](phx_proto::CloseCause::Stopped).
    fn spawn(&self, task: BoxFuture<()>);
}

impl<R: Runtime + ?Sized> Runtime for Arc<R> {
    fn now(&self) -> Instant {
        (**self).now()
    }

    fn suspended(&self) -> Option<Duration> {
        (**self).suspended()
    }

    fn timer(&self, deadline: Instant) -> BoxFuture<()> {
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
pub struct NoRuntimeError;

impl NoRuntimeError {
    /// For runtimes that one can be outside of.
    #[must_use]
    pub fn new() -> Self {
        NoRuntimeError
    }
}
