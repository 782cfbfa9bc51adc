//! What the client needs of an async runtime: a clock, timers and tasks.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use phx_proto::Instant;

/// A future that owns all it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// What the client needs of an async runtime. The adapters implement it; so can anyone else.
pub trait Runtime: fmt::Debug + Send + Sync + 'static {
    /// The time since this runtime's epoch, which never changes. Monotonic.
    fn now(&self) -> Instant;

    /// A timer that completes at `deadline` or a little later.
    fn timer(&self, deadline: Instant) -> Pin<Box<dyn Timer>>;

    /// Runs `task` to its end, in the background.
    fn spawn(&self, task: BoxFuture<()>);
}

/// A future that completes at its deadline, which can be moved.
pub trait Timer: Future<Output = ()> + Send {
    /// Moves the deadline; a timer that has completed becomes pending again.
    fn reset(self: Pin<&mut Self>, deadline: Instant);
}
