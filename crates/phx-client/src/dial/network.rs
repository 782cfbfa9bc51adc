//! The dialers of the adapters: TCP and Unix sockets, over the network of a runtime.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;

use phx_proto::CloseCause;

use super::happy_eyeballs::race;
use super::{ByteStream, Dialer};
use crate::runtime::{BoxFuture, NoRuntimeError, Runtime};

/// Networking of a runtime, on which [`TcpDialer`] and [`UnixDialer`] build.
pub trait Network: Runtime + Sized {
    /// Returns the runtime that the calling code runs on, or has entered.
    ///
    /// # Errors
    ///
    /// [`NoRuntimeError`] without such a runtime.
    fn current() -> Result<Self, NoRuntimeError>;

    /// Looks a host up.
    fn resolve(
        host: String,
        port: u16,
    ) -> impl Future<Output = io::Result<impl Iterator<Item = SocketAddr> + Send>> + Send;

    /// Connects over TCP, with `TCP_NODELAY`.
    fn connect_tcp(
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<ByteStream>> + Send + 'static;

    /// Connects to the Unix socket at `path`.
    #[cfg(unix)]
    fn connect_unix(path: PathBuf) -> impl Future<Output = io::Result<ByteStream>> + Send;
}

/// Dials TCP on the caller's runtime.
///
/// Each dial looks the host's name up, and tries up to 64 of its addresses, each with a head start of 250 ms before
/// the next; IPv6 and IPv4 take turns (RFC 8305). Small writes are sent at once (`TCP_NODELAY`).
pub struct TcpDialer<N>(PhantomData<N>);

impl<N: Network> TcpDialer<N> {
    /// Creates the dialer that the adapters' `socket` uses.
    #[must_use]
    pub fn new() -> Self {
        TcpDialer(PhantomData)
    }
}

impl<N: Network> Dialer for TcpDialer<N> {
    type Stream = ByteStream;

    fn dial(&self, host: &str, port: u16) -> BoxFuture<Result<Self::Stream, CloseCause>> {
        let host = host.to_owned();
        Box::pin(async move {
            let runtime =
                N::current().map_err(|error| CloseCause::invalid_request(error.to_string()))?;
            let addresses = N::resolve(host.clone(), port).await.map_err(|error| {
                CloseCause::io(format!("can't look up `{host}`: {error}; is the name right?"))
            })?;
            race(addresses, N::connect_tcp, |wait| runtime.timer(runtime.now() + wait)).await
        })
    }
}

impl<N> Clone for TcpDialer<N> {
    fn clone(&self) -> Self {
        TcpDialer(PhantomData)
    }
}

impl<N> Default for TcpDialer<N> {
    fn default() -> Self {
        TcpDialer(PhantomData)
    }
}

impl<N> fmt::Debug for TcpDialer<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TcpDialer")
    }
}

/// Dials a Unix socket, regardless of the endpoint's host and port; the server sees those in the `Host` header.
#[cfg(unix)]
pub struct UnixDialer<N> {
    path: PathBuf,
    network: PhantomData<N>,
}

#[cfg(unix)]
impl<N: Network> UnixDialer<N> {
    /// Creates a dialer for the socket at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        UnixDialer { path: path.into(), network: PhantomData }
    }
}

#[cfg(unix)]
impl<N: Network> Dialer for UnixDialer<N> {
    type Stream = ByteStream;

    fn dial(&self, _host: &str, _port: u16) -> BoxFuture<Result<Self::Stream, CloseCause>> {
        let path = self.path.clone();
        Box::pin(async move {
            N::connect_unix(path.clone()).await.map_err(|error| {
                CloseCause::io(format!("can't connect to {}: {error}", path.display()))
            })
        })
    }
}

#[cfg(unix)]
impl<N> Clone for UnixDialer<N> {
    fn clone(&self) -> Self {
        UnixDialer { path: self.path.clone(), network: PhantomData }
    }
}

#[cfg(unix)]
impl<N> fmt::Debug for UnixDialer<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixDialer").field("path", &self.path).finish()
    }
}
