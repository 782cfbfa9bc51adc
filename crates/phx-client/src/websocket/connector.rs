//! From a dialer to a connector: dial, TLS, upgrade.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use phx_proto::{CloseCause, ConfigError};

use super::{WebSocketConfig, check_tls, open};
use crate::builder::{IntoEndpoint, SocketBuilder};
use crate::connector::{Attempt, Connector, Transport};
use crate::dial::{Dialer, Network, TcpDialer, dial_through_proxy};
use crate::runtime::BoxFuture;

/// Opens WebSocket connections over the streams of a [`Dialer`], with TLS for `wss`. If the attempt has a proxy,
/// the dialer connects to that.
///
/// There is no time limit here: the client drops an attempt once the connect timeout has passed.
///
/// # Examples
///
/// An adapter's dialer, and other settings:
///
/// ```
/// # use phx_client::dial::Dialer;
/// use phx_client::SocketBuilder;
/// use phx_client::websocket::{WebSocketConfig, WebSocketConnector};
///
/// # fn doc(dialer: impl Dialer) -> SocketBuilder {
/// let mut config = WebSocketConfig::default();
/// config.read_buffer_size = 64 << 10;
/// let connector = WebSocketConnector::new(dialer).with_config(config);
/// SocketBuilder::new("wss://example.com/socket").connector(connector)
/// # }
/// ```
#[derive(Debug)]
pub struct WebSocketConnector<D> {
    dialer: Arc<D>,
    config: Arc<WebSocketConfig>,
}

impl<D: Dialer> WebSocketConnector<D> {
    /// Creates a connector with the default settings.
    #[must_use]
    pub fn new(dialer: D) -> Self {
        static DEFAULT: LazyLock<Arc<WebSocketConfig>> = LazyLock::new(Arc::default);
        WebSocketConnector { dialer: Arc::new(dialer), config: Arc::clone(&DEFAULT) }
    }

    /// Sets the connector's settings. One that can't work is an error of
    /// [`SocketBuilder::connect`](crate::SocketBuilder::connect) and
    /// [`SocketBuilder::spawn`](crate::SocketBuilder::spawn).
    #[must_use]
    pub fn with_config(mut self, config: WebSocketConfig) -> Self {
        self.config = Arc::new(config);
        self
    }
}

/// Returns a builder of a socket that connects to `endpoint` over TCP, and runs on the caller's runtime: the
/// adapters' `socket` functions return it.
pub fn builder<N: Network>(endpoint: impl IntoEndpoint) -> SocketBuilder {
    let builder = SocketBuilder::new(endpoint);
    match N::current() {
        Ok(runtime) => {
            builder.connector(WebSocketConnector::new(TcpDialer::<N>::new())).runtime(runtime)
        }
        // `connect` and `spawn` report a missing runtime.
        Err(_) => builder,
    }
}

impl<D: Dialer> Connector for WebSocketConnector<D> {
    fn check(&self) -> Result<(), ConfigError> {
        self.config.validate()
    }

    fn connect(&self, attempt: Attempt) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> {
        let dialer = Arc::clone(&self.dialer);
        let config = Arc::clone(&self.config);
        Box::pin(async move {
            // Checked first, so that no useless connection is made.
            check_tls(&attempt.request)?;
            let (host, port) = (attempt.request.host(), attempt.request.port());
            match &attempt.proxy {
                None => {
                    let stream = dialer.dial(attempt.request.dial_host(), port).await?;
                    open(stream, &attempt, &config).await
                }
                Some(proxy) => {
                    let tunnel = dial_through_proxy(&dialer, proxy, &config, host, port).await?;
                    open(tunnel, &attempt, &config).await
                }
            }
        })
    }
}
