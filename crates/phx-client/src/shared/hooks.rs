//! Functions that users registered: lists that can be read without the lock, and changed under it.

use std::collections::HashMap;
use std::sync::Arc;

use phx_proto::{ByteString, ChannelCloseCause, Message, Payload};

use crate::channel::ChannelError;
use crate::socket::{Closed, SocketError};
use crate::subscription::isolated;

/// Identifier of a registered function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HookId(pub(crate) u64);

impl HookId {
    /// Id of the builder's hooks, which can't be removed.
    pub(crate) const KEPT: HookId = HookId(0);
}

pub(crate) type OnOpen = dyn Fn() + Send + Sync;
pub(crate) type OnClose = dyn Fn(&Closed) + Send + Sync;
pub(crate) type OnError = dyn Fn(&SocketError) + Send + Sync;
pub(crate) type OnMessage = dyn Fn(&Message) + Send + Sync;
pub(crate) type OnPayload = dyn Fn(&str, Payload) -> Payload + Send + Sync;
pub(crate) type OnEvent = dyn Fn(&Payload) + Send + Sync;
pub(crate) type OnJoin = dyn Fn(&Payload, bool) + Send + Sync;
pub(crate) type OnChannelError = dyn Fn(&ChannelError) + Send + Sync;
pub(crate) type OnChannelClose = dyn Fn(&ChannelCloseCause) + Send + Sync;

/// The hooks of a socket.
#[derive(Default)]
pub(crate) struct SocketHooks {
    pub(crate) open: HookList<OnOpen>,
    pub(crate) close: HookList<OnClose>,
    pub(crate) error: HookList<OnError>,
    pub(crate) message: HookList<OnMessage>,
}

/// The hooks of a channel.
#[derive(Default)]
pub(crate) struct ChannelHooks {
    pub(crate) payload: HookList<OnPayload>,
    pub(crate) event: HashMap<ByteString, HookList<OnEvent>>,
    pub(crate) join: HookList<OnJoin>,
    pub(crate) error: HookList<OnChannelError>,
    pub(crate) close: HookList<OnChannelClose>,
}

impl ChannelHooks {
    /// Returns true if hooks need a message of this event outside the lock before it is delivered.
    pub(crate) fn want(&self, event: &str) -> bool {
        !self.payload.is_empty() || (!self.event.is_empty() && self.event.contains_key(event))
    }

    /// Removes an event's function, as [`HookList::remove`] does.
    pub(crate) fn remove_event(
        &mut self,
        event: &ByteString,
        hook: HookId,
    ) -> Option<Arc<OnEvent>> {
        let list = self.event.get_mut(event)?;
        let removed = list.remove(hook);
        if list.is_empty() {
            self.event.remove(event);
        }
        removed
    }
}

/// Functions in the order in which they were registered. A clone is a snapshot, and costs a
/// reference count; an empty list costs nothing.
pub(crate) struct HookList<F: ?Sized>(Option<Arc<Functions<F>>>);

type Functions<F> = Vec<(HookId, Arc<F>)>;

impl<F: ?Sized + Send + Sync + 'static> HookList<F> {
    pub(crate) fn add(&mut self, hook: HookId, function: Arc<F>) {
        Arc::make_mut(self.0.get_or_insert_default()).push((hook, function));
    }

    /// Returns the function, whose destructor is foreign code: the caller drops it after the lock is released.
    #[must_use = "to be dropped outside of the lock"]
    pub(crate) fn remove(&mut self, hook: HookId) -> Option<Arc<F>> {
        let list = self.0.as_mut()?;
        let index = list.iter().position(|(id, _)| *id == hook)?;
        Some(Arc::make_mut(list).remove(index).1)
    }
}

impl<F: ?Sized> HookList<F> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|list| list.is_empty())
    }

    /// Calls each function, and catches their panics.
    pub(crate) fn each(&self, what: &'static str, call: impl Fn(&F)) {
        for function in self.iter() {
            isolated(what, || call(function));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &F> {
        self.0.iter().flat_map(|list| list.iter()).map(|(_, function)| &**function)
    }
}

impl<F: ?Sized> Clone for HookList<F> {
    fn clone(&self) -> Self {
        HookList(self.0.clone())
    }
}

impl<F: ?Sized> Default for HookList<F> {
    fn default() -> Self {
        HookList(None)
    }
}
