//! Ports for servers that go and come back.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use tokio::net::TcpSocket;

/// A reserved port of 127.0.0.1, also while its server is away: it is bound here, and the server
/// listens on it.
pub(crate) struct Port {
    address: SocketAddr,
    /// It never listens itself.
    _bound: TcpSocket,
}

impl Port {
    pub(crate) fn take() -> anyhow::Result<Self> {
        let bound = TcpSocket::new_v4().context("no socket")?;
        bound.set_reuseaddr(true)?;
        bound.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).context("no free port")?;
        Ok(Port { address: bound.local_addr()?, _bound: bound })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
