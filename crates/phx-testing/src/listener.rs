//! Server behind a real listener for WebSocket and long-poll, on tokio: for examples and end-to-end tests.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use phx_proto::{ByteString, Instant, Payload};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use crate::{Connectivity, Expectations, MismatchError, Server};

mod batch;
mod connection;
#[cfg(feature = "deflate")]
mod deflate;
mod faults;
mod hub;
mod longpoll;
mod patience;
mod upgrade;
mod wire;

use hub::Hub;

#[cfg(feature = "deflate")]
pub use deflate::CompressionFault;
pub use faults::Connections;

/// A [`Server`] that listens on a port of this machine.
///
/// Its clock is tokio's. It works in the background; dropping it ends that and resets its connections.
///
/// WebSocket and long-poll share the port, at `/websocket` and `/longpoll` below the socket's path. HTTP/1.1
/// connections of long-poll are kept and closed as the [`HttpServer`](crate::HttpServer) does.
///
/// Its WebSocket library makes it differ from Phoenix: it answers a client's close frame with the client's code. It
/// closes a connection after it refused an upgrade.
///
/// With the feature `deflate` and [`compress`](crate::ServerBuilder::compress) it speaks permessage-deflate.
///
/// The data of one client takes no more memory than its largest frame or body, or twice that if it is compressed: the
/// head of its request has up to 64 KiB and 100 headers, a message over
/// [`max_frame_size`](crate::ServerBuilder::max_frame_size) is refused with 1009 before any of it is gathered, or
/// inflated beyond it, and of a body over 8 MB no more is gathered than that. Frames for a client that doesn't read,
/// or doesn't poll, wait without a limit, and the number of clients has no limit: let only trusted clients reach the
/// listener.
///
/// # Examples
///
/// ```
/// use phx_testing::{listener::Listener, demo_server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let listener = Listener::bind(demo_server().build()).await?;
/// println!("connect to {}", listener.url());
/// // ... connect, join, push ...
/// listener.drop_connections();
/// listener.stop().await;
/// # Ok(())
/// # }
/// ```
pub struct Listener {
    hub: Arc<Hub>,
    url: String,
    address: SocketAddr,
    stopping: Arc<Notify>,
    task: JoinHandle<()>,
}

/// Largest limit of a server's frames, in bytes: the listener allocates the size that a client announces.
const MAX_FRAME_SIZE: usize = 1 << 30;

/// Time limit within which clients must answer the close frames of [`Listener::stop`].
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

impl Listener {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// The operating system's error; `InvalidInput` if the server's
    /// [`max_frame_size`](crate::ServerBuilder::max_frame_size) is over 1 GiB.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time and IO.
    pub async fn bind(server: Server) -> io::Result<Self> {
        Listener::bind_to(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), server).await
    }

    /// Listens on an address, such as that of an earlier listener, to come back after a stop.
    ///
    /// # Errors
    ///
    /// The operating system's error; `InvalidInput` if the server's
    /// [`max_frame_size`](crate::ServerBuilder::max_frame_size) is over 1 GiB.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time and IO.
    pub async fn bind_to(address: SocketAddr, server: Server) -> io::Result<Self> {
        if server.max_frame_size() > MAX_FRAME_SIZE {
            let what = format!("max_frame_size is over {MAX_FRAME_SIZE} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let url = format!("ws://{address}{}", server.path());
        let hub = Arc::new(Hub::new(server));
        let stopping = Arc::new(Notify::new());
        let task = tokio::spawn(accept(listener, hub.clone(), stopping.clone()));
        Ok(Listener { hub, url, address, stopping, task })
    }

    /// Returns the endpoint's URL, such as `ws://127.0.0.1:4711/socket`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the address on which the listener accepts connections.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Calls the server: a listener can use all of its methods. The closure must not call the listener.
    pub fn with<T>(&self, f: impl FnOnce(&mut Server, Instant) -> T) -> T {
        self.hub.with(f)
    }

    /// Ends every connection without a close frame, after sending the server's earlier frames: like a server that
    /// lost its power. [`all().cut()`](Connections::cut) doesn't wait for that. Sessions of long-poll end too, and
    /// their clients learn of it as from Phoenix: when their next poll finds none.
    pub fn drop_connections(&self) {
        self.with(|server, now| {
            let sockets: Vec<_> = server.sockets().collect();
            for socket in sockets {
                server.kill_transport(now, socket);
            }
        });
    }

    /// Closes every connection that has a channel with 1012, as a deploy does.
    pub fn drain(&self) {
        self.with(Server::drain);
    }

    /// Closes every connection with this id with 1001.
    pub fn disconnect(&self, id: &str) {
        self.with(|server, now| server.disconnect(now, id));
    }

    /// Sends an event to every client that has joined a topic.
    pub fn broadcast(
        &self,
        topic: impl Into<ByteString>,
        event: impl Into<ByteString>,
        payload: Payload,
    ) {
        self.with(|server, now| server.broadcast(now, topic, event, payload));
    }

    /// Waits until as many polls as this wait for messages.
    ///
    /// Cancel-safe.
    pub async fn wait_for_polls(&self, count: usize) {
        self.hub.wait_for_polls(count).await;
    }

    /// Waits for up to `within` until a script has ended, and checks that it was followed.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`MismatchError`] as soon as a message differs from the script, or when an expected one hasn't come by then.
    pub async fn verify(
        &self,
        expectations: &Expectations,
        within: Duration,
    ) -> Result<(), MismatchError> {
        // The outcome says whether it was in time.
        let _ = tokio::time::timeout(within, expectations.ended()).await;
        expectations.report(Some(self.hub.now()))
    }

    /// Stops listening, closes every connection properly, and waits up to 5 s for the clients. Polls that wait get no
    /// answer: their connections are reset.
    pub async fn stop(mut self) {
        // A half-open connection can't close properly: cut it.
        self.hub.change_faults(None, |faults| {
            faults.stalled = false;
            faults.cut |= faults.is_half_open();
        });
        self.with(Server::shutdown);
        self.hub.stop_requests();
        self.stopping.notify_one();
        // The task ends by itself; whether it panicked is not the caller's business.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Accepts connections until it is stopped, then waits for their ends. Dropping it ends them all.
async fn accept(listener: TcpListener, hub: Arc<Hub>, stopping: Arc<Notify>) {
    let mut connections = JoinSet::new();
    let mut unanswered = Vec::new();
    let mut timeouts = JoinSet::new();
    timeouts.spawn(watch_time(hub.clone()));
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error is that of one connection that went away before it was accepted.
                if let Ok((stream, _)) = accepted {
                    match hub.connectivity() {
                        Connectivity::Online => {
                            connections.spawn(connection::serve(stream, hub.clone()));
                        }
                        Connectivity::Silent => unanswered.push(stream),
                        Connectivity::Offline => {
                            // It fails only on a dead connection.
                            let _ = stream.set_zero_linger();
                        }
                    }
                }
            }
            Some(_) = connections.join_next() => {}
            () = stopping.notified() => break,
        }
    }
    drop((listener, unanswered));
    let ended = async { while connections.join_next().await.is_some() {} };
    // Clients that don't answer in time are dropped.
    let _ = tokio::time::timeout(STOP_TIMEOUT, ended).await;
}

/// Wakes the server when the time it waits for has come.
async fn watch_time(hub: Arc<Hub>) {
    loop {
        let changed = hub.changed();
        match hub.next_timeout() {
            Some(at) => {
                tokio::select! {
                    () = tokio::time::sleep_until(at) => hub.with(Server::handle_timeout),
                    () = changed => {}
                }
            }
            None => changed.await,
        }
    }
}
