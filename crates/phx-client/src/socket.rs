//! Handle of a socket.

use std::fmt;
use std::sync::Arc;

use phx_proto::{ConnectionState, Counters, Endpoint, Message, ResponseHeaders, TransportKind};

use crate::runtime::Runtime;
use crate::shared::{Handle, HookList, OnClose, OnError, OnMessage, OnOpen, Shared, SocketHooks};
use crate::subscription::Subscription;

mod connecting;
mod error;
mod ping;

pub use connecting::{Connecting, Disconnecting};
pub use error::{Closed, ConnectCause, ConnectError, SocketError};
pub use ping::{Ping, PingError};

/// A Phoenix socket: a connection to the server, reopened whenever it is lost, and the channels on it.
///
/// Made by a [`SocketBuilder`](crate::SocketBuilder); each adapter crate has a function that returns a builder for
/// its runtime. A `Socket` is a handle: clones share the connection. When the last handle of the socket and of its
/// channels is dropped, the connection is closed and the driver ends.
///
/// The driver is a task of the runtime. If the runtime drops it (it shuts down, or the task panics), the socket and its
/// channels are closed for good: [`CloseCause::Stopped`](phx_proto::CloseCause::Stopped) and [`ChannelCloseCause::Stopped`](phx_proto::ChannelCloseCause::Stopped).
///
/// # Examples
///
/// ```no_run
/// use phx_client::{SocketBuilder, Socket};
/// use serde_json::json;
///
/// # async fn doc(builder: SocketBuilder) -> Result<(), Box<dyn std::error::Error>> {
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

/// State shared by all handles of a socket; dropping it closes the connection.
pub(crate) struct SocketHandle {
    shared: Arc<Shared>,
}

impl Socket {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Socket { handle: Arc::new(SocketHandle { shared }) }
    }

    pub(crate) fn of(handle: Arc<SocketHandle>) -> Self {
        Socket { handle }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    pub(crate) fn handle(&self) -> &Arc<SocketHandle> {
        &self.handle
    }

    /// Reconnects at once, without waiting for the reconnect schedule: call it when the network came back or
    /// changed. It replaces an attempt or a connection.
    ///
    /// Returns `false`, and does nothing, if no connection is wanted, as after a `disconnect`.
    #[expect(clippy::must_use_candidate, reason = "it acts; the answer is for who wants it")]
    pub fn reconnect_now(&self) -> bool {
        self.shared().call(|state, now, _| !state.is_driver_gone() && state.core.reconnect_now(now))
    }

    /// Tries a WebSocket again, if the socket has [fallen back](crate::SocketBuilder::long_poll_fallback) to long-poll:
    /// it forgets that, and reconnects at once. If no WebSocket works, it falls back again.
    ///
    /// Returns `false`, and does nothing, if a WebSocket is open, no connection is wanted, or the socket has no
    /// fallback.
    #[expect(clippy::must_use_candidate, reason = "it acts; the answer is for who wants it")]
    pub fn retry_web_socket(&self) -> bool {
        let has_fallback = self.shared().settings.fallback.is_some();
        self.shared().call(|state, now, _| {
            let acts = has_fallback
                && !state.is_driver_gone()
                && state.open_transport() != Some(TransportKind::WebSocket)
                && state.core.reconnect_now(now);
            state.prefers_web_socket |= acts;
            acts
        })
    }

    /// Returns the kind of the transport that is open; `None` if the socket isn't connected.
    #[must_use]
    pub fn transport(&self) -> Option<TransportKind> {
        self.shared().lock().open_transport()
    }

    /// Returns true if the socket is connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state() == ConnectionState::Open
    }

    /// Returns the connection's state.
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        self.shared().lock().connection_state()
    }

    /// Returns counters of connections, messages and failures so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        *self.shared().lock().core.counters()
    }

    /// Returns the bytes of WebSocket frames on the wire so far, on all connections of the socket: beside
    /// [`bytes_sent`](Counters::bytes_sent) and [`bytes_received`](Counters::bytes_received) of
    /// [`counters`](Self::counters) they show what compression saves. Long-poll and custom transports don't count.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn wire_bytes(&self) -> crate::WireBytes {
        self.shared().wire.get()
    }

    /// The headers of the answer that opened the connection: a load balancer's cookie, the id of a request or a node.
    ///
    /// Empty before the first connection has opened, and for a transport without HTTP. `on_open` sees those of the new
    /// connection. After its end they stay until the next one opens, so that `on_close` can log an id of the one that
    /// was lost. No more than 32 KiB, in one buffer that clones share. `Debug` shows the names only, since a value may
    /// be a secret.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn doc(socket: phx_client::Socket) {
    /// if let Some(id) = socket.response_headers().get("x-request-id") {
    ///     println!("connected by request {}", String::from_utf8_lossy(id));
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn response_headers(&self) -> ResponseHeaders {
        self.shared().lock().response_headers.clone()
    }

    /// Returns the runtime on which the socket runs, for libraries that need its clock, timers and tasks.
    #[must_use]
    pub fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::clone(self.shared().runtime.runtime())
    }

    /// Returns the socket's endpoint. `Display` and `Debug` show it without secrets.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.shared().endpoint
    }
}

/// Hooks; see [`Subscription`] for where they run, and [`SocketBuilder`](crate::SocketBuilder) for how to register them
/// before the first connection.
impl Socket {
    /// Calls `handler` whenever the connection has opened.
    pub fn on_open(&self, handler: impl Fn() + Send + Sync + 'static) -> Subscription {
        self.hook::<OnOpen>(Arc::new(handler), |hooks| &mut hooks.open)
    }

    /// Calls `handler` whenever a connection has ended or an attempt has failed: exactly once for
    /// each.
    pub fn on_close(&self, handler: impl Fn(&Closed) + Send + Sync + 'static) -> Subscription {
        self.hook::<OnClose>(Arc::new(handler), |hooks| &mut hooks.close)
    }

    /// Calls `handler` with every error of the socket: before `on_close` if the error ended the connection.
    pub fn on_error(&self, handler: impl Fn(&SocketError) + Send + Sync + 'static) -> Subscription {
        self.hook::<OnError>(Arc::new(handler), |hooks| &mut hooks.error)
    }

    /// Calls `handler` with every incoming message, replies and heartbeats included, before it is dispatched.
    pub fn on_message(&self, handler: impl Fn(&Message) + Send + Sync + 'static) -> Subscription {
        self.hook::<OnMessage>(Arc::new(handler), |hooks| &mut hooks.message)
    }

    fn hook<F: ?Sized + Send + Sync + 'static>(
        &self,
        function: Arc<F>,
        list: fn(&mut SocketHooks) -> &mut HookList<F>,
    ) -> Subscription {
        let mut state = self.shared().lock();
        let id = state.next_hook();
        // If the driver is gone, no hook will run. The function is foreign code: drop it after the lock.
        if !state.is_driver_gone() {
            list(&mut state.hooks).add(id, function);
        }
        drop(state);
        let shared = Arc::downgrade(self.shared());
        Subscription::new(move || {
            let Some(shared) = shared.upgrade() else { return };
            let mut state = shared.lock();
            let removed = list(&mut state.hooks).remove(id);
            drop(state);
            drop(removed);
        })
    }
}

impl Handle for Socket {
    fn shared(&self) -> &Arc<Shared> {
        self.shared()
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
