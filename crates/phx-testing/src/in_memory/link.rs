//! A client's link to a server in memory, and the faults on it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use phx_client::{Attempt, BoxFuture, Connector, Endpoint, Runtime, SocketBuilder, Transport};
use phx_proto::{ByteString, CloseCause, CloseCode, Frame, Instant, TransportKind};

use super::alarm::Alarm;
use super::exchange::Exchange;
use super::transport::LinkTransport;
use crate::network::ClientId;
use crate::{Connectivity, Server, SocketId, UpgradeRejection};

/// Link to a [`Server`] in memory: a [`Connector`] that fails on command.
///
/// Faults apply to the connections over this link that are open when a fault is set. Latency, connectivity and
/// refusals also apply to later ones. A clone is the same link. [`new_client`](Self::new_client) connects to the
/// same server and has separate faults: one for each device in the test.
///
/// Don't call its methods from within a channel of the server or from [`with_server`](Self::with_server): they wait
/// for the server.
///
/// # Examples
///
/// ```
/// use phx_client::ConnectError;
/// use phx_testing::UpgradeRejection;
/// use phx_testing::in_memory::VirtualTime;
///
/// let time = VirtualTime::new();
/// let ann = time.link(phx_testing::demo_server().build());
/// let bob = ann.new_client();
/// time.run(async {
///     ann.refuse_next(UpgradeRejection::new(403));
///     assert!(ann.socket().connect().await.is_err());
///     assert!(bob.socket().connect().await.is_ok());
/// });
/// ```
#[derive(Clone, Debug)]
pub struct Link {
    exchange: Arc<Exchange>,
    client: ClientId,
}

impl Link {
    /// Creates a link to `server`, with the clock of `runtime`. A task there watches the time until all links and
    /// connections to the server are gone.
    ///
    /// [`VirtualTime::link`](super::VirtualTime::link) makes one for virtual time.
    #[must_use]
    pub fn new(server: Server, runtime: impl Runtime) -> Self {
        let runtime: Arc<dyn Runtime> = Arc::new(runtime);
        let exchange = Arc::new(Exchange::new(server, Arc::clone(&runtime)));
        runtime.spawn(Box::pin(Alarm::new(Arc::downgrade(&exchange))));
        let client = exchange.with(|network, _| network.add_client());
        Link { exchange, client }
    }

    /// Creates another link to the same server, without connections and without faults.
    #[must_use]
    pub fn new_client(&self) -> Self {
        let client = self.exchange.with(|network, _| network.add_client());
        Link { exchange: Arc::clone(&self.exchange), client }
    }

    /// Returns a builder of a socket that connects over this link and runs on its runtime. Its seed is its number,
    /// so sockets differ in their jitter, and equal programs give equal runs.
    pub fn socket(&self) -> SocketBuilder {
        let path = self.with_server(|server, _| server.path().to_owned());
        SocketBuilder::new(Endpoint::from_parts("server.test", &path, None, false))
            .runtime(Arc::clone(self.exchange.runtime()))
            .connector(self.clone())
            .seed(self.exchange.next_seed())
    }

    /// Calls the server: a test can use all of its methods.
    pub fn with_server<T>(&self, f: impl FnOnce(&mut Server, Instant) -> T) -> T {
        self.exchange.with(|network, now| f(network.server_mut(), now))
    }

    /// Returns the server's side of the newest connection, if it is open.
    #[must_use]
    pub fn server_socket(&self) -> Option<SocketId> {
        self.exchange.with(|network, _| network.server_socket(self.client))
    }

    /// For reports that must not keep the server alive.
    pub(super) fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }
}

/// Faults.
impl Link {
    /// Sets the delay in each direction, from now on; packets on their way arrive first. Default: none.
    pub fn set_latency(&self, latency: Duration) {
        self.exchange.with(|network, _| network.line(self.client).latency = latency);
    }

    /// Sets the outcome of attempts to connect from now on.
    pub fn set_connectivity(&self, connectivity: Connectivity) {
        self.exchange.with(|network, _| network.line(self.client).connectivity = connectivity);
    }

    /// Sets whether every WebSocket is opened and then carries nothing, from now on, as behind some firewalls. The
    /// requests of long-poll pass.
    pub fn swallow_frames(&self, swallows: bool) {
        self.exchange.with(|network, _| network.line(self.client).swallows_frames = swallows);
    }

    /// Answers the next attempt to connect with `refusal`; several queue up.
    pub fn refuse_next(&self, refusal: UpgradeRejection) {
        self.exchange.with(|network, _| network.line(self.client).refusals.push_back(refusal));
    }

    /// Cuts the connections: both sides notice at once, and packets on their way are lost. A session of long-poll goes
    /// on over new ones.
    pub fn cut(&self) {
        self.exchange.with(|network, now| network.cut(now, self.client));
    }

    /// Drops everything sent over the connections from now on. Neither side notices: like a pulled cable.
    pub fn half_open(&self) {
        self.exchange.with(|network, _| network.half_open(self.client));
    }

    /// Holds back packets over the connections in either direction, until [`resume`](Self::resume).
    pub fn stall(&self) {
        self.exchange.with(|network, _| network.stall(self.client));
    }

    /// Ends a [`stall`](Self::stall): the held packets arrive now.
    pub fn resume(&self) {
        self.exchange.with(|network, now| network.resume(now, self.client));
    }

    /// Delivers a frame to the newest connection that the server never sent.
    pub fn inject(&self, frame: Frame) {
        self.exchange.with(|network, _| network.inject(self.client, frame));
    }

    /// Makes the server close the newest connection.
    pub fn close(&self, code: CloseCode) {
        self.exchange.with(|network, now| {
            network.close_from_server(now, self.client, code, ByteString::new());
        });
    }
}

impl Connector for Link {
    /// Frames have no limit here: the client's core has one.
    fn connect(&self, attempt: Attempt) -> BoxFuture<Result<Pin<Box<dyn Transport>>, CloseCause>> {
        let exchange = Arc::clone(&self.exchange);
        Box::pin(LinkTransport::open(exchange, self.client, attempt.transport, attempt.request))
    }

    fn supports(&self, transport: TransportKind) -> bool {
        matches!(transport, TransportKind::WebSocket | TransportKind::LongPoll)
    }
}
