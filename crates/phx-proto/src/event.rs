//! Events that a socket reports to its user.

use core::fmt;
use core::time::Duration;

use bytestring::ByteString;

mod answer;

use crate::{
    ChannelId, CloseCause, DecodeError, EncodeError, Payload, PayloadDropped, PingId, Rejection,
    RequestId, Status, TransportId, policy::Reason,
};

/// An event that a socket reports to its user; see [`Socket::poll_event`](crate::Socket::poll_event).
///
/// Events come in the order in which they happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The connection is open.
    #[non_exhaustive]
    Opened {
        /// The transport of the connection.
        transport: TransportId,
    },
    /// A connection ended, or an attempt failed: exactly once for every transport.
    ///
    /// The transport of the next [`Action::Connect`](crate::Action::Connect) may be open already: a driver drops a
    /// connection only if its id is this one.
    #[non_exhaustive]
    Closed {
        /// The transport of the connection or attempt.
        transport: TransportId,
        /// `true` if this connection had been open. Policies get another value: whether the socket ever was.
        was_open: bool,
        /// The reason why it ended or never opened.
        cause: CloseCause,
        /// Time until the next attempt to connect; `None` if the socket stays closed.
        retry_in: Option<Duration>,
    },
    /// The user disconnected while the socket waited for the next attempt to connect: there won't be one.
    /// The end of the last connection or attempt has been reported before.
    RetryCancelled,
    /// A channel is joined.
    #[non_exhaustive]
    Joined {
        /// The channel that is joined.
        channel: ChannelId,
        /// The response to the join, unless it was too much to keep.
        response: Result<Payload, PayloadDropped>,
        /// `true` if it had been joined before. Messages that the server sent in between are lost.
        rejoined: bool,
    },
    /// An attempt to join failed, and there will be another one.
    #[non_exhaustive]
    JoinFailed {
        /// The channel that was to be joined.
        channel: ChannelId,
        /// The reason for the failure.
        cause: ChannelErrorCause,
        /// Time until the next attempt; `None` if it waits for a connection.
        retry_in: Option<Duration>,
    },
    /// A joined channel isn't joined any more, and will be joined again.
    #[non_exhaustive]
    ChannelErrored {
        /// The channel that will be joined again.
        channel: ChannelId,
        /// The reason why its join ended.
        cause: ChannelErrorCause,
        /// Time until the attempt to rejoin; `None` if it waits for a connection.
        retry_in: Option<Duration>,
    },
    /// A channel is closed, until it is joined again by a call of [`Socket::join`](crate::Socket::join).
    #[non_exhaustive]
    ChannelClosed {
        /// The channel that is closed.
        channel: ChannelId,
        /// The reason why it closed.
        cause: ChannelCloseCause,
    },
    /// A server push or broadcast to a joined channel.
    #[non_exhaustive]
    Message {
        /// The channel that the message is for.
        channel: ChannelId,
        /// The event's name.
        event: ByteString,
        /// The payload.
        payload: Payload,
    },
    /// The outcome of a push, a join or a leave: exactly once for each.
    #[non_exhaustive]
    RequestDone {
        /// The id that the call returned.
        push: RequestId,
        /// Its channel.
        channel: ChannelId,
        /// The outcome.
        outcome: Outcome,
    },
    /// A ping was answered, or won't be: exactly once for each.
    #[non_exhaustive]
    Pong {
        /// The id that the call returned.
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
        /// The transport that it came from.
        transport: TransportId,
        /// The topic, if the serializer could read that far: messages of this topic are missing here.
        topic: Option<ByteString>,
        /// The fault that was found, and the frame.
        error: DecodeError,
    },
    /// The transport has lost messages here that the server sent, and goes on: they may have been of any topic.
    #[non_exhaustive]
    MessagesLost {
        /// The transport that lost them.
        transport: TransportId,
    },
    /// Events were dropped here because more than
    /// [`Config::max_events`](crate::Config::max_events) waited to be polled. Outcomes never are, and
    /// may be reported before this.
    #[non_exhaustive]
    EventsLost {
        /// The number of events that were dropped.
        count: u64,
    },
}

/// Cause of a channel that isn't joined, and will be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelErrorCause {
    /// The connection ended.
    Disconnected,
    /// The channel crashed on the server; with the payload of `phx_error`, unless it was too much to keep.
    Crashed(Result<Payload, PayloadDropped>),
    /// The server closed the channel, and the [policy](crate::Config::close_policy) says that it is
    /// joined again; with the payload of `phx_close`, unless it was too much to keep.
    Closed(Result<Payload, PayloadDropped>),
    /// A joined channel: the server doesn't know it. It answered a push with `unmatched topic`, in its own
    /// name. Phoenix does so when the channel's process is gone and the client wasn't notified.
    Forgotten,
    /// A join: the server answered with a status other than `ok`.
    Rejected(Rejection),
    /// A join: no answer came in time.
    TimedOut,
    /// A join: the channel's params couldn't be made.
    NoParams,
    /// A join: the serializer couldn't encode it.
    EncodeFailed(EncodeError),
    /// A join: its frame is larger than the transport can send.
    #[non_exhaustive]
    TooLarge {
        /// The length of the frame in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
}

/// The reason why a channel is closed.
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
    /// The socket's driver has ended, see [`CloseCause::Stopped`].
    Stopped,
}

/// The outcome of a push, a join or a leave.
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
    /// The transport has taken a push that expects no reply, see
    /// [`push_without_reply`](crate::Socket::push_without_reply). Whether the server receives it isn't known.
    Sent,
    /// The leave is done: the server confirmed it, or there was nothing to leave.
    Left,
    /// No reply came before the deadline. Whether the server received it isn't known if it was sent:
    /// a push was, see [`NotSent`](Outcome::NotSent).
    TimedOut,
    /// The deadline of a push passed before the transport had taken it: its channel wasn't joined, or
    /// the transport was too slow. The server never saw it.
    NotSent,
    /// The deadline of a join passed, and the attempts that the server answered until then had
    /// crashed: see [`JoinFailed`](Event::JoinFailed) for what it said. Attempts go on.
    JoinCrashed,
    /// The connection ended after it had been sent. Whether the server received it isn't known.
    Disconnected,
    /// The channel crashed after it had been sent. Whether the server received it isn't known.
    ChannelCrashed,
    /// The channel closed.
    ChannelClosed,
    /// It was cancelled.
    Cancelled,
    /// A newer push took its place in the channel's full buffer. It was never sent.
    Evicted,
    /// The serializer couldn't encode it. It was never sent.
    EncodeFailed(EncodeError),
    /// A push or a join: its frame is larger than the transport can send, see
    /// [`TransportProperties`](crate::TransportProperties). It was never sent. Attempts to join go on.
    #[non_exhaustive]
    TooLarge {
        /// The length of the frame in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
}

impl fmt::Display for ChannelErrorCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChannelErrorCause::Disconnected => f.write_str("the connection ended"),
            ChannelErrorCause::Crashed(payload) => {
                write!(f, "the channel crashed on the server{}", Reason::of(payload))
            }
            ChannelErrorCause::Closed(payload) => {
                write!(f, "the server closed the channel{}", Reason::of(payload))
            }
            ChannelErrorCause::Forgotten => {
                f.write_str("the server doesn't know the channel any more")
            }
            ChannelErrorCause::Rejected(rejection) => rejection.fmt(f),
            ChannelErrorCause::TimedOut => f.write_str("no answer to the join came in time"),
            ChannelErrorCause::NoParams => f.write_str("the channel's params couldn't be made"),
            ChannelErrorCause::EncodeFailed(error) => {
                write!(f, "the join couldn't be encoded: {error}")
            }
            ChannelErrorCause::TooLarge { len, max } => {
                write!(f, "the join has {len} bytes, and the transport takes {max}")
            }
        }
    }
}

impl fmt::Display for ChannelCloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChannelCloseCause::Left => f.write_str("left"),
            ChannelCloseCause::Replaced => f.write_str("another channel took the topic"),
            ChannelCloseCause::ByServer(payload) => {
                write!(f, "the server closed the channel{}", Reason::of(payload))
            }
            ChannelCloseCause::Rejected(rejection) => rejection.fmt(f),
            ChannelCloseCause::Stopped => f.write_str("the socket's driver has ended"),
        }
    }
}
