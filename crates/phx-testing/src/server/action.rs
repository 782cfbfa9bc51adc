//! Actions that a server asks of its driver, and the ids of connections.

use std::fmt;

use phx_proto::{ByteString, CloseCode, Frame};

use super::http::{ExchangeId, HttpAnswer};

/// Id of a connection. None is used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub(super) u64);

impl fmt::Debug for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SocketId({})", self.0)
    }
}

/// Action that a server asks of its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Send a frame.
    #[non_exhaustive]
    Send {
        /// Connection that the frame goes to.
        socket: SocketId,
        /// The frame to send.
        frame: Frame,
    },
    /// Send a close frame, and end the connection. The server has forgotten it.
    #[non_exhaustive]
    Close {
        /// Connection to close.
        socket: SocketId,
        /// Code of the close frame.
        code: CloseCode,
        /// Reason of the close frame: empty, unless a test [set one](crate::Server::close_because).
        reason: ByteString,
    },
    /// End the connection without a close frame. The server has forgotten it.
    #[non_exhaustive]
    Drop {
        /// Connection to end.
        socket: SocketId,
    },
    /// Answer a request of a long-poll client.
    #[non_exhaustive]
    Answer {
        /// The [request](crate::Server::handle_request).
        exchange: ExchangeId,
        /// Its answer.
        answer: HttpAnswer,
    },
}

/// A connection was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// Id of the connection.
    pub socket: SocketId,
    /// The subprotocol to answer the upgrade with.
    pub protocol: Option<&'static str>,
}
