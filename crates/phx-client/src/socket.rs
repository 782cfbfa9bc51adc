//! The socket's handle.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use phx_proto::{
    ByteString, CloseCause, CloseCode, ConnectionState, Counters, DecodeError, DisconnectError,
    Endpoint, Message,
};

use crate::channel::{Channel, ChannelBuilder};
use crate::hook::Hook;
use crate::shared::{Garbage, HookId, Shared, SocketHooks};
use crate::status::SocketStatus;

mod connecting;
mod ping;

pub use connecting::{ConnectFailed, Connecting, Disconnecting};
pub use ping::{Ping, PingFailed};

/// A Phoenix socket: one connection to the server, made again whenever it is lost, and the channels
/// on it.
///
/// Made by a [`Builder`](crate::Builder); the adapter crates have an entry that knows their runtime.
/// A `Socket` is a handle: clones share the connection. When the last handle of the socket and of
/// its channels is dropped, the connection is closed and the driver ends.
///
/// The driver is a task of the runtime. If the runtime drops it (it shuts down, or the task panics), the socket and its
/// channels are closed for good: [`CloseCause::Stopped`] and [`ChannelCloseCause::Stopped`](phx_proto::ChannelCloseCause::Stopped).
///
/// # Examples
///
/// ```no_run
/// use phx_client::{Builder, Socket};
/// use serde_json::json;
///
/// # async fn doc(builder: Builder) -> Result<(), Box<dyn std::error::Error>> {
/// let socket: Socket = builder.param("token", "secret").connect().await?;
/// let room = socket.channel("room:lobby").params(&json!({ "name": "ann" })).join().await?;
/// room.push("new_msg", &json!({ "body": "hi" })).acknowledged().await?;
/// room.leave().await?;
/// socket.disconnect().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Socket {
    handle: Arc<SocketHandle>,
}

/// What all handles of a socket share; its drop closes the connection.
pub(crate) struct SocketHandle {
    shared: Arc<Shared>,
}

/// The end of a connection or of an attempt, as [`Socket::on_close`] tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// Why.
    pub cause: CloseCause,
    /// Whether the connection had been open.
    pub was_open: bool,
    /// Time until the next attempt; `None` if the socket stays closed.
    pub retry_in: Option<Duration>,
}

/// Something that went wrong on a socket, as [`Socket::on_error`] tells it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The connection was lost, or an attempt failed.
    #[error("{0}")]
    Connection(CloseCause),
    /// A frame came that isn't a message. It was dropped.
    #[error("a frame that isn't a message came")]
    Malformed(#[source] DecodeError),
    /// The server has ignored the auth token: it named no subprotocol, as Phoenix does before 1.8, and for a
    /// socket without `auth_token: true`. The connection stays. Reported once for each socket.
    #[error(
        "the server ignored the auth token: before Phoenix 1.8, and without `auth_token: true`, it has to be a param"
    )]
    TokenIgnored,
    /// Messages or other news were lost, because
    /// [`Config::max_events`](phx_proto::Config::max_events) of them waited.
    #[error("{0} events lost")]
    EventsLost(u64),
}

impl Socket {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Socket { handle: Arc::new(SocketHandle { shared }) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// A channel for `topic`, to be given params and joined.
    pub fn channel(&self, topic: impl Into<ByteString>) -> ChannelBuilder {
        ChannelBuilder::new(Arc::clone(&self.handle), topic.into())
    }

    /// Another handle to the channel that has `topic` now; `None` if none has.
    #[must_use]
    pub fn existing_channel(&self, topic: &str) -> Option<Channel> {
        let handle = {
            let state = self.shared().lock();
            let owner = state.core.channel_of(topic)?;
            state.channels.get(owner)?.handle.upgrade()
        };
        handle.map(Channel::from_handle)
    }

    /// Leaves a channel and frees its topic at once, without waiting for the server. Other handles
    /// to it stay valid: they are handles to a closed channel, whose streams end.
    ///
    /// A channel that is simply not needed any more is left by dropping its handles.
    pub fn remove(&self, channel: &Channel) {
        if Arc::ptr_eq(channel.shared(), self.shared()) {
            channel.close_now();
        }
    }
}

/// The connection.
impl Socket {
    /// Connects, and stays connected until [`disconnect`](Self::disconnect). Only needed after a
    /// `disconnect`, or after a refusal that ended the attempts; it also ends a wait for the next
    /// attempt at once.
    ///
    /// It acts here and now; the future waits until the connection is open, or is given up.
    /// Cancel-safe.
    pub fn connect(&self) -> Connecting {
        Connecting::start(self)
    }

    /// Waits until the connection is open, or given up. Does nothing to it. Cancel-safe.
    pub fn opened(&self) -> Connecting {
        Connecting::wait(self)
    }

    /// Disconnects with close code 1000, and stays so until [`connect`](Self::connect).
    ///
    /// It acts here and now; the future waits until the transport is closed, at the latest after
    /// [`Builder::close_timeout`](crate::Builder::close_timeout). Channels stay known and rejoin
    /// after the next `connect`, so their streams don't end. Cancel-safe.
    pub fn disconnect(&self) -> Disconnecting {
        let started: Result<_, Infallible> =
            Disconnecting::start(self, |state, now| Ok(state.disconnect_normally(now)));
        let Ok(disconnecting) = started;
        disconnecting
    }

    /// [`disconnect`](Self::disconnect), telling the server why.
    ///
    /// # Errors
    ///
    /// [`DisconnectError`], and nothing is done, if a close frame can't hold `code` (1000 and 3000 to
    /// 4999 are allowed) or `reason` (123 bytes at the most).
    pub fn disconnect_with(
        &self,
        code: CloseCode,
        reason: &str,
    ) -> Result<Disconnecting, DisconnectError> {
        Disconnecting::start(self, |state, now| state.disconnect(now, code, reason))
    }

    /// Connects anew at once, without waiting for the reconnect schedule: for when the network came
    /// back or changed. An attempt or a connection is replaced.
    ///
    /// Returns `false`, and does nothing, if no connection is wanted.
    #[expect(clippy::must_use_candidate, reason = "it acts; the answer is for who wants it")]
    pub fn reconnect_now(&self) -> bool {
        self.shared().call(|state, now, _| !state.is_driver_gone() && state.core.reconnect_now(now))
    }

    /// Asks the server for a sign of life, and measures the time until it comes.
    ///
    /// The ping is made here and now. Cancel-safe.
    pub fn ping(&self) -> Ping {
        Ping::start(self)
    }

    /// Whether the socket is connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state() == ConnectionState::Open
    }

    /// What the connection is doing.
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        self.shared().lock().connection_state()
    }

    /// The connection's state as a stream: the present one first, then every change.
    pub fn status(&self) -> SocketStatus {
        SocketStatus::new(self.shared())
    }

    /// What happened so far, as numbers.
    #[must_use]
    pub fn counters(&self) -> Counters {
        *self.shared().lock().core.counters()
    }

    /// Where the socket connects to. Shown without secrets by `Display` and `Debug`.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.shared().endpoint
    }
}

/// Hooks; see [`Hook`] for where they run, and [`Builder`](crate::Builder) for how to register them
/// before the first connection.
impl Socket {
    /// Calls `handler` whenever the connection has opened.
    pub fn on_open(&self, handler: impl Fn() + Send + Sync + 'static) -> Hook {
        self.hook(
            |hooks, id| hooks.open.add(id, Arc::new(handler)),
            |hooks, id| hooks.open.remove(id),
        )
    }

    /// Calls `handler` whenever a connection has ended or an attempt has failed: exactly once for
    /// each.
    pub fn on_close(&self, handler: impl Fn(&Closed) + Send + Sync + 'static) -> Hook {
        self.hook(
            |hooks, id| hooks.close.add(id, Arc::new(handler)),
            |hooks, id| hooks.close.remove(id),
        )
    }

    /// Calls `handler` when something went wrong: before `on_close` if that was the connection's
    /// end.
    pub fn on_error(&self, handler: impl Fn(&SocketError) + Send + Sync + 'static) -> Hook {
        self.hook(
            |hooks, id| hooks.error.add(id, Arc::new(handler)),
            |hooks, id| hooks.error.remove(id),
        )
    }

    /// Calls `handler` with every message that comes, replies and heartbeats included, before it is
    /// dispatched. While there is such a hook every message is decoded a second time.
    pub fn on_message(&self, handler: impl Fn(&Message) + Send + Sync + 'static) -> Hook {
        self.hook(
            |hooks, id| hooks.message.add(id, Arc::new(handler)),
            |hooks, id| hooks.message.remove(id),
        )
    }

    fn hook(
        &self,
        add: impl FnOnce(&mut SocketHooks, HookId),
        remove: impl FnOnce(&mut SocketHooks, HookId) -> Garbage + Send + Sync + 'static,
    ) -> Hook {
        let mut state = self.shared().lock();
        let id = state.next_hook();
        if state.is_driver_gone() {
            // Nothing will happen any more. `add` holds foreign code, and is dropped after the lock.
            drop(state);
        } else {
            add(&mut state.hooks, id);
            drop(state);
        }
        let shared = Arc::downgrade(self.shared());
        Hook::new(move || {
            let Some(shared) = shared.upgrade() else { return };
            let mut state = shared.lock();
            let garbage = remove(&mut state.hooks, id);
            drop(state);
            drop(garbage);
        })
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("endpoint", self.endpoint())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl SocketHandle {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for SocketHandle {
    fn drop(&mut self) {
        self.shared.call(|state, now, _| {
            state.abandoned = true;
            state.disconnect_normally(now);
        });
    }
}
