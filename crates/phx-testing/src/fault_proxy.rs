//! TCP proxy with faults on command, for any client and any server.
//!
//! It runs between the two on this machine, and has the faults of networks: it delays, holds back, swallows,
//! garbles, resets and refuses. The [`listener`](crate::listener) has such faults as well; the proxy is for other
//! servers, for the layers below the WebSocket (TLS, the handshake), and for full send buffers.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc as sync_mpsc;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::Connectivity;

mod accept;
mod commands;
mod connections;

use accept::Order;
use connections::Shared;

pub use commands::Connections;
pub use connections::{ConnectionId, Direction, Event};

/// Proxy on a free port of 127.0.0.1 to a server, with faults on command.
///
/// It runs on a separate thread, so that it works with every runtime and with none. Its methods return at once,
/// after setting the faults. Dropping it resets its connections.
///
/// A connection holds 64 KiB in each direction beside the buffers of the operating system; then its sender has to
/// wait.
///
/// # Examples
///
/// ```
/// use phx_testing::fault_proxy::{Direction, FaultProxy};
/// use phx_testing::{listener::Listener, demo_server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let server = Listener::bind(demo_server().build()).await?;
/// let proxy = FaultProxy::start(server.address())?;
/// println!("connect to ws://{}/socket", proxy.address());
/// // ... connect, join, push ...
/// proxy.all().half_open(); // a pulled cable: only a heartbeat finds out
/// // The next attempt to connect is cut in the middle of the server's answer.
/// proxy.next().cut_after(Direction::ToClient, 20);
/// # Ok(())
/// # }
/// ```
pub struct FaultProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Its end is the end of the thread.
    orders: mpsc::UnboundedSender<Order>,
}

impl FaultProxy {
    /// Starts a proxy to the server at this address.
    ///
    /// # Errors
    ///
    /// The operating system's error for a new thread or listening socket.
    pub fn start(server: SocketAddr) -> io::Result<Self> {
        FaultProxy::start_watched(server, |_| {})
    }

    /// As [`start`](FaultProxy::start), and calls `watch` with each event of a connection, at the time of the
    /// event: for measurements. It runs on the proxy's thread and must return soon.
    ///
    /// # Errors
    ///
    /// Those of [`start`](FaultProxy::start).
    pub fn start_watched(
        server: SocketAddr,
        watch: impl Fn(Event) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(server, Box::new(watch)));
        let (orders, ordered) = mpsc::unbounded_channel();
        let (report, started) = sync_mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let seen = Arc::clone(&shared);
        thread::Builder::new().name("fault-proxy".to_owned()).spawn(move || {
            runtime.block_on(accept::run(seen, ordered, report));
        })?;
        let address = started.recv().map_err(|_| gone())??;
        Ok(FaultProxy { shared, address, orders })
    }

    /// Returns the address to which clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connects further connections to another server.
    pub fn set_server(&self, server: SocketAddr) {
        self.shared.set_server(server);
    }

    /// Sets the delay in each direction, from now on, of all present and future connections.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.set_latency(latency);
        self.all().set_latency(latency);
    }

    /// Sets whether every WebSocket is opened and then carries nothing, from now on, on all present and future
    /// connections: the upgrade passes, and what is sent behind it vanishes in either direction. Other HTTP passes, so
    /// long-poll works. Some inspecting firewalls are like this.
    pub fn swallow_frames(&self, swallows: bool) {
        self.shared.set_swallows_frames(swallows);
        self.all().swallow_frames(swallows);
    }

    /// Sets the outcome of attempts to connect: a proxy that is [`Offline`](Connectivity::Offline) has closed its
    /// port, and the operating system refuses them; one that is [`Silent`](Connectivity::Silent) accepts them and
    /// sends nothing. Present connections continue.
    ///
    /// # Errors
    ///
    /// The operating system's error for listening on the port again; the proxy then stays as it was.
    pub fn set_connectivity(&self, connectivity: Connectivity) -> io::Result<()> {
        let (report, done) = sync_mpsc::channel();
        self.orders.send(Order { connectivity, report }).map_err(|_| gone())?;
        done.recv().map_err(|_| gone())?
    }

    /// Returns the present connections, the oldest first.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionId> {
        self.shared.ids()
    }
}

/// Only a panic ends the thread before the proxy, and there is none to expect.
fn gone() -> io::Error {
    io::Error::other("the proxy's thread has ended")
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultProxy").field("address", &self.address).finish_non_exhaustive()
    }
}
