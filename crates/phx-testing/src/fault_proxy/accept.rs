//! A proxy's thread: accepts connections, and carries their bytes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use super::connections::{Came, Event, Shared};
use crate::Connectivity;
use crate::faulty_pipe::{self, Ended, FaultyPipe};

/// Bytes that a connection takes each way beside the buffers of the operating system: little, so that a
/// sender is soon held back by a receiver that doesn't read.
const CAPACITY: usize = 64 * 1024;

const BACKLOG: u32 = 1024;

/// Change of the outcome of attempts to connect.
pub(super) struct Order {
    pub(super) connectivity: Connectivity,
    /// Sender of the change's result.
    pub(super) report: Sender<io::Result<()>>,
}

/// Runs until the proxy is dropped.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut orders: UnboundedReceiver<Order>,
    started: Sender<io::Result<SocketAddr>>,
) {
    let (mut door, address) = match Door::open().await {
        Ok(opened) => opened,
        Err(error) => return drop(started.send(Err(error))),
    };
    if started.send(Ok(address)).is_err() {
        return;
    }
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                // Its sender waits for the result.
                Some(Order { connectivity, report }) => drop(report.send(door.set(connectivity))),
                // Dropping the connections resets them.
                None => return,
            },
            client = door.accept(&shared) => {
                connections.spawn(serve(client));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The port that clients connect to.
struct Door {
    address: SocketAddr,
    listener: Option<TcpListener>,
    /// Connections accepted and never answered.
    silent: Option<Vec<Pair>>,
    /// Both ends of a connection to the port: while they are there the port stays taken, also without a listener.
    _held: (TcpStream, TcpStream),
}

impl Door {
    async fn open() -> io::Result<(Self, SocketAddr)> {
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let held = (client?, accepted?.0);
        Ok((Door { address, listener: Some(listener), silent: None, _held: held }, address))
    }

    fn set(&mut self, connectivity: Connectivity) -> io::Result<()> {
        if connectivity == Connectivity::Offline {
            self.listener = None;
        } else if self.listener.is_none() {
            self.listener = Some(listen(self.address)?);
        }
        let silent = connectivity == Connectivity::Silent;
        // Connections that were never answered are reset now.
        self.silent = silent.then(Vec::new);
        Ok(())
    }

    /// The next client to serve.
    async fn accept(&mut self, shared: &Arc<Shared>) -> Pair {
        loop {
            let Some(listener) = &self.listener else { return std::future::pending().await };
            // The error concerns one connection that ended before it was accepted.
            let Ok((client, _)) = listener.accept().await else { continue };
            let (shared, came) = (Arc::clone(shared), shared.came());
            let pair = Pair { shared, came, client, server: None, reset: true };
            match &mut self.silent {
                Some(unanswered) => unanswered.push(pair),
                None => return pair,
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit the size: a client's send buffer fills up soon when the server doesn't read.
    socket.set_recv_buffer_size(64 * 1024)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A connection, which is reset if its task ends before it does.
struct Pair {
    shared: Arc<Shared>,
    came: Came,
    client: TcpStream,
    server: Option<TcpStream>,
    reset: bool,
}

impl Drop for Pair {
    fn drop(&mut self) {
        if self.reset {
            for stream in std::iter::once(&self.client).chain(&self.server) {
                // It fails only on a dead connection.
                let _ = stream.set_zero_linger();
            }
        }
        self.shared.went(self.came.id);
    }
}

async fn serve(mut pair: Pair) {
    // Without a server, reset the client: TCP has no other way to report that.
    let Ok(server) = TcpStream::connect(pair.came.server).await else { return };
    let server = pair.server.insert(server);
    for stream in [&pair.client, server] {
        // Without it small frames wait for each other.
        let _ = stream.set_nodelay(true);
    }
    let (id, shared) = (pair.came.id, &pair.shared);
    let line = FaultyPipe {
        faults: pair.came.faults.clone(),
        passed: Arc::clone(&pair.came.passed),
        capacity: CAPACITY,
        server_ends_both: false,
        altered: || shared.report(Event::Altered(id)),
    };
    let ended = faulty_pipe::carry(pair.client.split(), server.split(), line).await;
    if ended == Ended::Cut {
        pair.shared.report(Event::Cut(id));
    }
    pair.reset = ended.is_reset();
}
