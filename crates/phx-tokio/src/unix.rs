//! Unix sockets.

use std::path::PathBuf;

use async_tungstenite::tokio::TokioAdapter;
use phx_client::dial::{ByteStream, Dialer};
use phx_client::{BoxFuture, CloseCause};
use tokio::net::UnixStream;

/// Dials a Unix socket, whatever host and port the endpoint names; the server sees them in the `Host`
/// header.
///
/// # Examples
///
/// ```no_run
/// use phx_tokio::UnixDialer;
/// use phx_tokio::websocket::WebSocketConnector;
///
/// # async fn doc() -> Result<(), phx_tokio::ConnectFailed> {
/// let socket = phx_tokio::socket("ws://localhost/socket")
///     .connector(WebSocketConnector::new(UnixDialer::new("/run/phoenix.sock")))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct UnixDialer {
    path: PathBuf,
}

impl UnixDialer {
    /// A dialer of the socket at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        UnixDialer { path: path.into() }
    }
}

impl Dialer for UnixDialer {
    type Stream = ByteStream;

    fn dial(&self, _host: &str, _port: u16) -> BoxFuture<Result<Self::Stream, CloseCause>> {
        let path = self.path.clone();
        Box::pin(async move {
            let stream = UnixStream::connect(&path).await.map_err(|error| {
                CloseCause::lost(format!("can't connect to {}: {error}", path.display()))
            })?;
            Ok(ByteStream::new(TokioAdapter::new(stream)))
        })
    }
}
