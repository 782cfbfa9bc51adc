//! Handles to registered functions, and how such functions are run.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use phx_proto::{ByteString, ChannelId};

use crate::shared::{ChannelHooks, Garbage, HookId, Shared, State};

/// A function that was registered with a socket or channel; [`off`](Self::off) removes it.
///
/// Dropping the handle removes nothing, so it can be ignored where a hook is meant to stay.
///
/// Hooks run one after another in the socket's driver, in the order in which they were registered,
/// and may call anything on handles; they should return soon, because nothing is sent or received
/// meanwhile. One that panics is told to `tracing` and the logger, and disturbs neither the others
/// nor the driver. A hook that holds a [`Socket`](crate::Socket) or [`Channel`](crate::Channel)
/// keeps it from being dropped.
#[must_use = "ignore it with `let _ =` or `drop` if the hook is to stay"]
pub struct Hook {
    shared: Weak<Shared>,
    place: Place,
    id: HookId,
}

/// Where a hook is registered.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Open,
    Close,
    Error,
    Message,
    Payload(ChannelId),
    Event(ChannelId, ByteString),
    Join(ChannelId),
    ChannelError(ChannelId),
    ChannelClose(ChannelId),
}

impl Hook {
    pub(crate) fn new(shared: &Arc<Shared>, place: Place, id: HookId) -> Self {
        Hook { shared: Arc::downgrade(shared), place, id }
    }

    /// Removes the function. One that is running, or about to run for something that has happened
    /// already, does so once more.
    pub fn off(self) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let garbage = remove(&mut shared.lock(), &self.place, self.id);
        drop(garbage);
    }
}

fn remove(state: &mut State, place: &Place, id: HookId) -> Garbage {
    let mut in_channel = |channel: ChannelId, remove: &dyn Fn(&mut ChannelHooks) -> Garbage| {
        remove(&mut state.channels.get_mut(channel)?.hooks)
    };
    match place {
        Place::Open => state.hooks.open.remove(id),
        Place::Close => state.hooks.close.remove(id),
        Place::Error => state.hooks.error.remove(id),
        Place::Message => state.hooks.message.remove(id),
        Place::Payload(channel) => in_channel(*channel, &|hooks| hooks.payload.remove(id)),
        Place::Event(channel, event) => {
            in_channel(*channel, &|hooks| hooks.remove_event(event, id))
        }
        Place::Join(channel) => in_channel(*channel, &|hooks| hooks.join.remove(id)),
        Place::ChannelError(channel) => in_channel(*channel, &|hooks| hooks.error.remove(id)),
        Place::ChannelClose(channel) => in_channel(*channel, &|hooks| hooks.close.remove(id)),
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("place", &self.place).finish_non_exhaustive()
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
