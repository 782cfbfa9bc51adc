//! Connections from given addresses of this machine, each of which has its own ports.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_tungstenite::tokio::TokioAdapter;
use phx_tokio::dial::{ByteStream, Dialer};
use phx_tokio::{BoxFuture, CloseCause};
use tokio::net::{TcpSocket, TcpStream, lookup_host};

/// Source addresses that take turns. Clones share the turns.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    addresses: Arc<[IpAddr]>,
    next: Arc<AtomicUsize>,
}

impl Sources {
    pub(super) fn new(addresses: &[IpAddr]) -> Self {
        Sources { addresses: addresses.into(), next: Arc::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// The next address of the other one's family.
    fn next(&self, to: SocketAddr) -> Option<IpAddr> {
        let fitting = || self.addresses.iter().filter(|source| source.is_ipv4() == to.is_ipv4());
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        fitting().nth(turn % fitting().count().max(1)).copied()
    }
}

/// TCP connections that begin at source addresses.
#[derive(Clone, Debug)]
pub(super) struct SourceDialer(Sources);

impl SourceDialer {
    pub(super) fn new(sources: Sources) -> Self {
        SourceDialer(sources)
    }
}

impl Dialer for SourceDialer {
    type Stream = ByteStream;

    fn dial(&self, host: &str, port: u16) -> BoxFuture<Result<ByteStream, CloseCause>> {
        let (sources, host) = (self.0.clone(), host.to_owned());
        Box::pin(async move {
            let opened = open(&sources, &host, port).await;
            opened
                .map(|stream| ByteStream::new(TokioAdapter::new(stream)))
                .map_err(|error| CloseCause::io(error.to_string()))
        })
    }
}

/// Tries the addresses of a host in turn.
async fn open(sources: &Sources, host: &str, port: u16) -> io::Result<TcpStream> {
    let mut failed = None;
    for address in lookup_host((host, port)).await? {
        let Some(source) = sources.next(address) else { continue };
        match connect(source, address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = Some(error),
        }
    }
    let none = || io::Error::other("no source address is of the same kind (IPv4, IPv6)");
    Err(failed.unwrap_or_else(none))
}

async fn connect(source: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(source, 0))?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_a_family_take_turns() {
        let sources: Vec<IpAddr> =
            ["127.0.0.2", "::1", "127.0.0.3"].map(|source| source.parse().unwrap()).to_vec();
        let sources = Sources::new(&sources);
        let next = |to: &str| sources.next(to.parse().unwrap()).map(|ip| ip.to_string());
        let turns = [(); 3].map(|()| next("127.0.0.1:80").unwrap());
        assert_eq!(turns, ["127.0.0.2", "127.0.0.3", "127.0.0.2"]);
        assert_eq!(next("[::1]:80").as_deref(), Some("::1"));
        assert_eq!(Sources::new(&[]).next("127.0.0.1:80".parse().unwrap()), None);
    }
}
