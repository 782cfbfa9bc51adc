//! The client's interface to an async runtime: a clock, timers and tasks.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use futures::Stream;
use phx_proto::{Instant, Lifecycle};

mod clock;
mod suspended;

pub(crate) use clock::Clock;
pub use suspended::suspended;

/// A future that owns all it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// A stream that owns all it needs.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = T> + Send + 'static>>;

/// Clock, timers and tasks of an async runtime. The adapters implement this trait; other crates can too.
///
/// On Linux, Android and Apple's systems the clocks and timers of async runtimes stop while the machine is
/// suspended, and a connection that the server dropped long ago would look alive for as long again. So the client
/// adds the result of [`suspended`](Self::suspended) to [`now`](Self::now), and reads both at least every 5 s: it
/// notices what became due during the suspension within 5 s after waking, or at the next call on a handle or the
/// next frame, whichever comes first. A program that is notified of waking can call
/// [`reconnect_now`](crate::Socket::reconnect_now) at once. Less than a second isn't counted, because the noise
/// between two clocks can be as large.
pub trait Runtime: fmt::Debug + Send + Sync + 'static {
    /// Returns the time since this runtime's epoch, which never changes. Monotonic.
    fn now(&self) -> Instant;

    /// Returns the total time for which the machine has been suspended, if [`now`](Self::now) leaves that out. It
    /// never decreases. The adapters return [`suspended()`]. Default: `None`, for a clock that includes suspended
    /// time, or isn't the machine's. With `None` the client sets timers to the deadlines themselves, otherwise to
    /// whole milliseconds, so that those of many sockets wake the program together.
    fn suspended(&self) -> Option<Duration> {
        None
    }

    /// Returns a timer that completes at `deadline` by [`now`](Self::now), or a little later.
    fn timer(&self, deadline: Instant) -> BoxFuture<()>;

    /// Runs `task` to its end, in the background. If the runtime drops it before that, the socket is closed for
    /// good, with [`CloseCause::Stopped`](phx_proto::CloseCause::Stopped).
    fn spawn(&self, task: BoxFuture<()>);

    /// Wakes the task of `cx` once other tasks, timers and sockets have had their turn, for a driver that has more to do
    /// than one poll should. Default: wakes the task at once, which is right if no task can keep timers and sockets
    /// waiting.
    fn yield_now(&self, cx: &mut Context<'_>) {
        cx.waker().wake_by_ref();
    }

    /// Returns a random number, from which a socket draws the jitter of its retry schedules. Default: one of the
    /// standard library's source of randomness, which on `wasm32-unknown-unknown` is the same in every program.
    fn seed(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }

    /// Returns the changes around the program that decide whether attempts to connect make sense, for one socket. Default:
    /// `None`, for a program that runs all the time.
    fn lifecycle(&self) -> Option<BoxStream<Lifecycle>> {
        None
    }
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

    fn yield_now(&self, cx: &mut Context<'_>) {
        (**self).yield_now(cx);
    }

    fn seed(&self) -> u64 {
        (**self).seed()
    }

    fn lifecycle(&self) -> Option<BoxStream<Lifecycle>> {
        (**self).lifecycle()
    }
}

/// Error of calling code outside of any runtime that a socket could run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("the calling code runs on no async runtime")]
#[non_exhaustive]
pub struct NoRuntimeError;

impl NoRuntimeError {
    /// Creates the error, for runtimes that the caller must enter first.
    #[must_use]
    pub fn new() -> Self {
        NoRuntimeError
    }
}
