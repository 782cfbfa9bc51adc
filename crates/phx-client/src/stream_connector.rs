//! From a dialer to a connector: a stream to the server, and the transport over it.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use futures::{AsyncRead, AsyncWrite};
use phx_proto::{CloseCause, ConfigError, TransportKind};

use crate::builder::{IntoEndpoint, SocketBuilder};
use crate::connector::{Attempt, Connector, Transport};
use crate::dial::{self, Dialer, Network, OverStream, TcpDialer};
#[cfg(feature = "http")]
use crate::dial::{ByteStream, OwnTurn, Untyped};
#[cfg(feature = "longpoll")]
use crate::longpoll::{self, LongPoll, LongPollConfig};
use crate::runtime::BoxFuture;
use crate::turn::Turn;
use crate::websocket::{WebSocketConfig, upgrade_in};

/// Opens transports over the streams of a [`Dialer`], with TLS for `wss`: a WebSocket or, with the feature `longpoll`, a
/// long-poll session. If the attempt has a proxy, the dialer connects to that.
///
/// There is no time limit here: the client drops an attempt once the connect timeout has passed.
///
/// # Examples
///
/// An adapter's dialer, and other settings:
///
/// ```
/// # use phx_client::dial::Dialer;
/// use phx_client::websocket::WebSocketConfig;
/// use phx_client::{SocketBuilder, StreamConnector};
///
/// # fn doc(dialer: impl Dialer) -> SocketBuilder {
/// let mut config = WebSocketConfig::default();
/// config.read_buffer_size = 64 << 10;
/// let connector = StreamConnector::new(dialer).with_config(config);
/// SocketBuilder::new("wss://example.com/socket").connector(connector)
/// # }
/// ```
#[derive(Debug)]
pub struct StreamConnector<D> {
    dialer: Arc<D>,
    config: Arc<WebSocketConfig>,
    #[cfg(feature = "longpoll")]
    long_poll: Arc<LongPoll>,
}

impl<D: Dialer> StreamConnector<D> {
    /// Creates a connector with the default settings.
    #[must_use]
    pub fn new(dialer: D) -> Self {
        static DEFAULT: LazyLock<Arc<WebSocketConfig>> = LazyLock::new(Arc::default);
        StreamConnector {
            dialer: Arc::new(dialer),
            config: Arc::clone(&DEFAULT),
            #[cfg(feature = "longpoll")]
            long_poll: Arc::default(),
        }
    }

    /// Sets the connector's settings. One that can't work is an error of
    /// [`SocketBuilder::connect`](crate::SocketBuilder::connect) and
    /// [`SocketBuilder::spawn`](crate::SocketBuilder::spawn).
    #[must_use]
    pub fn with_config(mut self, config: WebSocketConfig) -> Self {
        self.config = Arc::new(config);
        self
    }

    /// Sets the settings of long-poll transports. They use those of TLS and of refusals in the [`WebSocketConfig`].
    #[cfg(feature = "longpoll")]
    #[must_use]
    pub fn with_long_poll_config(mut self, config: LongPollConfig) -> Self {
        self.long_poll = Arc::new(LongPoll::new(config));
        self
    }
}

/// Returns a builder of a socket that connects to `endpoint` over TCP, and runs on the caller's runtime: the
/// adapters' `socket` functions return it.
pub fn builder<N: Network>(endpoint: impl IntoEndpoint) -> SocketBuilder {
    let builder = SocketBuilder::new(endpoint);
    match N::current() {
        Ok(runtime) => {
            builder.connector(StreamConnector::new(TcpDialer::<N>::new())).runtime(runtime)
        }
        // `connect` and `spawn` report a missing runtime.
        Err(_) => builder,
    }
}

impl<D: Dialer> Connector for StreamConnector<D> {
    fn check(&self) -> Result<(), ConfigError> {
        #[cfg(feature = "longpoll")]
        self.long_poll.config.validate()?;
        self.config.validate()
    }

    #[cfg(feature = "http")]
    fn open_stream(&self, attempt: Attempt) -> BoxFuture<Result<ByteStream, CloseCause>> {
        let (dialer, config) = (Arc::clone(&self.dialer), Arc::clone(&self.config));
        Box::pin(async move {
            let (turn, stream) = dial::open(&dialer, &attempt, &config, Untyped).await?;
            Ok(ByteStream::new(OwnTurn::new(stream, turn)))
        })
    }

    fn supports(&self, transport: TransportKind) -> bool {
        transport == TransportKind::WebSocket
            || (cfg!(feature = "longpoll") && transport == TransportKind::LongPoll)
    }

    fn connect(&self, attempt: Attempt) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> {
        let dialer = Arc::clone(&self.dialer);
        let config = Arc::clone(&self.config);
        #[cfg(feature = "longpoll")]
        if attempt.transport == TransportKind::LongPoll {
            return Box::pin(longpoll::open(dialer, attempt, config, Arc::clone(&self.long_poll)));
        }
        Box::pin(async move {
            let upgrade = Upgrade { attempt: &attempt, config: &config };
            dial::open(&dialer, &attempt, &config, upgrade).await
        })
    }
}

/// Upgrades a stream to WebSocket.
struct Upgrade<'a> {
    attempt: &'a Attempt,
    config: &'a WebSocketConfig,
}

impl OverStream for Upgrade<'_> {
    type Output = Pin<Box<dyn Transport>>;

    async fn run<S>(self, turn: Turn, stream: S) -> Result<Self::Output, CloseCause>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Ok(Box::pin(upgrade_in(&turn, stream, self.attempt, self.config).await?))
    }
}
