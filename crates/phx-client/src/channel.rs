//! A channel's handle: its inputs and its hooks.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use phx_proto::{ByteString, ChannelCloseCause, ChannelId, ChannelState, Payload, PayloadDropped};

use crate::shared::{ChannelEntry, ChannelHooks, Handle, HookId, Shared};
use crate::socket::{Socket, SocketHandle};
use crate::subscription::Subscription;

mod builder;
mod error;
mod join;
mod leave;

pub use builder::ChannelBuilder;
pub(crate) use error::rejected;
pub use error::{ChannelError, JoinCause, JoinError, LeaveCause, LeaveError};
pub use join::Join;
pub use leave::Leave;

/// Handle to a channel of a socket: one topic's conversation with the server.
///
/// [`Socket::channel`](crate::Socket::channel) makes one. A joined channel stays joined: it rejoins after a lost
/// connection or a crash of the server's channel process, until the client leaves it, the server closes it, or a
/// rejection is final. A closed channel can be joined again, see [`join`](Self::join).
///
/// Clones share the channel, so several parts of a program can read and push on one topic. Streams and pushes hold
/// a handle as well. When the last handle is dropped, the client leaves the channel and forgets it. Handles of
/// channels keep the socket connected.
#[derive(Clone)]
pub struct Channel {
    handle: Arc<ChannelHandle>,
}

/// State shared by the clones of a handle; dropping it leaves the channel.
struct ChannelHandle {
    socket: Arc<SocketHandle>,
    id: ChannelId,
    topic: ByteString,
    /// Time limit for the reply to a join; `None`: the socket's.
    join_timeout: Option<Duration>,
}

/// Lookup and removal of channels.
impl Socket {
    /// Returns another handle to the channel that has `topic` now, if there is one.
    #[must_use]
    pub fn get_channel(&self, topic: &str) -> Option<Channel> {
        let handle = {
            let state = self.shared().lock();
            let owner = state.core.channel_of(topic)?;
            state.channels.get(owner)?.handle.upgrade()
        };
        let handle = handle?.downcast().ok()?;
        Some(Channel { handle })
    }

    /// Leaves a channel and frees its topic at once, without waiting for the server. Other handles stay valid, for
    /// a closed channel whose streams end.
    ///
    /// To leave a channel that is no longer needed, drop its handles.
    pub fn remove(&self, channel: &Channel) {
        if Arc::ptr_eq(channel.shared(), self.shared()) {
            channel.handle.close();
        }
    }
}

impl Channel {
    /// Creates the handle of a new channel.
    fn new(
        socket: Arc<SocketHandle>,
        id: ChannelId,
        topic: ByteString,
        join_timeout: Option<Duration>,
    ) -> Self {
        Channel { handle: Arc::new(ChannelHandle { socket, id, topic, join_timeout }) }
    }

    /// Returns the weak handle by which the socket finds the channel for a topic.
    fn downgrade(&self) -> Weak<dyn Any + Send + Sync> {
        let handle: Arc<dyn Any + Send + Sync> = self.handle.clone();
        Arc::downgrade(&handle)
    }

    pub(crate) fn socket(&self) -> Socket {
        Socket::of(Arc::clone(&self.handle.socket))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        self.handle.socket.shared()
    }

    pub(crate) fn id(&self) -> ChannelId {
        self.handle.id
    }

    /// Returns the topic.
    #[must_use]
    pub fn topic(&self) -> &ByteString {
        &self.handle.topic
    }

    /// Returns the channel's state.
    #[must_use]
    pub fn state(&self) -> ChannelState {
        self.shared().lock().channel_state(self.id())
    }

    /// Returns the response to the latest join; `None` before the first. It is an error if the responses kept for
    /// this socket's channels have reached
    /// [`SocketBuilder::max_answer_bytes`](crate::SocketBuilder::max_answer_bytes).
    #[must_use]
    pub fn join_response(&self) -> Option<Result<Payload, PayloadDropped>> {
        self.kept(|entry| entry.response.clone())
    }

    /// Returns the failure of the last attempt to join, or of the last joined period, and when the client tries
    /// again; `None` while the channel is joined or closed. The server's payload is kept within
    /// [`SocketBuilder::max_answer_bytes`](crate::SocketBuilder::max_answer_bytes).
    #[must_use]
    pub fn failure(&self) -> Option<ChannelError> {
        self.kept(|entry| entry.failure.as_deref().cloned())
    }

    /// Returns the cause of the channel's close; `None` unless it is closed. The server's payload is kept within
    /// [`SocketBuilder::max_answer_bytes`](crate::SocketBuilder::max_answer_bytes).
    #[must_use]
    pub fn close_cause(&self) -> Option<ChannelCloseCause> {
        self.kept(|entry| entry.closed.as_deref().cloned())
    }

    fn kept<T>(&self, of: impl FnOnce(&ChannelEntry) -> Option<T>) -> Option<T> {
        self.shared().lock().channels.get(self.id()).and_then(of)
    }
}

/// Hooks; see [`Subscription`] for where they run.
impl Channel {
    /// Calls `handler` with every message of one event, until [`Subscription::off`].
    ///
    /// See [`Subscription`] for where handlers run. Streams can do the same and more.
    pub fn on_event(
        &self,
        event: impl Into<ByteString>,
        handler: impl Fn(&Payload) + Send + Sync + 'static,
    ) -> Subscription {
        let event = event.into();
        let removed = event.clone();
        self.hook(
            |hooks, id| hooks.event.entry(event).or_default().add(id, Arc::new(handler)),
            move |hooks, id| hooks.remove_event(&removed, id),
        )
    }

    /// Passes every message of this channel through `change` before delivery: it gets the event's name and the
    /// payload, and returns the payload to deliver. This is the overridable `onMessage` of other clients. Replies
    /// aren't messages in this sense.
    pub fn on_message(
        &self,
        change: impl Fn(&str, Payload) -> Payload + Send + Sync + 'static,
    ) -> Subscription {
        self.hook(
            |hooks, id| hooks.payload.add(id, Arc::new(change)),
            |hooks, id| hooks.payload.remove(id),
        )
    }

    /// Calls `handler` after every join with the response, and true for a rejoin.
    pub fn on_join(
        &self,
        handler: impl Fn(&Payload, bool) + Send + Sync + 'static,
    ) -> Subscription {
        self.hook(
            |hooks, id| hooks.join.add(id, Arc::new(handler)),
            |hooks, id| hooks.join.remove(id),
        )
    }

    /// Calls `handler` with the cause and the time of the next attempt whenever the channel is no longer joined and
    /// will rejoin, and whenever an attempt to join failed that isn't the last one.
    pub fn on_error(
        &self,
        handler: impl Fn(&ChannelError) + Send + Sync + 'static,
    ) -> Subscription {
        self.hook(
            |hooks, id| hooks.error.add(id, Arc::new(handler)),
            |hooks, id| hooks.error.remove(id),
        )
    }

    /// Calls `handler` when the channel is closed.
    pub fn on_close(
        &self,
        handler: impl Fn(&ChannelCloseCause) + Send + Sync + 'static,
    ) -> Subscription {
        self.hook(
            |hooks, id| hooks.close.add(id, Arc::new(handler)),
            |hooks, id| hooks.close.remove(id),
        )
    }

    fn hook<Removed>(
        &self,
        add: impl FnOnce(&mut ChannelHooks, HookId),
        remove: impl FnOnce(&mut ChannelHooks, HookId) -> Removed + Send + Sync + 'static,
    ) -> Subscription {
        let mut state = self.shared().lock();
        let (id, is_driver_gone) = (state.next_hook(), state.is_driver_gone());
        let entry = state.channels.get_mut(self.id());
        match entry.filter(|entry| !is_driver_gone && !entry.is_over()) {
            Some(entry) => add(entry.hooks.get_or_insert_default(), id),
            // The driver is gone, so no hook will run. `add` holds foreign code: drop it after the lock.
            None => drop(state),
        }
        let (shared, channel) = (Arc::downgrade(self.shared()), self.id());
        Subscription::new(move || {
            let Some(shared) = shared.upgrade() else { return };
            let mut state = shared.lock();
            let entry = state.channels.get_mut(channel);
            let removed = entry.and_then(|entry| Some(remove(entry.hooks.as_mut()?, id)));
            drop(state);
            drop(removed);
        })
    }
}

impl Handle for Channel {
    fn shared(&self) -> &Arc<Shared> {
        self.shared()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("topic", &self.handle.topic)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl ChannelHandle {
    /// Leaves, frees the topic, and ends the streams; no more events of the channel are reported.
    fn close(&self) {
        let entry = self.socket.shared().call(|state, now, wakers| {
            state.core.remove(now, self.id);
            state.end_streams(self.id, wakers);
            let mut entry = state.remove_channel(self.id)?;
            entry.watchers.take_all(wakers);
            Some(entry)
        });
        // Its hooks are foreign code: they are dropped here, outside the lock.
        drop(entry);
    }
}

impl Drop for ChannelHandle {
    fn drop(&mut self) {
        self.close();
    }
}
