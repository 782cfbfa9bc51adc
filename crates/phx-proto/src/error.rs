//! What can be wrong with a call: local misuse, said at the call, with the caller's data handed back.

use core::error::Error;
use core::fmt;

use bytestring::ByteString;

use crate::{ChannelId, CloseCode, EncodeError, Escaped, Payload};

/// Why there can be no such channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NewChannelError {
    /// The topic is empty.
    #[error("the topic is empty")]
    EmptyTopic,
    /// The topic `phoenix` belongs to heartbeats.
    #[error("the topic `phoenix` is reserved for heartbeats")]
    ReservedTopic,
    /// Another channel of this socket has this topic. Share that one, or take its place with
    /// [`Socket::replace`](crate::Socket::replace).
    #[error("the topic has a channel already")]
    #[non_exhaustive]
    TopicTaken {
        /// The topic's channel.
        owner: ChannelId,
    },
    /// The params can't be sent by this socket's serializer.
    #[error("the params can't be sent")]
    Params(#[source] EncodeError),
    /// The socket has as many channels as [`Config::max_channels`](crate::Config::max_channels)
    /// allows.
    #[error("{max} channels are the limit")]
    #[non_exhaustive]
    TooMany {
        /// The limit: how many channels there may be at a time.
        max: usize,
    },
}

/// Why a channel can't be joined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// There is no such channel: it was removed.
    #[error("no such channel")]
    UnknownChannel,
    /// A channel that isn't closed is joined once; it rejoins by itself.
    #[error("the channel has been joined already")]
    AlreadyJoined,
    /// The channel is being left. It can be joined again when it is closed; a new one of the same
    /// topic can be joined now.
    #[error("the channel is being left")]
    Leaving,
    /// Another channel has taken its place, see [`Socket::replace`](crate::Socket::replace).
    #[error("the channel has been replaced by another one")]
    Replaced,
    /// The channel was closed, and another one has its topic now.
    #[error("the topic has another channel by now")]
    #[non_exhaustive]
    TopicTaken {
        /// The topic's channel.
        owner: ChannelId,
    },
    /// The socket holds as many pushes as [`Config::max_pushes`](crate::Config::max_pushes) allows.
    #[error("{max} pushes are the limit (`max_pushes`)")]
    #[non_exhaustive]
    TooMany {
        /// The limit: how many pushes, joins and leaves there may be at a time.
        max: usize,
    },
}

/// Why a channel can't be left.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaveError {
    /// There is no such channel: it was removed.
    #[error("no such channel")]
    UnknownChannel,
    /// The channel is closed, or being left already.
    #[error("the channel is closed")]
    Closed,
    /// The socket holds as many pushes as [`Config::max_pushes`](crate::Config::max_pushes) allows.
    #[error("{max} pushes are the limit (`max_pushes`)")]
    #[non_exhaustive]
    TooMany {
        /// The limit: how many pushes, joins and leaves there may be at a time.
        max: usize,
    },
}

/// A push that was not accepted: why, and the event and payload.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PushError {
    /// What is wrong with the push, or with the time of it.
    pub reason: PushErrorKind,
    /// The event, as it was given.
    pub event: ByteString,
    /// The payload, as it was given.
    pub payload: Payload,
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't push `{}`: {}", Escaped::new(&self.event), self.reason)
    }
}

impl Error for PushError {
    /// What is behind the reason: the reason itself has been said.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.reason.source()
    }
}

/// Why a push was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushErrorKind {
    /// There is no such channel: it was removed.
    #[error("no such channel")]
    UnknownChannel,
    /// The channel hasn't been joined yet.
    #[error("the channel hasn't been joined")]
    NotJoined,
    /// The channel is closed, or being left.
    #[error("the channel is closed")]
    Closed,
    /// The event's name is empty.
    #[error("the event's name is empty")]
    EmptyEvent,
    /// The event belongs to the protocol (`phx_join`, `phx_leave`, `phx_reply`, `phx_close`,
    /// `phx_error`).
    #[error("the event is reserved for the protocol")]
    ReservedEvent,
    /// The serializer can't express it.
    #[error("it can't be encoded")]
    Encode(#[source] EncodeError),
    /// The channel's buffer is full; see
    /// [`Config::max_buffered_pushes`](crate::Config::max_buffered_pushes).
    #[error("{max} unsent pushes of a channel are the limit (`max_buffered_pushes`)")]
    #[non_exhaustive]
    BufferFull {
        /// The limit, in pushes.
        max: usize,
    },
    /// The socket's buffered payloads are over
    /// [`Config::max_buffered_bytes`](crate::Config::max_buffered_bytes).
    #[error("{max} bytes of unsent pushes are the limit (`max_buffered_bytes`)")]
    #[non_exhaustive]
    TooManyBytes {
        /// The limit, in bytes.
        max: usize,
    },
    /// The socket holds as many pushes as [`Config::max_pushes`](crate::Config::max_pushes) allows.
    #[error("{max} pushes are the limit (`max_pushes`)")]
    #[non_exhaustive]
    TooMany {
        /// The limit: how many pushes, joins and leaves there may be at a time.
        max: usize,
    },
}

/// Why there can be no ping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PingError {
    /// The socket isn't connected.
    #[error("the socket isn't connected")]
    NotConnected,
    /// As many pings as there may be wait for their reply.
    #[error("{max} pings are the limit")]
    #[non_exhaustive]
    TooMany {
        /// The limit: how many pings there may be at a time.
        max: usize,
    },
}

/// Why a socket can't be closed with this code or reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectError {
    /// An application may send 1000 and 3000 to 4999 only (RFC 6455, section 7.4.2).
    #[error("close code {code} can't be sent: 1000 and 3000 to 4999 can")]
    #[non_exhaustive]
    Code {
        /// The code.
        code: u16,
    },
    /// A close frame has room for a reason of [`CloseCode::MAX_REASON`] bytes.
    #[error(
        "a reason of {len} bytes is too long: a close frame has room for {}",
        CloseCode::MAX_REASON
    )]
    #[non_exhaustive]
    ReasonTooLong {
        /// Its length in bytes.
        len: usize,
    },
}
