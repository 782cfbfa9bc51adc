//! A channel's handle: join, push, streams, hooks, leave.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use phx_proto::{
    ByteString, ChannelCloseCause, ChannelId, ChannelState, Payload, PayloadDropped, PushId,
};
use serde::de::DeserializeOwned;

use crate::hook::Hook;
use crate::messages::item::{ChannelMessage, Incoming};
use crate::messages::wanted::Wanted;
use crate::messages::{self, Messages};
use crate::payload::IntoPayload;
use crate::push::{Push, PushRefused};
use crate::shared::{ChannelHooks, Garbage, HookId, Shared};
use crate::socket::SocketHandle;
use crate::status::ChannelStatus;

mod builder;
mod failure;
mod join;
mod leave;

pub(crate) use builder::ParamsFunction;
pub use builder::{ChannelBuilder, NewChannelFailed};
pub use failure::{ChannelFailure, ChannelFailureCause};
pub use join::{Join, JoinFailed};
pub use leave::{Leave, LeaveFailed};

/// A channel of a socket: one topic's conversation with the server.
///
/// Made by [`Socket::channel`](crate::Socket::channel). Once joined it stays joined: after a lost
/// connection or a crash of the channel's process it rejoins by itself, until it is left, or the
/// server closes it, or a rejection is final. A closed channel can be joined again, see
/// [`join`](Self::join).
///
/// A `Channel` is a handle: clones share the channel, so several parts of a program can read and
/// push on one topic. Streams and pushes hold a handle too. When the last one is dropped the channel
/// is left and forgotten. Handles of channels keep the socket connected.
#[derive(Clone)]
pub struct Channel {
    handle: Arc<ChannelHandle>,
}

/// What the clones of a handle share; its drop leaves.
pub(crate) struct ChannelHandle {
    socket: Arc<SocketHandle>,
    id: ChannelId,
    topic: ByteString,
    /// How long a join waits for its answer, if the builder said.
    join_timeout: Option<Duration>,
}

impl Channel {
    /// A handle for a channel that was just made.
    pub(crate) fn new(
        socket: Arc<SocketHandle>,
        id: ChannelId,
        topic: ByteString,
        join_timeout: Option<Duration>,
    ) -> Self {
        Channel { handle: Arc::new(ChannelHandle { socket, id, topic, join_timeout }) }
    }

    pub(crate) fn from_handle(handle: Arc<ChannelHandle>) -> Self {
        Channel { handle }
    }

    pub(crate) fn downgrade(&self) -> Weak<ChannelHandle> {
        Arc::downgrade(&self.handle)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        self.handle.socket.shared()
    }

    pub(crate) fn id(&self) -> ChannelId {
        self.handle.id
    }

    pub(crate) fn close_now(&self) {
        self.handle.close();
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &ByteString {
        &self.handle.topic
    }

    /// What the channel is doing.
    #[must_use]
    pub fn state(&self) -> ChannelState {
        self.shared().lock().channel_state(self.id())
    }

    /// The channel's state as a stream: the present one first, then every change.
    pub fn status(&self) -> ChannelStatus {
        ChannelStatus::new(self)
    }

    /// The response to the latest join; `None` before the first. It is an error if the channels of this socket keep
    /// so much already that there was no room for it, see
    /// [`Builder::max_answer_bytes`](crate::Builder::max_answer_bytes).
    #[must_use]
    pub fn join_response(&self) -> Option<Result<Payload, PayloadDropped>> {
        self.shared().lock().channels.get(self.id()).and_then(|entry| entry.response.clone())
    }

    /// Why the channel isn't joined, if its last attempt to join or its last time of being joined
    /// failed, and when it is tried again; `None` once it is joined, and when it is closed. What the server sent with
    /// that is kept if there is room for it, see [`Builder::max_answer_bytes`](crate::Builder::max_answer_bytes).
    #[must_use]
    pub fn failure(&self) -> Option<ChannelFailure> {
        self.shared()
            .lock()
            .channels
            .get(self.id())
            .and_then(|entry| entry.failure.as_deref().cloned())
    }

    /// Why the channel is closed; `None` while it isn't. What the server sent with that is kept if there is room for
    /// it, see [`Builder::max_answer_bytes`](crate::Builder::max_answer_bytes).
    #[must_use]
    pub fn close_cause(&self) -> Option<ChannelCloseCause> {
        self.shared()
            .lock()
            .channels
            .get(self.id())
            .and_then(|entry| entry.closed.as_deref().cloned())
    }
}

/// Joining and leaving.
impl Channel {
    /// Joins the channel; for one that was made by
    /// [`ChannelBuilder::create`], after its streams and hooks.
    ///
    /// The join is under way when this returns, and goes on when the future is dropped: the future
    /// only waits for the server's first answer that isn't a crash, until its deadline. Cancel-safe in
    /// that sense.
    ///
    /// A channel that was left, that the server closed or whose join it rejected begins a new life by
    /// this: its params are made anew, and its hooks stay. Streams that ended stay ended; those made
    /// from here on belong to the new life. A channel that was removed or replaced can't be joined
    /// again, nor can one whose topic has another channel by now.
    pub fn join(&self) -> Join {
        self.start_joining(self.handle.join_timeout)
    }

    /// [`join`](Self::join), with this time to wait for the answer instead of
    /// [`ChannelBuilder::join_timeout`].
    pub fn join_within(&self, timeout: Duration) -> Join {
        self.start_joining(Some(timeout))
    }

    /// Leaves the channel. It is closed when the server has confirmed that, or the time
    /// ([`Builder::leave_timeout`](crate::Builder::leave_timeout)) is over, or the connection ends.
    ///
    /// The leave is under way when this returns, and goes on when the future is dropped.
    pub fn leave(&self) -> Leave {
        self.start_leaving(None)
    }

    /// [`leave`](Self::leave), with this time for the server to confirm it.
    pub fn leave_within(&self, timeout: Duration) -> Leave {
        self.start_leaving(Some(timeout))
    }
}

/// Pushing.
impl Channel {
    /// Pushes an event to the server: `&value` for anything that serialises, or a [`Payload`].
    ///
    /// The push is made here and now; the returned future waits for the reply, see [`Push`]. While
    /// the channel is joining, or the connection is away, pushes wait in order for the join.
    ///
    /// A task that awaits the reply doesn't read its streams meanwhile. If one of them is full, the
    /// reply can't be read before the stream has stalled, see
    /// [`WhenSlow::Wait`](crate::WhenSlow::Wait): where many messages come, read in another task.
    pub fn push<R>(&self, event: impl Into<ByteString>, payload: impl IntoPayload) -> Push<R> {
        Push::new(self.clone(), self.start_push(event.into(), payload, None))
    }

    /// [`push`](Self::push), with a deadline of its own, counted from here, instead of
    /// [`Builder::push_timeout`](crate::Builder::push_timeout).
    pub fn push_within<R>(
        &self,
        timeout: Duration,
        event: impl Into<ByteString>,
        payload: impl IntoPayload,
    ) -> Push<R> {
        Push::new(self.clone(), self.start_push(event.into(), payload, Some(timeout)))
    }

    fn start_push(
        &self,
        event: ByteString,
        payload: impl IntoPayload,
        timeout: Option<Duration>,
    ) -> Result<PushId, PushRefused> {
        let payload = payload.into_payload()?;
        let log = &self.shared().settings.log;
        let shown = log.wants().then(|| (event.clone(), payload.clone()));
        let push = self.shared().call(|state, now, _| {
            if state.is_driver_gone() {
                return Err(PushRefused::Stopped { event, payload });
            }
            let push = state.core.push(now, self.id(), event, payload, timeout)?;
            state.pushes.expect(push);
            Ok::<PushId, PushRefused>(push)
        })?;
        if let Some((event, payload)) = shown {
            log.pushed(self.topic(), &event, &payload);
        }
        Ok(push)
    }
}

/// Listening.
impl Channel {
    /// The messages of one event, each decoded as a `T`.
    ///
    /// The stream sees what comes after this call. What the server sends right after a join may
    /// come before: to miss none of it, make the channel with [`ChannelBuilder::create`], call this,
    /// and then [`join`](Self::join).
    pub fn on<T: DeserializeOwned>(&self, event: impl Into<ByteString>) -> Messages<T> {
        Messages::of_channel(self.clone(), Wanted::Event(event.into()), messages::decode)
    }

    /// The messages of one event, undecoded: also for binary ones. From this call on, as with
    /// [`on`](Self::on).
    pub fn on_raw(&self, event: impl Into<ByteString>) -> Messages<Payload> {
        Messages::of_channel(self.clone(), Wanted::Event(event.into()), messages::raw)
    }

    /// The messages of all events. From this call on, as with [`on`](Self::on).
    pub fn messages(&self) -> Messages<ChannelMessage> {
        Messages::of_channel(self.clone(), Wanted::Messages, messages::any)
    }

    /// Messages and replies, in the order in which the server sent them: for who applies them one after
    /// another, as a LiveView's renderer applies diffs. From this call on, as with [`on`](Self::on).
    ///
    /// It yields what the futures of joins and pushes get, too. A reply to a push that has timed out,
    /// was cancelled or has been answered already is dropped, as it is for the future.
    pub fn incoming(&self) -> Messages<Incoming> {
        Messages::of_channel(self.clone(), Wanted::Incoming, messages::incoming)
    }

    /// Calls `handler` with every message of one event, until [`Hook::off`].
    ///
    /// See [`Hook`] for where handlers run. A stream can do all that this can and more.
    pub fn on_event(
        &self,
        event: impl Into<ByteString>,
        handler: impl Fn(&Payload) + Send + Sync + 'static,
    ) -> Hook {
        let event = event.into();
        let removed = event.clone();
        self.hook(
            |hooks, id| hooks.event.entry(event).or_default().add(id, Arc::new(handler)),
            move |hooks, id| hooks.remove_event(&removed, id),
        )
    }

    /// Passes every message of this channel through `change` before anyone gets it: the event's
    /// name and the payload go in, the payload to be delivered comes out. The overridable
    /// `onMessage` of other clients. Replies aren't messages in this sense.
    pub fn on_message(
        &self,
        change: impl Fn(&str, Payload) -> Payload + Send + Sync + 'static,
    ) -> Hook {
        self.hook(
            |hooks, id| hooks.payload.add(id, Arc::new(change)),
            |hooks, id| hooks.payload.remove(id),
        )
    }

    /// Calls `handler` after every join with the response, and whether it was a rejoin.
    pub fn on_join(&self, handler: impl Fn(&Payload, bool) + Send + Sync + 'static) -> Hook {
        self.hook(
            |hooks, id| hooks.join.add(id, Arc::new(handler)),
            |hooks, id| hooks.join.remove(id),
        )
    }

    /// Calls `handler` whenever the channel isn't joined any more and will rejoin, and whenever an
    /// attempt to join failed that isn't the last one: with the cause, and when it is tried again.
    pub fn on_error(&self, handler: impl Fn(&ChannelFailure) + Send + Sync + 'static) -> Hook {
        self.hook(
            |hooks, id| hooks.error.add(id, Arc::new(handler)),
            |hooks, id| hooks.error.remove(id),
        )
    }

    /// Calls `handler` when the channel is closed.
    pub fn on_close(&self, handler: impl Fn(&ChannelCloseCause) + Send + Sync + 'static) -> Hook {
        self.hook(
            |hooks, id| hooks.close.add(id, Arc::new(handler)),
            |hooks, id| hooks.close.remove(id),
        )
    }

    fn hook(
        &self,
        add: impl FnOnce(&mut ChannelHooks, HookId),
        remove: impl FnOnce(&mut ChannelHooks, HookId) -> Garbage + Send + Sync + 'static,
    ) -> Hook {
        let mut state = self.shared().lock();
        let id = state.next_hook();
        let entry = state.channels.get_mut(self.id());
        match entry.filter(|entry| !entry.is_over()) {
            Some(entry) => add(entry.hooks.get_or_insert_default(), id),
            // Replaced or removed: nothing will happen any more. `add` holds foreign code, and is dropped
            // after the lock.
            None => drop(state),
        }
        let (shared, channel) = (Arc::downgrade(self.shared()), self.id());
        Hook::new(move || {
            let Some(shared) = shared.upgrade() else { return };
            let mut state = shared.lock();
            let entry = state.channels.get_mut(channel);
            let garbage = match entry.and_then(|entry| entry.hooks.as_mut()) {
                Some(hooks) => remove(hooks, id),
                None => None,
            };
            drop(state);
            drop(garbage);
        })
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
    /// Leaves, frees the topic, and ends the streams; nothing more is told of the channel.
    fn close(&self) {
        let entry = self.socket.shared().call(|state, now, wakers| {
            state.core.remove(now, self.id);
            state.end_streams(self.id, wakers);
            let mut entry = state.remove_channel(self.id)?;
            entry.status.take_wakers(wakers);
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
