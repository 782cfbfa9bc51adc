//! Reserved ports, for servers that restart.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use tokio::net::TcpSocket;

/// A port of 127.0.0.1 that stays reserved while its server is down: a socket here is bound to it, and the server
/// listens on another one.
pub(crate) struct Port {
    address: SocketAddr,
    /// Bound, but never listening.
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
