//! What a case asks of its server, as values that can travel to another program.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Server to start.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub enum ServerKind {
    /// [`demo_server`](crate::demo_server) with tokens, which notes the ends of its channels `end:*`, and what clients
    /// connect with.
    Demo,
    /// The same as Phoenix of this version.
    Version(u16, u16, u16),
    /// It refuses every client with this status and the body `banned`.
    Refusing(u16),
    /// A port on which nobody listens.
    Nobody,
    /// It sends numbered messages to whoever joins.
    Flooding(Flood),
}

/// Schedule of a flooding server. It answers joins at once, and sends messages `n` of 1 kB.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Flood {
    /// Number of messages.
    pub(super) messages: u32,
    /// Start of the flood, counted from the join.
    pub(super) after: Duration,
    /// Largest number of messages sent at once, one batch per `every`.
    pub(super) batch: u32,
    pub(super) every: Duration,
    /// Largest number of messages that the client hasn't acknowledged: the times are a tenth of the real ones, but
    /// the operating system's buffers aren't.
    pub(super) window: u32,
    /// Delay of the replies to heartbeats.
    pub(super) late: Duration,
}

/// Number of a flood's messages after which the client acknowledges them, by an event `got`.
pub(super) const ACKNOWLEDGED: u32 = 500;

/// Command to a server. What concerns connections concerns all of them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub enum Order {
    /// Broadcast these numbers in order, each as an event, to `room:a`.
    Broadcast {
        /// Name of the event.
        event: String,
        /// Number of the first.
        first: u32,
        /// Number of events.
        count: u32,
    },
    /// Close with a code and a reason.
    Close {
        /// Code of the close frame.
        code: u16,
        /// Reason in the close frame.
        reason: String,
    },
    /// Reset the connections.
    Cut,
    /// Drop what is sent over the connections, unnoticed by either side.
    HalfOpen,
    /// Send a text frame that no server sends.
    InjectText(String),
    /// Send a binary frame that no server sends.
    InjectBinary(Vec<u8>),
    /// End the sessions of long-poll.
    EndSessions,
    /// Refuse to be reached: reset connections at once.
    GoOffline,
    /// Accept connections and answer nothing.
    FallSilent,
    /// Be reached again.
    GoOnline,
    /// Delay what is sent in each direction.
    Delay(Duration),
    /// Stop as for a deploy.
    Stop,
    /// Start on the same address after a stop.
    Restart,
    /// Wait for the end of a channel `end:*`.
    AwaitEnd,
    /// Report what clients have connected with since the last such order.
    TakeConnects,
}

/// Outcome of an order.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub enum Answer {
    /// It is done.
    Done,
    /// A channel has ended.
    End(End),
    /// What clients connected with.
    Connects(Vec<Connect>),
}

/// Reason why the server ended a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub enum End {
    /// The client left.
    Left,
    /// The connection ended.
    Closed,
    /// Any other.
    Other,
}

/// What a client connected with.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Connect {
    /// Params of the URL, without `vsn`.
    pub params: Map<String, Value>,
    /// Headers that begin with `x-`.
    pub x_headers: Vec<(String, String)>,
    /// The token.
    pub auth_token: Option<String>,
}
