//! Sockets that run on tokio.

use std::sync::Arc;

use phx_client::Builder;
use phx_client::websocket::WebSocketConfig;

use crate::{TcpConnector, TokioRuntime};

/// A socket in the making that connects to `url` and runs on the tokio runtime of the caller.
///
/// `url` is the socket's path on the server, as in `ws://localhost:4000/socket`; `wss`, `http` and
/// `https` do too.
///
/// # Errors
///
/// None here, so that calls can be chained: what is wrong with the URL, and that the caller runs on
/// no tokio runtime, is the error of [`Builder::connect`] and [`Builder::spawn`].
///
/// # Examples
///
/// ```
/// use phx_tokio::ConnectFailed;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let failed = phx_tokio::socket("localhost, port 4000").connect().await;
/// assert!(matches!(failed, Err(ConnectFailed::Endpoint(_))));
/// # }
/// ```
pub fn socket(url: &str) -> Builder {
    on_tokio(Builder::new(url), WebSocketConfig::default())
}

/// Gives a builder the tokio runtime of the caller, and a [`TcpConnector`] with settings of one's
/// own.
///
/// # Examples
///
/// ```no_run
/// use phx_tokio::Builder;
/// use phx_tokio::websocket::WebSocketConfig;
///
/// # async fn doc() -> Result<(), phx_tokio::ConnectFailed> {
/// let mut config = WebSocketConfig::default();
/// config.read_buffer_size = 64 << 10;
/// let builder = Builder::from_parts("example.com", "/socket", None, true);
/// let socket = phx_tokio::on_tokio(builder, config).connect().await?;
/// # Ok(())
/// # }
/// ```
pub fn on_tokio(builder: Builder, config: WebSocketConfig) -> Builder {
    match TokioRuntime::current() {
        Ok(runtime) => builder
            .connector(Arc::new(TcpConnector::new(runtime.clone(), config)))
            .runtime(Arc::new(runtime)),
        // A builder without a runtime says so when it is to connect.
        Err(_) => builder,
    }
}
