//! TCP connections to a host.

use phx_client::dial::{ByteStream, Dialer, race};
use phx_client::{BoxFuture, CloseCause};
use smol::net::{TcpStream, resolve};

use crate::AdapterRuntime;

/// Dials TCP.
///
/// The host's name is looked up each time. All its addresses are tried, each with a head start of
/// 250 ms before the next ([`race`]). Small writes are sent at once (`TCP_NODELAY`).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TcpDialer;

impl TcpDialer {
    /// The dialer that [`socket`](crate::socket) uses.
    #[must_use]
    pub fn new() -> Self {
        TcpDialer
    }
}

impl Dialer for TcpDialer {
    type Stream = ByteStream;

    fn dial(&self, host: &str, port: u16) -> BoxFuture<Result<Self::Stream, CloseCause>> {
        let host = host.to_owned();
        Box::pin(async move {
            let runtime = AdapterRuntime::current()
                .map_err(|error| CloseCause::unusable(error.to_string()))?;
            let addresses = resolve((&*host, port))
                .await
                .map_err(|error| CloseCause::lost(format!("can't look up `{host}`: {error}")))?;
            let stream = race(addresses, TcpStream::connect, &runtime).await?;
            stream.set_nodelay(true).map_err(|error| CloseCause::lost(error.to_string()))?;
            Ok(ByteStream::new(stream))
        })
    }
}
