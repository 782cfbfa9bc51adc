//! The client's side of one connection and its channels: the machine a driver feeds and polls.

use core::time::Duration;

use bytestring::ByteString;

use crate::{
    Action, ChannelId, CloseCause, CloseCode, Config, Counters, DisconnectError, Event, Frame,
    Instant, JoinError, LeaveError, NewChannelError, ParamsRequestId, Payload, PingError, PingId,
    PushError, PushId, TransportId,
};

/// A Phoenix socket: channels multiplexed over one connection at a time.
#[derive(Debug)]
pub struct Socket {
    config: Config,
}

/// The params that a channel joins with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Params {
    /// The same at every join.
    Fixed(Payload),
    /// Asked for before every join, by [`Action::RequestParams`].
    OnRequest,
}

impl From<Payload> for Params {
    fn from(payload: Payload) -> Self { Params::Fixed(payload) }
}

/// What a socket's connection is doing.
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

/// What a channel is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChannelState {
    /// Made, but not joined yet.
    New,
    /// Its join waits for the connection, for its params, or for the server's answer.
    Joining,
    /// Joined.
    Joined,
    /// Was joined, or tried to join; will try again when its time comes or the socket connects.
    Errored,
    /// The user left; the server hasn't confirmed it.
    Leaving,
    /// Closed for good.
    Closed,
}

/// What the earliest deadline is for.
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
    /// The heartbeat had no reply.
    HeartbeatReply,
    /// An attempt to join has taken too long.
    Join(ChannelId),
    /// It is time to rejoin.
    Rejoin(ChannelId),
    /// A channel has proved stable.
    ChannelStable(ChannelId),
    /// A push, join or leave has had no reply.
    Push(PushId),
}

#[allow(unused_variables, missing_docs, clippy::missing_errors_doc)]
impl Socket {
    /// `seed` feeds the jitter; equal inputs and seeds give equal outputs.
    pub fn new(config: Config, seed: u64) -> Self { Socket { config } }
    pub fn connect(&mut self, now: Instant) { todo!() }
    pub fn disconnect(&mut self, now: Instant, code: CloseCode, reason: &str) -> Result<(), DisconnectError> { todo!() }
    /// Drops a connection or attempt, or ends the wait, and connects at once with a fresh backoff. False (and nothing) if no connection is wanted (Closed, Closing).
    pub fn reconnect_now(&mut self, now: Instant) -> bool { todo!() }
    pub fn channel(&mut self, topic: impl Into<ByteString>, params: impl Into<Params>) -> Result<ChannelId, NewChannelError> { todo!() }
    /// Like `channel`, but a channel that has the topic is left first, with close cause Replaced.
    pub fn replace(&mut self, now: Instant, topic: impl Into<ByteString>, params: impl Into<Params>) -> Result<ChannelId, NewChannelError> { todo!() }
    /// Forgets a channel; one that isn't closed is left first. No ChannelClosed event; its pushes' outcomes are still reported.
    pub fn remove(&mut self, now: Instant, channel: ChannelId) -> bool { todo!() }
    pub fn join(&mut self, now: Instant, channel: ChannelId, timeout: Option<Duration>) -> Result<PushId, JoinError> { todo!() }
    pub fn push(&mut self, now: Instant, channel: ChannelId, event: impl Into<ByteString>, payload: Payload, timeout: Option<Duration>) -> Result<PushId, PushError> { todo!() }
    pub fn leave(&mut self, now: Instant, channel: ChannelId, timeout: Option<Duration>) -> Result<PushId, LeaveError> { todo!() }
    /// False if its outcome has been decided. Cancelling a join only stops the wait for its outcome.
    pub fn cancel(&mut self, push: PushId) -> bool { todo!() }
    pub fn ping(&mut self, now: Instant) -> Result<PingId, PingError> { todo!() }

    pub fn handle_opened(&mut self, now: Instant, transport: TransportId) { todo!() }
    pub fn handle_frame(&mut self, now: Instant, transport: TransportId, frame: Frame) { todo!() }
    pub fn handle_closed(&mut self, now: Instant, transport: TransportId, cause: CloseCause) { todo!() }
    /// The answer to Action::RequestParams; `None` if they couldn't be made: the join is tried again with backoff.
    pub fn handle_params(&mut self, now: Instant, request: ParamsRequestId, params: Option<Payload>) { todo!() }
    pub fn handle_timeout(&mut self, now: Instant) { todo!() }

    /// All that is to be done, in order. Frames count as sent once they are polled: poll when the transport can take one.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> { todo!() }
    /// Like `poll_action`, but leaves frames where they are, for a driver whose transport can't take one now: never Action::Send.
    #[must_use]
    pub fn poll_control(&mut self) -> Option<Action> { todo!() }
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> { todo!() }
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> { todo!() }
    /// What poll_timeout's deadline is for.
    #[must_use]
    pub fn timeout_reason(&self) -> Option<TimeoutReason> { todo!() }

    pub fn connection_state(&self) -> ConnectionState { todo!() }
    pub fn is_connected(&self) -> bool { todo!() }
    pub fn channel_state(&self, channel: ChannelId) -> Option<ChannelState> { todo!() }
    pub fn topic(&self, channel: ChannelId) -> Option<&ByteString> { todo!() }
    pub fn channel_of(&self, topic: &str) -> Option<ChannelId> { todo!() }
    pub fn counters(&self) -> &Counters { todo!() }
    pub fn config(&self) -> &Config { &self.config }
}
