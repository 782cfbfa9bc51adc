//! Errors of the socket's calls: local misuse, reported by the call itself, with the caller's data handed back.

use core::error::Error;
use core::fmt;

use bytestring::ByteString;

use crate::{ChannelId, CloseCode, EncodeError, Escaped, Payload};

/// Reason why the socket accepted no call. Nothing was changed and nothing will be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// There is no such channel: it was removed.
    #[error("there is no such channel: it was removed")]
    UnknownChannel,
    /// A new channel: the topic is empty.
    #[error("the topic is empty")]
    EmptyTopic,
    /// A new channel: the topic `phoenix` belongs to heartbeats.
    #[error("the topic `phoenix` is reserved for heartbeats")]
    ReservedTopic,
    /// A new channel or a join: another channel of this socket has the topic. Share that one, or take its place with
    /// [`Socket::replace`](crate::Socket::replace).
    #[error("the topic has another channel: share that one, or replace it")]
    #[non_exhaustive]
    TopicTaken {
        /// The topic's channel.
        owner: ChannelId,
    },
    /// A new channel: the socket has as many as [`Config::max_channels`](crate::Config::max_channels) allows.
    #[error("{max} channels are the limit (`max_channels`)")]
    #[non_exhaustive]
    TooManyChannels {
        /// The limit, in channels.
        max: usize,
    },
    /// A join: a channel that isn't closed is joined once; it rejoins by itself.
    #[error("the channel has been joined already; it rejoins by itself")]
    AlreadyJoined,
    /// A join: the channel is being left. It can be joined again when it is closed; a new one of the same topic
    /// can be joined now.
    #[error("the channel is being left")]
    Leaving,
    /// A join: another channel has taken its place, see [`Socket::replace`](crate::Socket::replace).
    #[error("the channel has been replaced by another one")]
    Replaced,
    /// A push: the channel hasn't been joined yet.
    #[error("the channel hasn't been joined")]
    NotJoined,
    /// A push or a leave: the channel is closed, or being left.
    #[error("the channel is closed")]
    Closed,
    /// A push: the event's name is empty.
    #[error("the event's name is empty")]
    EmptyEvent,
    /// A push: the event belongs to the protocol (`phx_join`, `phx_leave`, `phx_reply`, `phx_close`, `phx_error`).
    #[error("the event is reserved for the protocol")]
    ReservedEvent,
    /// A new channel's params or a push: the serializer can't express it.
    #[error("it can't be encoded: {0}")]
    Encode(EncodeError),
    /// A push: the channel's buffer is full; see
    /// [`Config::max_buffered_pushes`](crate::Config::max_buffered_pushes).
    #[error("{max} unsent pushes of a channel are the limit (`max_buffered_pushes`)")]
    #[non_exhaustive]
    BufferFull {
        /// The limit, in pushes.
        max: usize,
    },
    /// A push: the socket's buffered payloads are over
    /// [`Config::max_buffered_bytes`](crate::Config::max_buffered_bytes).
    #[error("{max} bytes of unsent pushes are the limit (`max_buffered_bytes`)")]
    #[non_exhaustive]
    TooManyBytes {
        /// The limit, in bytes.
        max: usize,
    },
    /// A push, a join or a leave: the socket holds as many as [`Config::max_pushes`](crate::Config::max_pushes)
    /// allows.
    #[error("{max} pushes are the limit (`max_pushes`)")]
    #[non_exhaustive]
    TooManyPushes {
        /// The limit, in pushes, joins and leaves together.
        max: usize,
    },
    /// A ping: the socket isn't connected.
    #[error("the socket isn't connected")]
    NotConnected,
    /// A ping: as many as are allowed wait for their replies.
    #[error("{max} pings are the limit")]
    #[non_exhaustive]
    TooManyPings {
        /// The limit, in pings.
        max: usize,
    },
    /// A disconnect: an application may send 1000 and 3000 to 4999 only (RFC 6455, section 7.4.2).
    #[error("close code {code} can't be sent: 1000 and 3000 to 4999 can")]
    #[non_exhaustive]
    CloseCode {
        /// The code.
        code: u16,
    },
    /// A disconnect: a close frame holds a reason of [`CloseCode::MAX_REASON`] bytes at most.
    #[error(
        "a reason of {len} bytes is too long: a close frame has room for {}",
        CloseCode::MAX_REASON
    )]
    #[non_exhaustive]
    CloseReasonTooLong {
        /// The reason's length in bytes.
        len: usize,
    },
}

impl CallError {
    /// Checks that a close frame of an application can hold this code and reason.
    pub(crate) const fn check_close(code: CloseCode, reason: &str) -> Result<(), Self> {
        if !code.is_sendable() {
            return Err(CallError::CloseCode { code: code.as_u16() });
        }
        if reason.len() > CloseCode::MAX_REASON {
            return Err(CallError::CloseReasonTooLong { len: reason.len() });
        }
        Ok(())
    }
}

/// A push that was not accepted: why, and the event and payload.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PushError {
    /// The reason: something is wrong with the push, or the channel can't take it now.
    pub reason: CallError,
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

impl Error for PushError {}
