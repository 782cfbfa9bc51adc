//! Dialers: byte streams to a host, over which connections to a Phoenix server are made.
//!
//! Each adapter has two [`Dialer`]s, one for TCP and one for Unix sockets, built on its runtime's [`Network`].
//! [`HttpProxy`] and [`Socks5Proxy`] go through a proxy that another dialer reaches;
//! [`SocketBuilder::proxy`](crate::SocketBuilder::proxy) does the same for most uses. A custom dialer can use any
//! other way to the server.

mod byte_stream;
mod happy_eyeballs;
mod http_proxy;
mod network;
mod open;
#[cfg(any(feature = "http", feature = "tls"))]
mod own_turn;
mod socks5_proxy;
mod through_proxy;

use std::fmt;

use futures::{AsyncRead, AsyncWrite};
use phx_proto::CloseCause;

use crate::runtime::BoxFuture;

pub use byte_stream::ByteStream;
pub use http_proxy::HttpProxy;
#[cfg(unix)]
pub use network::UnixDialer;
pub use network::{Network, TcpDialer};
#[cfg(feature = "http")]
pub(crate) use open::Untyped;
pub(crate) use open::{OverStream, open};
#[cfg(feature = "http")]
pub(crate) use own_turn::OwnTurn;
pub use socks5_proxy::Socks5Proxy;

pub use crate::stream_connector::builder;

/// Ends the text of a refused connection: the address was right, but no program listens there.
const SERVER_HINT: &str = "; is the server running?";

/// Returns the cause of a failed connection to a proxy, with the hint about the program that was dialed. The dialer
/// doesn't know that it connects to a proxy.
fn of_proxy(cause: CloseCause) -> CloseCause {
    match cause {
        CloseCause::Io { error, .. } => CloseCause::io(match error.strip_suffix(SERVER_HINT) {
            Some(error) => format!("{error}; is the proxy running?"),
            None => error,
        }),
        cause => cause,
    }
}

/// Opens byte streams to a host.
///
/// # Examples
///
/// A pipe in memory, whose other end goes to a server in the same process:
///
/// ```
/// use std::sync::mpsc::Sender;
///
/// use in_memory::{Pipe, pipe};
/// use phx_client::dial::Dialer;
/// use phx_client::{BoxFuture, CloseCause};
/// # mod in_memory {
/// #     pub type Pipe = futures::io::Cursor<Vec<u8>>;
/// #     pub fn pipe() -> (Pipe, Pipe) { Default::default() }
/// # }
///
/// #[derive(Debug)]
/// struct InMemory {
///     server: Sender<Pipe>,
/// }
///
/// impl Dialer for InMemory {
///     type Stream = Pipe;
///
///     fn dial(&self, _host: &str, _port: u16) -> BoxFuture<Result<Pipe, CloseCause>> {
///         let (ours, theirs) = pipe();
///         let sent = self.server.send(theirs);
///         Box::pin(async move {
///             sent.map_err(|_| CloseCause::io("the server is gone"))?;
///             Ok(ours)
///         })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (sender, receiver) = std::sync::mpsc::channel();
/// let dialer = InMemory { server: sender };
/// assert!(dialer.dial("server.test", 80).await.is_ok());
/// assert!(receiver.try_recv().is_ok());
/// # }
/// ```
pub trait Dialer: fmt::Debug + Send + Sync + 'static {
    /// Type of the streams.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Opens a stream to `host` (a DNS name, or an IP address without brackets) and `port`. There is no time limit
    /// here; dropping the future abandons the attempt.
    fn dial(&self, host: &str, port: u16) -> BoxFuture<Result<Self::Stream, CloseCause>>;
}
