//! Builder of a socket: endpoint, credentials, settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use phx_proto::{
    Backoff, ClosePolicy, Config, ConfigError, Endpoint, EndpointError, Message, PushOverflow,
    ReconnectPolicy, RejoinPolicy, Serializer, TransportKind,
};
use serde::Serialize;

use crate::connector::Connector;
use crate::driver::Driver;
use crate::log::{Log, LogRecord};
use crate::proxy::Proxy;
use crate::runtime::{BoxFuture, Runtime};
use crate::shared::{HookId, Shared, SocketHooks};
use crate::socket::{Closed, ConnectCause, ConnectError, Socket, SocketError};

mod credentials;
mod fallback;
mod into_endpoint;
#[cfg(feature = "url")]
mod proxy;
mod settings;

pub use credentials::Credentials;
pub use fallback::LongPollFallback;
pub use into_endpoint::IntoEndpoint;
pub(crate) use settings::ClientConfig;

/// Builder of a [`Socket`].
///
/// Each adapter crate has a function that returns a builder with its runtime and connector; use
/// [`SocketBuilder::new`] for a custom runtime.
///
/// A mistake in the endpoint, a param, a header or a setting is kept, and becomes the error of
/// [`connect`](Self::connect) or [`spawn`](Self::spawn), so that calls can be chained. The client starts nothing in
/// that case.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
/// use phx_client::{Backoff, SocketBuilder};
///
/// # async fn doc(builder: SocketBuilder) -> Result<(), phx_client::ConnectError> {
/// let socket = builder
///     .param("token", "secret")
///     .heartbeat_interval(Some(Duration::from_secs(15)))
///     .reconnect(Backoff::exponential(Duration::from_millis(200), 2, Duration::from_secs(30)))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `connect` or `spawn`"]
pub struct SocketBuilder {
    endpoint: Result<Endpoint, EndpointError>,
    runtime: Option<Arc<dyn Runtime>>,
    connector: Option<Arc<dyn Connector>>,
    config: Config,
    settings: ClientConfig,
    hooks: SocketHooks,
    seed: Option<u64>,
    proxy: Result<Option<Proxy>, ConfigError>,
    make_core: Box<dyn FnOnce(Config, u64) -> phx_proto::Socket + Send + Sync>,
}

impl SocketBuilder {
    /// Creates the builder of a socket that connects to `endpoint`: the socket's URL, as in
    /// `ws://localhost:4000/socket` (`wss`, `http` and `https` work as well), or an [`Endpoint`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use phx_client::{SocketBuilder, Endpoint};
    ///
    /// let builder = SocketBuilder::new("ws://localhost:4000/socket");
    /// let builder = SocketBuilder::new(Endpoint::from_parts("example.com", "/socket", None, true));
    /// ```
    pub fn new(endpoint: impl IntoEndpoint) -> Self {
        SocketBuilder {
            endpoint: endpoint.into_endpoint(),
            runtime: None,
            connector: None,
            config: Config::default(),
            settings: ClientConfig::default(),
            hooks: SocketHooks::default(),
            seed: None,
            proxy: Ok(None),
            make_core: Box::new(phx_proto::Socket::new),
        }
    }

    /// Connects, and waits until the connection is open.
    ///
    /// Failed attempts are repeated as the reconnect policy and schedule say. The error is that of an attempt after
    /// which the client stops trying, by default a refusal that no retry can change. So while the server isn't
    /// listening or can't be reached, this waits without a limit;
    /// [`connect_with_timeout`](Self::connect_with_timeout) has one. [`on_close`](Self::on_close) and `tracing`
    /// report why each attempt failed.
    ///
    /// Dropping the future drops the socket.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub async fn connect(self) -> Result<Socket, ConnectError> {
        let socket = self.spawn()?;
        socket.wait_connected().await?;
        Ok(socket)
    }

    /// Connects as [`connect`](Self::connect) does, with a time limit; the error has the cause of the last
    /// attempt's failure.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]; when the time is over, [`ConnectCause::TimedOut`](crate::ConnectCause::TimedOut), and the
    /// socket is dropped.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use phx_client::SocketBuilder;
    ///
    /// # async fn doc(builder: SocketBuilder) -> Result<(), phx_client::ConnectError> {
    /// let socket = builder.connect_with_timeout(Duration::from_secs(5)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_with_timeout(self, limit: Duration) -> Result<Socket, ConnectError> {
        let socket = self.spawn()?;
        socket.wait_connected().with_timeout(limit).await?;
        Ok(socket)
    }

    /// Starts to connect, and returns the socket at once. The socket keeps trying; [`Socket::wait_connected`],
    /// [`Socket::status`] and [`Socket::on_close`] report its progress.
    ///
    /// # Errors
    ///
    /// [`ConnectCause::Endpoint`](crate::ConnectCause::Endpoint), [`ConnectCause::Config`](crate::ConnectCause::Config) or [`ConnectCause::Incomplete`](crate::ConnectCause::Incomplete).
    pub fn spawn(mut self) -> Result<Socket, ConnectError> {
        let missing = |missing| ConnectError::unmade(ConnectCause::Incomplete { missing });
        let endpoint = self.endpoint.map_err(ConnectError::unmade)?;
        self.settings.proxy = self.proxy.map_err(ConnectError::unmade)?;
        self.config.validate().map_err(ConnectError::unmade)?;
        self.settings.validate().map_err(ConnectError::unmade)?;
        let runtime = self.runtime.ok_or_else(|| missing("runtime"))?;
        let connector = self.connector.ok_or_else(|| missing("connector"))?;
        connector.check().map_err(ConnectError::unmade)?;
        self.settings.check_transports(&self.config, &*connector).map_err(ConnectError::unmade)?;
        let seed = self.seed.unwrap_or_else(|| runtime.seed());
        let core = (self.make_core)(self.config, seed);
        let shared =
            Arc::new(Shared::new(core, Arc::clone(&runtime), endpoint, self.settings, self.hooks));
        let socket = Socket::new(Arc::clone(&shared));
        shared.call(|state, now, _| state.core.connect(now));
        runtime.spawn(Box::pin(Driver::new(shared, connector)));
        Ok(socket)
    }
}

/// Runtime, connector and TLS.
impl SocketBuilder {
    /// Returns a client for single HTTP requests over the builder's connector, with its TLS settings, and through the
    /// builder's proxy.
    ///
    /// # Errors
    ///
    /// [`ConnectCause::Config`](crate::ConnectCause::Config) or [`ConnectCause::Incomplete`](crate::ConnectCause::Incomplete).
    #[cfg(feature = "http")]
    pub fn http_client(&self) -> Result<crate::HttpClient, ConnectError> {
        let missing = |missing| ConnectError::unmade(ConnectCause::Incomplete { missing });
        let proxy = self.proxy.clone().map_err(ConnectError::unmade)?;
        let runtime = self.runtime.clone().ok_or_else(|| missing("runtime"))?;
        let connector = self.connector.clone().ok_or_else(|| missing("connector"))?;
        connector.check().map_err(ConnectError::unmade)?;
        Ok(crate::HttpClient::new(connector, runtime, proxy))
    }

    /// Sets the async runtime on which the socket runs.
    pub fn runtime(mut self, runtime: impl Runtime) -> Self {
        self.runtime = Some(Arc::new(runtime));
        self
    }

    /// Sets the connector, which opens the transports: a custom one serves a proxy, a Unix socket, or a test.
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.connector = Some(Arc::new(connector));
        self
    }

    /// Sets the kind of transport. Default: a WebSocket.
    ///
    /// Another kind needs a connector that [supports](Connector::supports) it: for long-poll the adapters have the feature
    /// `longpoll`. The server's socket needs `longpoll: true` then. The endpoint stays the same.
    pub fn transport(mut self, transport: TransportKind) -> Self {
        self.settings.transport = transport;
        self
    }

    /// Uses long-poll where no WebSocket works, as phoenix.js does with `longPollFallbackMs`: given a `Duration`, or a
    /// [`LongPollFallback`] with more options. Default: no fallback.
    ///
    /// Long-poll takes the place of a WebSocket at once when an attempt to open one has failed, or when it isn't open
    /// after that time, or when it is, but no frame has come after that time: the client asks the server for a sign of
    /// life then. If both fail, one end is reported: that of long-poll if the server refused it, but for HTTP status
    /// 404; otherwise that of the WebSocket. The next attempt begins with a WebSocket again.
    ///
    /// Once long-poll has opened it is remembered for the socket's life, if no WebSocket has proved itself before;
    /// see [`Socket::retry_web_socket`] and [`LongPollFallback::web_socket_after`] for the way back. Pushes that were
    /// surely not sent wait for the new transport; those that may have arrived fail as disconnected.
    ///
    /// It needs a connector that [supports](Connector::supports) both, by the adapters' feature `longpoll`, and
    /// `longpoll: true` on the server's socket.
    pub fn long_poll_fallback(mut self, fallback: impl Into<LongPollFallback>) -> Self {
        self.settings.fallback = Some(fallback.into());
        self
    }

    /// Offers to compress messages. Default: nothing is compressed, because compression shows by its length how much of a
    /// secret is equal to text that others chose, see [`Compression`](crate::websocket::Compression).
    ///
    /// If the server agrees, messages of both sides are compressed; otherwise they go as they are. Joins and payloads
    /// marked [`uncompressed`](crate::Payload::uncompressed) always go as they are. An answer that isn't one to the offer
    /// ends the attempt with [`CloseCause::Compression`](crate::CloseCause::Compression). Long-poll ignores the setting.
    #[cfg(feature = "deflate")]
    pub fn compression(mut self, compression: crate::websocket::Compression) -> Self {
        self.settings.compression = Some(compression);
        self
    }

    /// Records the session: what goes into the core and comes out of it, see [`recorder`](crate::recorder). Default: not.
    #[cfg(feature = "recorder")]
    pub fn recorder(mut self, recorder: impl Into<phx_recorder::Recorder>) -> Self {
        let recorder = recorder.into();
        self.make_core = Box::new(move |config, seed| recorder.socket(config, seed));
        self
    }

    /// Sets the seed of the jitter in the retry schedules. Default: that of the [runtime](Runtime::seed), random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}

/// Data sent to the server when connecting.
impl SocketBuilder {
    /// Adds a param to the URL: the server's `connect/3` gets it.
    pub fn param(mut self, key: &str, value: &str) -> Self {
        self.endpoint = self.endpoint.map(|endpoint| endpoint.with_param(key, value));
        self
    }

    /// Adds all fields of a struct or map to the URL, including nested ones, see [`Endpoint::with_params`].
    pub fn params<T: Serialize + ?Sized>(mut self, params: &T) -> Self {
        self.endpoint = self.endpoint.and_then(|endpoint| endpoint.with_params(params));
        self
    }

    /// Adds a header to the upgrade request.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.endpoint = self.endpoint.and_then(|endpoint| endpoint.with_header(name, value));
        self
    }

    /// Sends a token outside of the URL: the server's socket must have `auth_token: true`, available since Phoenix
    /// 1.8. If the server ignores the token, the client reports [`SocketError::TokenIgnored`]. An empty token
    /// counts as none.
    pub fn auth_token(mut self, token: &str) -> Self {
        self.endpoint = self.endpoint.map(|endpoint| endpoint.with_auth_token(token));
        self
    }

    /// Calls `make` for params, headers and a token before every attempt to connect, so that expiring values are
    /// always fresh. They are added to those given here.
    ///
    /// If `make` fails, panics, or takes longer than [`credentials_timeout`](Self::credentials_timeout), the
    /// attempt fails, and is repeated as any other. The text of its error appears in
    /// [`CloseCause::ConnectFailed`](phx_proto::CloseCause::ConnectFailed) and in logs: keep secrets out of it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use phx_client::{SocketBuilder, Credentials};
    ///
    /// # async fn fetch_token() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// # async fn doc(builder: SocketBuilder) -> Result<(), phx_client::ConnectError> {
    /// let socket = builder
    ///     .credentials(|| async { Ok(Credentials::new().auth_token(fetch_token().await?)) })
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn credentials<F, M>(mut self, make: F) -> Self
    where
        F: Fn() -> M + Send + Sync + 'static,
        M: Future<Output = Result<Credentials, Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + 'static,
    {
        self.settings.credentials = Some(Arc::new(move || -> BoxFuture<_> { Box::pin(make()) }));
        self
    }

    /// Sets the time limit of [`credentials`](Self::credentials) and
    /// [`ChannelBuilder::params_with`](crate::ChannelBuilder::params_with). Default: 10 s.
    pub fn credentials_timeout(mut self, timeout: Duration) -> Self {
        self.settings.credentials_timeout = timeout;
        self
    }
}

/// Settings of the protocol; the fields of [`Config`] describe each.
impl SocketBuilder {
    /// Sets all settings at once: a preset such as [`Config::phoenix_js`], or limits without a method here. It
    /// replaces the settings made by the methods below, so call it first.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets the serializer, which encodes and decodes messages. Default: [`V2`](phx_proto::V2).
    ///
    /// A serializer runs with the socket's lock held: it must not call anything on handles of this
    /// socket. If it panics the driver ends. The same holds for functions given to
    /// [`reconnect`](Self::reconnect), [`reconnect_policy`](Self::reconnect_policy),
    /// [`rejoin`](Self::rejoin) and [`rejoin_policy`](Self::rejoin_policy).
    pub fn serializer(mut self, serializer: impl Serializer + 'static) -> Self {
        self.config.serializer = Arc::new(serializer);
        self
    }

    /// Sets the time limit for the reply to a push. Default: 10 s.
    pub fn push_timeout(mut self, timeout: Duration) -> Self {
        self.config.push_timeout = timeout;
        self
    }

    /// Sets the time limit for the reply to a join. Default: 10 s.
    pub fn join_timeout(mut self, timeout: Duration) -> Self {
        self.config.join_timeout = timeout;
        self
    }

    /// Sets the time limit for the reply to a leave. Default: 10 s.
    pub fn leave_timeout(mut self, timeout: Duration) -> Self {
        self.config.leave_timeout = timeout;
        self
    }

    /// Sets the time limit of a whole connect attempt, credentials included. Default: 20 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// Sets the time limit for a transport's closing handshake. Default: 5 s.
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.config.close_timeout = timeout;
        self
    }

    /// Sets the time between heartbeats; `None` disables them. Default: 30 s.
    pub fn heartbeat_interval(mut self, interval: Option<Duration>) -> Self {
        self.config.heartbeat_interval = interval;
        self
    }

    /// Sets the time without incoming frames, while a heartbeat waits for its reply, after which the connection
    /// counts as dead. Default: 10 s.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.config.heartbeat_timeout = timeout;
        self
    }

    /// Sets the longest time that a heartbeat waits for its reply, even while other frames arrive; at least
    /// [`heartbeat_timeout`](Self::heartbeat_timeout). Default: 30 s.
    pub fn heartbeat_limit(mut self, limit: Duration) -> Self {
        self.config.heartbeat_limit = limit;
        self
    }

    /// Sets the delays between attempts to connect. Default: 1, 2, 5, then 10 s, each up to a quarter shorter or
    /// longer. A function must not call anything on handles of this socket.
    pub fn reconnect(mut self, backoff: Backoff) -> Self {
        self.config.reconnect = backoff;
        self
    }

    /// Sets when to reconnect at all. A function must not call anything on handles of this socket.
    pub fn reconnect_policy(mut self, policy: ReconnectPolicy) -> Self {
        self.config.reconnect_policy = policy;
        self
    }

    /// Sets the delays between attempts to join. Default: 1, 2, 5, then 10 s, each up to a quarter shorter or
    /// longer. A function must not call anything on handles of this socket.
    pub fn rejoin(mut self, backoff: Backoff) -> Self {
        self.config.rejoin = backoff;
        self
    }

    /// Sets whether to join again after a rejection. A function must not call anything on handles of this socket.
    pub fn rejoin_policy(mut self, policy: RejoinPolicy) -> Self {
        self.config.rejoin_policy = policy;
        self
    }

    /// Sets whether to join again after the server closed a channel. Default: never, as phoenix.js. A function must
    /// not call anything on handles of this socket.
    ///
    /// A channel that the policy joins again isn't closed: its streams continue after a
    /// [gap](crate::StreamItem::Gap).
    pub fn close_policy(mut self, policy: ClosePolicy) -> Self {
        self.config.close_policy = policy;
        self
    }

    /// Sets the time for which a connection must stay open, and a channel joined, before the retry schedule starts
    /// over. Default: 10 s.
    pub fn stable_after(mut self, time: Duration) -> Self {
        self.config.stable_after = time;
        self
    }

    /// Sets the largest incoming frame, in bytes, up to 1 GiB. The transport decides what happens to a larger one:
    /// the WebSocket transport ends the connection with code 1009 and discards the frame. Default: 64 MiB.
    pub fn max_frame_size(mut self, bytes: usize) -> Self {
        self.config.max_frame_size = bytes;
        self
    }

    /// Sets the limit, in bytes, of the server's answers that futures haven't taken yet, and the same limit for
    /// answers that channels keep: [`Channel::join_response`](crate::Channel::join_response) and
    /// [`Channel::close_cause`](crate::Channel::close_cause). One answer of any size is always kept. Over the limit
    /// the client drops the payload, and the outcome says so, with the status:
    /// [`PushCause::ReplyDropped`](crate::PushCause::ReplyDropped),
    /// [`JoinCause::ReplyDropped`](crate::JoinCause::ReplyDropped), [`PayloadDropped`](crate::PayloadDropped).
    /// Default: 64 MiB.
    pub fn max_answer_bytes(mut self, bytes: usize) -> Self {
        self.config.max_answer_bytes = bytes;
        self
    }

    /// Sets the largest number of joins under way; further ones wait, and after a burst that the server didn't
    /// accept they are spread, see [`Config::max_joins_in_flight`]. Default: 100.
    pub fn max_joins_in_flight(mut self, joins: usize) -> Self {
        self.config.max_joins_in_flight = joins;
        self
    }

    /// Sets the largest number of one channel's pushes that the transport hasn't taken;
    /// [`Config::max_buffered_bytes`] limits their bytes. Default: 65,536.
    pub fn max_buffered_pushes(mut self, pushes: usize) -> Self {
        self.config.max_buffered_pushes = pushes;
        self
    }

    /// Sets what happens to a push when the buffer is full. Default: the push is refused.
    pub fn push_overflow(mut self, push_overflow: PushOverflow) -> Self {
        self.config.push_overflow = push_overflow;
        self
    }
}

/// Settings of streams.
impl SocketBuilder {
    /// Sets the largest number of messages that a stream holds, unless its options set another. Default: 1,024.
    pub fn stream_capacity(mut self, messages: usize) -> Self {
        self.settings.stream_capacity = messages;
        self
    }

    /// Sets the largest number of bytes that the untaken messages of a stream, or the changes of a presence, may
    /// hold; one more message of any size is allowed. Default: 64 MiB.
    pub fn stream_bytes(mut self, bytes: usize) -> Self {
        self.settings.stream_bytes = bytes;
        self
    }

    /// Sets the time for which a full stream that takes nothing may hold back all others, see
    /// [`StreamOverflow::Wait`](crate::StreamOverflow::Wait). Default: 5 s.
    pub fn stall_after(mut self, time: Duration) -> Self {
        self.settings.stall_after = time;
        self
    }
}

/// Hooks registered before the first connection. They can't be removed; [`Socket::on_open`] and the other methods
/// of [`Socket`] register removable ones.
///
/// A hook has always run before a future that waits for the same event resolves: `on_close` before
/// [`Socket::disconnect`] or a refused [`connect`](SocketBuilder::connect), a channel's `on_close` before
/// [`Channel::leave`](crate::Channel::leave).
impl SocketBuilder {
    /// Calls `handler` whenever the connection has opened.
    pub fn on_open(mut self, handler: impl Fn() + Send + Sync + 'static) -> Self {
        self.hooks.open.add(HookId::KEPT, Arc::new(handler));
        self
    }

    /// Calls `handler` whenever a connection has ended or an attempt has failed.
    pub fn on_close(mut self, handler: impl Fn(&Closed) + Send + Sync + 'static) -> Self {
        self.hooks.close.add(HookId::KEPT, Arc::new(handler));
        self
    }

    /// Calls `handler` with every error of the socket.
    pub fn on_error(mut self, handler: impl Fn(&SocketError) + Send + Sync + 'static) -> Self {
        self.hooks.error.add(HookId::KEPT, Arc::new(handler));
        self
    }

    /// Calls `handler` with every incoming message.
    pub fn on_message(mut self, handler: impl Fn(&Message) + Send + Sync + 'static) -> Self {
        self.hooks.message.add(HookId::KEPT, Arc::new(handler));
        self
    }

    /// Sets whether errors and logs show the `reason` of a response that rejects a join or a push, and of the
    /// payload of a channel that crashed or was closed: its first 120 characters, escaped. Errors and logs show no
    /// other part of payloads. Default: true.
    pub fn show_reasons(mut self, show: bool) -> Self {
        self.settings.hide_reasons = !show;
        self
    }

    /// Sets a logger, called with the kind, text and data of each event. It must return soon; a panic in it is
    /// ignored. `tracing` gets the same records without any data.
    pub fn logger(mut self, logger: impl Fn(&LogRecord) + Send + Sync + 'static) -> Self {
        self.settings.log = Log::to(logger);
        self
    }
}

impl fmt::Debug for SocketBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketBuilder")
            .field("endpoint", &self.endpoint)
            .field("runtime", &self.runtime)
            .field("connector", &self.connector)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
