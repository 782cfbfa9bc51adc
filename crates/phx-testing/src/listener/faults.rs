//! Faults on command, for one connection of a listener or for all.

use std::time::Duration;

use phx_proto::{ByteString, CloseCode, Frame};

use super::Listener;
#[cfg(feature = "deflate")]
use super::deflate::CompressionFault;
use crate::faulty_pipe::Faults;
use crate::{Connectivity, SocketId, UpgradeRejection};

/// Connections of a [`Listener`] that a command applies to. The commands have the names of a
/// [`Simulation`](crate::Simulation)'s.
///
/// The commands work on the bytes below the WebSocket, so they affect its pings and close frames as well. They
/// return at once, and skip connections that have ended. Of a session of long-poll they affect the connections that
/// carried its last requests, not the session: it goes on over new ones.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use phx_testing::{UpgradeRejection, listener::Listener, demo_server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let listener = Listener::bind(demo_server().build()).await?;
/// // ... clients connect ...
/// listener.all().stall();
/// listener.all().resume();
/// if let Some(first) = listener.with(|server, _| server.sockets().next()) {
///     listener.connection(first).cut();
/// }
/// // The next attempt to connect is refused, and the one after it is slow.
/// listener.refuse_next(UpgradeRejection::new(503).with_header("retry-after", "1"));
/// listener.set_latency(Duration::from_millis(200));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the connections are named, and nothing is done to them"]
pub struct Connections<'a> {
    listener: &'a Listener,
    only: Option<SocketId>,
}

impl Listener {
    /// Selects all present connections.
    pub fn all(&self) -> Connections<'_> {
        Connections { listener: self, only: None }
    }

    /// Selects one connection; [`Server::sockets`](crate::Server::sockets) returns their ids.
    pub fn connection(&self, socket: SocketId) -> Connections<'_> {
        Connections { listener: self, only: Some(socket) }
    }

    /// Answers the next attempt to connect with `refusal`; several queue up. A request for a new session of long-poll is
    /// such an attempt: the answer is HTTP's, as that of a proxy.
    pub fn refuse_next(&self, refusal: UpgradeRejection) {
        self.hub.refuse_next(refusal);
    }

    /// Answers the next accepted upgrade with this value of `sec-websocket-extensions`, whatever the client offered;
    /// several queue up. The connection is compressed as if it hadn't been replaced.
    pub fn forge_extensions_next(&self, answer: impl Into<String>) {
        self.hub.forge_extensions(answer.into());
    }

    /// Sets the delay in each direction, from now on, of all present and future connections.
    pub fn set_latency(&self, latency: Duration) {
        self.hub.set_latency(latency);
        self.all().set_latency(latency);
    }

    /// Resets the connections of long-poll whose polls wait for messages, as a proxy does that doesn't wait so long.
    pub fn abort_polls(&self) {
        self.hub.abort_polls();
    }

    /// Closes the connections of long-poll that are idle, without a header that says so: a request that is on its way
    /// isn't read.
    pub fn close_idle(&self) {
        self.hub.close_idle();
    }

    /// Sets the outcome of attempts to connect. The port stays open: with [`Offline`](Connectivity::Offline) the
    /// listener accepts a client and resets its connection at once.
    pub fn set_connectivity(&self, connectivity: Connectivity) {
        self.hub.set_connectivity(connectivity);
    }
}

impl Connections<'_> {
    /// Resets the connection: both sides notice at once, and bytes on their way are lost.
    pub fn cut(&self) {
        self.change(|faults| faults.cut = true);
        for socket in self.listener.hub.lines(self.only) {
            self.listener.hub.disconnected(socket);
        }
    }

    /// Drops everything sent over the connection from now on. Neither side notices, not even the other's end: like
    /// a pulled cable.
    pub fn half_open(&self) {
        self.change(Faults::half_open);
    }

    /// Holds back everything sent over the connection in either direction, up to 16 MiB each, until
    /// [`resume`](Connections::resume): like a server that accepts everything and answers nothing.
    pub fn stall(&self) {
        self.change(|faults| faults.stalled = true);
    }

    /// Ends a [`stall`](Connections::stall): the held bytes arrive now.
    pub fn resume(&self) {
        self.change(|faults| faults.stalled = false);
    }

    /// Sets the delay in each direction, from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.change(|faults| faults.latency = latency);
    }

    /// Delivers a frame to the client that the server never sent, well-formed or not.
    pub fn inject(&self, frame: &Frame) {
        self.listener.with(|server, now| {
            for socket in self.sockets(server) {
                server.send_frame(now, socket, frame.clone());
            }
        });
    }

    /// Sends compressed frames that the client doesn't expect.
    #[cfg(feature = "deflate")]
    pub fn inject_compressed(&self, fault: CompressionFault) {
        self.listener.hub.send_fault(self.only, fault);
    }

    /// Makes the server close the connection, with an empty reason.
    pub fn close(&self, code: CloseCode) {
        self.close_because(code, "");
    }

    /// Makes the server close the connection with this reason, of which the protocol carries 123 bytes.
    pub fn close_because(&self, code: CloseCode, reason: impl Into<ByteString>) {
        let reason = reason.into();
        self.listener.with(|server, now| {
            for socket in self.sockets(server) {
                server.close_because(now, socket, code, reason.clone());
            }
        });
    }

    fn sockets(&self, server: &crate::Server) -> Vec<SocketId> {
        server.sockets().filter(|socket| self.only.is_none_or(|only| only == *socket)).collect()
    }

    fn change(&self, change: impl Fn(&mut Faults)) {
        self.listener.hub.change_faults(self.only, change);
    }
}
