//! What a socket tells its user.

use core::time::Duration;

use bytestring::ByteString;

mod answer;

use crate::{
    ChannelId, CloseCause, DecodeError, EncodeError, Payload, PayloadDropped, PingId, PushId,
    Rejection, Status, TransportId,
};

/// What a socket tells its user; see [`Socket::poll_event`](crate::Socket::poll_event).
///
/// Events come in the order in which they happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The connection is open.
    #[non_exhaustive]
    Opened {
        /// Which.
        transport: TransportId,
    },
    /// A connection ended, or an attempt failed: exactly once for every transport.
    #[non_exhaustive]
    Closed {
        /// Which.
        transport: TransportId,
        /// Whether it had been open.
        was_open: bool,
        /// Why.
        cause: CloseCause,
        /// Time until the next attempt to connect; `None` if the socket stays closed.
        retry_in: Option<Duration>,
    },
    /// A channel is joined.
    #[non_exhaustive]
    Joined {
        /// Which.
        channel: ChannelId,
        /// The response to the join, unless it was too much to keep.
        response: Result<Payload, PayloadDropped>,
        /// Whether it had been joined before. Messages that the server sent in between are lost.
        rejoined: bool,
    },
    /// An attempt to join failed, and there will be another one.
    #[non_exhaustive]
    JoinFailed {
        /// Which channel.
        channel: ChannelId,
        /// Why.
        cause: JoinFailure,
        /// Time until the next attempt; `None` if it waits for a connection.
        retry_in: Option<Duration>,
    },
    /// A joined channel isn't joined any more, and will be joined again.
    #[non_exhaustive]
    ChannelErrored {
        /// Which.
        channel: ChannelId,
        /// Why.
        cause: ChannelError,
        /// Time until the attempt to rejoin; `None` if it waits for a connection.
        retry_in: Option<Duration>,
    },
    /// A channel is closed, for good.
    #[non_exhaustive]
    ChannelClosed {
        /// Which.
        channel: ChannelId,
        /// Why.
        cause: ChannelCloseCause,
    },
    /// A server push or broadcast to a joined channel.
    #[non_exhaustive]
    Message {
        /// Which channel.
        channel: ChannelId,
        /// The event's name.
        event: ByteString,
        /// The payload.
        payload: Payload,
    },
    /// What became of a push, a join or a leave: exactly once for each.
    #[non_exhaustive]
    PushDone {
        /// Which.
        push: PushId,
        /// Its channel.
        channel: ChannelId,
        /// What became of it.
        outcome: Outcome,
    },
    /// A ping was answered, or won't be: exactly once for each.
    #[non_exhaustive]
    Pong {
        /// Which ping.
        ping: PingId,
        /// The time from the ping to its reply; `None` if the connection ended or
        /// [`Config::heartbeat_timeout`](crate::Config::heartbeat_timeout) passed first.
        round_trip: Option<Duration>,
    },
    /// A heartbeat was answered.
    #[non_exhaustive]
    HeartbeatAnswered {
        /// The time from the heartbeat to its reply.
        round_trip: Duration,
    },
    /// A message on a topic that no channel of this socket has, and that names no join: a broadcast to
    /// the whole connection. Absinthe's subscriptions are such topics, which must not be joined.
    #[non_exhaustive]
    UnjoinedMessage {
        /// The topic.
        topic: ByteString,
        /// The event's name.
        event: ByteString,
        /// The payload.
        payload: Payload,
    },
    /// A frame that isn't a message came, and was dropped.
    #[non_exhaustive]
    Malformed {
        /// From where.
        transport: TransportId,
        /// The topic, if the serializer could read that far: messages of this topic are missing here.
        topic: Option<ByteString>,
        /// What is wrong with it, and the frame.
        error: DecodeError,
    },
    /// Events were dropped here because more than
    /// [`Config::max_events`](crate::Config::max_events) waited to be polled. Outcomes never are, and
    /// may be told before this.
    #[non_exhaustive]
    EventsLost {
        /// How many.
        count: u64,
    },
}

/// Why an attempt to join failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinFailure {
    /// The server answered with a status other than `ok`.
    Rejected(Rejection),
    /// No answer came in time.
    TimedOut,
    /// The channel crashed while joining; with the payload of `phx_error`, unless it was too much to keep.
    Crashed(Result<Payload, PayloadDropped>),
    /// The channel's params couldn't be made.
    NoParams,
    /// The serializer couldn't encode the join.
    Unsendable(EncodeError),
    /// The connection ended before the answer came.
    Disconnected,
}

/// Why a joined channel isn't joined any more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelError {
    /// The connection ended.
    Disconnected,
    /// The channel crashed on the server; with the payload of `phx_error`, unless it was too much to keep.
    Crashed(Result<Payload, PayloadDropped>),
}

/// Why a channel is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelCloseCause {
    /// The user left, or removed it.
    Left,
    /// Another channel took its topic; see [`Socket::replace`](crate::Socket::replace).
    Replaced,
    /// The server closed it; with the payload of `phx_close`, unless it was too much to keep.
    ByServer(Result<Payload, PayloadDropped>),
    /// The server rejected its join, and the policy says that this is final.
    Rejected(Rejection),
    /// What drives the socket has ended, see [`CloseCause::Stopped`].
    Stopped,
}

/// What became of a push, a join or a leave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The server replied. For a join or push any status; a leave that was answered has
    /// [`Left`](Outcome::Left).
    #[non_exhaustive]
    Reply {
        /// `ok`, `error` or the application's own.
        status: Status,
        /// The response.
        response: Payload,
    },
    /// The server replied, and the response was dropped: more bytes of answers waited to be read than
    /// [`Config::max_answer_bytes`](crate::Config::max_answer_bytes) allows.
    #[non_exhaustive]
    ReplyDropped {
        /// `ok`, `error` or the application's own, of which the first 255 bytes are kept.
        status: Status,
        /// The length of the response in bytes.
        len: usize,
    },
    /// The leave is done: the server confirmed it, or there was nothing to leave.
    Left,
    /// No reply came before the deadline. Whether the server received it isn't known if it was sent.
    TimedOut,
    /// The connection ended after it had been sent. Whether the server received it isn't known.
    Disconnected,
    /// The channel closed, or crashed after it had been sent and is rejoining.
    ChannelClosed,
    /// It was cancelled.
    Cancelled,
    /// A newer push took its place in the channel's full buffer. It was never sent.
    Evicted,
    /// The serializer couldn't encode it. It was never sent.
    Unsendable(EncodeError),
}
