//! Handles to registered functions, and how such functions are run.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Handle to a function registered with a socket or channel; [`off`](Self::off) removes it.
///
/// Dropping the handle removes nothing, so the program can ignore it for a permanent hook.
///
/// Hooks run one after another in the socket's driver, in the order of their registration, and may call anything on
/// handles. They should return soon, because the driver sends and receives nothing while one runs. A hook that
/// panics is reported to `tracing`, and affects neither the others nor the driver.
///
/// A hook that holds a [`Socket`](crate::Socket) or [`Channel`](crate::Channel) keeps it from being dropped, and so
/// connected or joined: a channel's hooks until the channel is removed ([`remove`](crate::Socket::remove)) or
/// replaced, since a closed one can be joined again, a socket's hooks until they are removed.
#[must_use = "ignore it with `let _ =` or `drop` if the hook is to stay"]
pub struct Subscription {
    remove: Box<dyn FnOnce() + Send + Sync>,
}

impl Subscription {
    /// A hook that `remove` removes. It must not keep the socket.
    pub(crate) fn new(remove: impl FnOnce() + Send + Sync + 'static) -> Self {
        Subscription { remove: Box::new(remove) }
    }

    /// Removes the function. If it is running, or about to run for an earlier event, it completes that run.
    pub fn off(self) {
        (self.remove)();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}

/// Runs foreign code and catches its panic; `None` if it panicked. The panic hook has printed the panic then.
pub(crate) fn isolated<R>(what: &'static str, run: impl FnOnce() -> R) -> Option<R> {
    let result = catch_unwind(AssertUnwindSafe(run));
    if result.is_err() {
        tracing::error!(target: "phx_client::hook", "a function given as {what} panicked");
    }
    result.ok()
}
