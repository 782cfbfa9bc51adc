//! Handles to registered functions, and how such functions are run.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A function that was registered with a socket or channel; [`off`](Self::off) removes it.
///
/// Dropping the handle removes nothing, so it can be ignored where a hook is meant to stay.
///
/// Hooks run one after another in the socket's driver, in the order in which they were registered,
/// and may call anything on handles; they should return soon, because nothing is sent or received
/// while one runs. One that panics is reported to `tracing`, and disturbs neither the others
/// nor the driver.
///
/// A hook that holds a [`Socket`](crate::Socket) or [`Channel`](crate::Channel) keeps it from being
/// dropped, and so connected or joined: those of a channel until it is removed
/// ([`remove`](crate::Socket::remove)) or replaced, since a closed one can be joined again, those of a
/// socket until they are removed.
#[must_use = "ignore it with `let _ =` or `drop` if the hook is to stay"]
pub struct Subscription {
    remove: Box<dyn FnOnce() + Send + Sync>,
}

impl Subscription {
    /// A hook that `remove` removes. It must not keep the socket.
    pub(crate) fn new(remove: impl FnOnce() + Send + Sync + 'static) -> Self {
        Subscription { remove: Box::new(remove) }
    }

    /// Removes the function. One that is running, or about to run for something that has happened
    /// already, does so once more.
    pub fn off(self) {
        (self.remove)();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}

/// Runs foreign code so that its panic stays its own; `None` if it panicked. The panic has been
/// printed by the panic hook then.
pub(crate) fn isolated<R>(what: &'static str, run: impl FnOnce() -> R) -> Option<R> {
    let result = catch_unwind(AssertUnwindSafe(run));
    if result.is_err() {
        tracing::error!(target: "phx_client::hook", "a function given as {what} panicked");
    }
    result.ok()
}
