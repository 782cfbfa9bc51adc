//! The place where a case runs: what it needs of a client, and its way to a server.

use phx_client::{Endpoint, Instant, SocketBuilder, TransportKind};

use super::order::{Answer, Order, ServerKind};

/// Place where cases run: a program beside its server, or a page whose server is another program.
///
/// [`Adapter`](super::Adapter) and [`run`](super::run) are all that a runtime in a program needs.
pub trait Stage: 'static {
    /// Transport of all connections.
    const TRANSPORT: TransportKind;

    /// True if the sockets offer to compress messages, and the servers must agree.
    const COMPRESSES: bool = false;

    /// Servers of the cases.
    type Site: Site;

    /// Starts a server. A failure is a panic.
    fn start(server: ServerKind) -> impl Future<Output = Self::Site>;

    /// Returns a builder of a socket that connects to `endpoint`, with the transport and the runtime set.
    fn socket(endpoint: Endpoint) -> SocketBuilder;

    /// Returns the time of the runtime's clock.
    fn now() -> Instant;
}

/// Server of a case, which obeys orders. Dropped, or at the end of the case, it ends.
pub trait Site {
    /// Returns the URL for [`Endpoint::parse`].
    fn url(&self) -> &str;

    /// Executes an order. A failure is a panic.
    fn order(&self, order: Order) -> impl Future<Output = Answer>;
}
