//! Kinds of transports, and what the core must know of an open one.

use core::fmt;
use core::time::Duration;

use crate::Frame;

/// Largest body of a long-poll POST, in bytes. Phoenix refuses 8,000,000; the rest is a margin.
pub(crate) const MAX_POST: usize = 7_900_000;

/// A line of a POST holds a binary frame as base64, which makes four bytes of three.
const LONG_POLL_BINARY: usize = MAX_POST / 4 * 3;

/// A session may die 15 s after its last poll.
const LONG_POLL_PAUSE: Duration = Duration::from_secs(10);

/// Kind of transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportKind {
    /// A WebSocket.
    #[default]
    WebSocket,
    /// HTTP requests that the server answers as soon as it has messages: for networks on which no WebSocket works.
    LongPoll,
}

impl TransportKind {
    /// The properties of transports of this kind.
    ///
    /// # Examples
    ///
    /// ```
    /// use phx_proto::{TransportKind, TransportProperties};
    ///
    /// assert_eq!(TransportKind::WebSocket.properties(), TransportProperties::default());
    /// assert!(!TransportKind::LongPoll.properties().needs_heartbeats);
    /// ```
    #[must_use]
    pub const fn properties(self) -> TransportProperties {
        match self {
            TransportKind::WebSocket => TransportProperties::WEB_SOCKET,
            TransportKind::LongPoll => TransportProperties {
                needs_heartbeats: false,
                max_sent_frame: Some(MAX_POST),
                max_sent_binary_frame: Some(LONG_POLL_BINARY),
                max_read_pause: Some(LONG_POLL_PAUSE),
                outlives_pauses: false,
            },
        }
    }
}

impl fmt::Display for TransportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TransportKind::WebSocket => "WebSocket",
            TransportKind::LongPoll => "long-poll",
        })
    }
}

/// Properties of an open transport, for [`Socket::handle_opened_with`](crate::Socket::handle_opened_with).
/// The default is a WebSocket's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportProperties {
    /// `true` if the connection is kept alive, and its death noticed, by heartbeats. Without them the transport
    /// itself must notice that the peer is gone.
    pub needs_heartbeats: bool,
    /// Largest text frame that can be sent, in bytes; `None`: any.
    pub max_sent_frame: Option<usize>,
    /// Largest binary frame that can be sent, in bytes; `None`: any.
    pub max_sent_binary_frame: Option<usize>,
    /// Longest time for which a driver may choose not to read from the transport; `None`: as long as heartbeats
    /// are answered.
    pub max_read_pause: Option<Duration>,
    /// `true` if the connection is kept outside of the program, as a browser keeps a page's: it stays open while the
    /// program doesn't run, and its end is reported after that. Then a heartbeat that is late is sent all the same.
    /// Otherwise one that is very late ends the connection, see [`CloseCause::Suspended`](crate::CloseCause::Suspended).
    pub outlives_pauses: bool,
}

impl TransportProperties {
    /// Those of a WebSocket: heartbeats, and no limits.
    const WEB_SOCKET: Self = TransportProperties {
        needs_heartbeats: true,
        max_sent_frame: None,
        max_sent_binary_frame: None,
        max_read_pause: None,
        outlives_pauses: false,
    };

    /// The limit in bytes that a frame exceeds; `None` if it can be sent.
    #[inline]
    #[must_use]
    pub fn exceeded_by(&self, frame: &Frame) -> Option<usize> {
        let max = match frame {
            Frame::Text(_) => self.max_sent_frame,
            Frame::Binary(_) => self.max_sent_binary_frame,
        };
        max.filter(|max| frame.len() > *max)
    }
}

impl Default for TransportProperties {
    fn default() -> Self {
        TransportProperties::WEB_SOCKET
    }
}
