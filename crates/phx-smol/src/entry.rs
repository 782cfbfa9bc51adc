//! Sockets that run on the caller's runtime.

use phx_client::websocket::WebSocketConnector;
use phx_client::{Builder, IntoEndpoint};

use crate::{AdapterRuntime, TcpDialer};

/// A socket in the making that connects to `endpoint` over TCP, and runs on the runtime of the
/// caller.
///
/// `endpoint` is the socket's path on the server, as in `ws://localhost:4000/socket`; `wss`, `http`
/// and `https` do too. Or an [`Endpoint`](crate::Endpoint).
///
/// # Errors
///
/// None here, so that calls can be chained: what is wrong with the endpoint, and that the caller
/// runs on no runtime, is the error of [`Builder::connect`] and [`Builder::spawn`].
///
/// # Examples
///
/// ```
/// use phx_smol::ConnectFailed;
///
/// # smol::block_on(async {
/// let failed = phx_smol::socket("localhost, port 4000").connect().await;
/// assert!(matches!(failed, Err(ConnectFailed::Endpoint(_))));
/// # });
/// ```
pub fn socket(endpoint: impl IntoEndpoint) -> Builder {
    let builder = Builder::new(endpoint);
    match AdapterRuntime::current() {
        Ok(runtime) => {
            builder.connector(WebSocketConnector::new(TcpDialer::new())).runtime(runtime)
        }
        // A builder without a runtime says so when it is to connect.
        Err(_) => builder,
    }
}
