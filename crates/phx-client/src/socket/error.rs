//! Ends and errors of a socket, as its hooks report them.

use std::time::Duration;

use phx_proto::{CloseCause, DecodeError};

/// The end of a connection or of an attempt, as [`Socket::on_close`](crate::Socket::on_close) tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// Why.
    pub cause: CloseCause,
    /// Whether the connection had been open.
    pub was_open: bool,
    /// Time until the next attempt; `None` if the socket stays closed.
    pub retry_in: Option<Duration>,
}

/// Something that went wrong on a socket, as [`Socket::on_error`](crate::Socket::on_error) tells it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The connection was lost, or an attempt failed.
    #[error("{0}")]
    Connection(CloseCause),
    /// A frame came that isn't a message. It was dropped.
    #[error("a frame that isn't a message came")]
    Malformed(#[source] DecodeError),
    /// The server has ignored the auth token: it named no subprotocol, as Phoenix does before 1.8, and for a
    /// socket without `auth_token: true`. The connection stays. Reported once for each socket.
    #[error(
        "the server ignored the auth token: before Phoenix 1.8, and without `auth_token: true`, it has to be a param"
    )]
    TokenIgnored,
    /// Messages or other news were lost, because
    /// [`Config::max_events`](phx_proto::Config::max_events) of them waited.
    #[error("{0} events lost")]
    EventsLost(u64),
}
