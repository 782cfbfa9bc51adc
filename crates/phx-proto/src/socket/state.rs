//! The states that a user can see.

use crate::{ChannelId, Payload, PingId, RequestId};

/// The params that a channel joins with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Params {
    /// The same at every join.
    Fixed(Payload),
    /// Asked for before every join, by [`Action::RequestParams`](crate::Action::RequestParams).
    OnRequest,
}

impl From<Payload> for Params {
    fn from(payload: Payload) -> Self {
        Params::Fixed(payload)
    }
}

/// The state of a socket's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionState {
    /// No connection, and none wanted.
    Closed,
    /// An attempt to connect is under way.
    Connecting,
    /// Connected.
    Open,
    /// The user disconnected; the transport is closing.
    Closing,
    /// Waiting for the next attempt to connect.
    Waiting,
}

/// The state of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChannelState {
    /// Made, but not joined yet.
    New,
    /// Its join waits for its params or for the server's answer; the first one also for the connection
    /// or its turn.
    Joining,
    /// Joined.
    Joined,
    /// Not joined any more, or not yet; will try again when its time comes, the socket connects, or it
    /// is its turn.
    Errored,
    /// The user left; the server hasn't confirmed it.
    Leaving,
    /// Closed, until it is joined again.
    Closed,
}

/// The reason for the earliest deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeoutReason {
    /// The attempt to connect has taken too long.
    Connect,
    /// It is time to connect again.
    Reconnect,
    /// The connection has proved stable.
    Stable,
    /// A disconnect has taken too long.
    Close,
    /// It is time for a heartbeat.
    Heartbeat,
    /// The heartbeat had no reply; or it is time to look whether anything else came.
    HeartbeatReply,
    /// A ping had no reply; or it is time to look whether anything else came.
    Ping(PingId),
    /// An attempt to join has taken too long.
    Join(ChannelId),
    /// It is time for the next of the joins that are spread, see
    /// [`Config::max_joins_in_flight`](crate::Config::max_joins_in_flight).
    NextJoin,
    /// It is time to rejoin.
    Rejoin(ChannelId),
    /// A channel has proved stable.
    ChannelStable(ChannelId),
    /// A push, join or leave has had no reply.
    Push(RequestId),
}
