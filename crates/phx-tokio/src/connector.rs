//! WebSocket over TCP, and TLS for `wss`.

use std::pin::Pin;
use std::sync::Arc;

use async_tungstenite::tokio::TokioAdapter;
use phx_client::websocket::{self, WebSocketConfig};
use phx_client::{BoxFuture, CloseCause, Connector, Request, Transport};
use tokio::net::{TcpStream, lookup_host};

use crate::dial::dial;
use crate::runtime::TokioRuntime;

/// Opens WebSocket connections over TCP, with TLS for `wss`.
///
/// The host's name is looked up at every attempt. All its addresses are tried, in the order the
/// system gives but alternating between IPv6 and IPv4: each gets a start of 250 ms before the next
/// joins in, or less if it fails sooner, and the first connection wins (as RFC 8305 describes it).
/// Small writes are sent at once (`TCP_NODELAY`).
///
/// There is no time limit here: the client drops an attempt once the connect timeout has passed.
///
/// # Examples
///
/// The client calls its connector by itself; this is what it does.
///
/// ```
/// use phx_tokio::websocket::WebSocketConfig;
/// use phx_tokio::{CloseCause, Connector, Endpoint, TcpConnector, TokioRuntime};
/// use tokio::io::AsyncWriteExt;
/// use tokio::net::TcpListener;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // A server that lets nobody in.
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let url = format!("ws://{}/socket", listener.local_addr()?);
/// tokio::spawn(async move {
///     let (mut stream, _) = listener.accept().await?;
///     stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await?;
///     stream.shutdown().await
/// });
///
/// let connector = TcpConnector::new(TokioRuntime::current()?, WebSocketConfig::default());
/// let request = Endpoint::parse(&url)?.request("2.0.0");
/// match connector.connect(request, 1 << 20).await {
///     Ok(transport) => println!("open: {transport:?}"),
///     Err(CloseCause::Refused(refusal)) => assert_eq!(refusal.status, 403),
///     Err(other) => println!("{other}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TcpConnector {
    runtime: TokioRuntime,
    config: Arc<WebSocketConfig>,
}

impl TcpConnector {
    /// A connector with these settings. Its connections are opened on the runtime that polls them,
    /// which is to be `runtime`.
    #[must_use]
    pub fn new(runtime: TokioRuntime, config: WebSocketConfig) -> Self {
        TcpConnector { runtime, config: Arc::new(config) }
    }
}

impl Connector for TcpConnector {
    fn connect(
        &self,
        request: Request,
        max_frame_size: usize,
    ) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> {
        let (runtime, config) = (self.runtime.clone(), Arc::clone(&self.config));
        Box::pin(async move {
            websocket::check_tls(&request)?;
            let stream = connect(request.host(), request.port()).await?;
            let stream = TokioAdapter::new(stream);
            websocket::open(stream, &request, max_frame_size, &config, &runtime).await
        })
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, CloseCause> {
    let addresses = lookup_host((host, port))
        .await
        .map_err(|error| CloseCause::lost(format!("can't look up `{host}`: {error}")))?;
    let stream = dial(addresses, TcpStream::connect).await?;
    stream.set_nodelay(true).map_err(|error| CloseCause::lost(error.to_string()))?;
    Ok(stream)
}
