//! Errors of joins, leaves and channels.

use std::fmt;
use std::time::Duration;

use phx_proto::{
    ByteString, CallError, ChannelErrorCause, EncodeError, Escaped, Payload, PayloadError, Status,
};

/// A channel that isn't joined: the cause, and the time until the next attempt.
/// [`Channel::on_error`](crate::Channel::on_error), [`Channel::failure`](crate::Channel::failure) and
/// [`ChannelStatus::failure`](crate::ChannelStatus::failure) report it.
///
/// `Display` has the cause, the server's reason if it gave one, and the delay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelError {
    /// The cause: it ended the joined channel, or made an attempt to join fail.
    pub cause: ChannelErrorCause,
    /// True if an attempt to join failed; false if the channel was joined and no longer is.
    pub is_join: bool,
    /// Time from the failure to the next attempt to join; `None` if it waits for the connection.
    pub retry_in: Option<Duration>,
    pub(crate) hides_reason: bool,
}

impl ChannelError {
    /// Returns the size of the server's payload in bytes.
    pub(crate) fn answer_len(&self) -> usize {
        self.cause.answer_len()
    }

    /// Returns the error without that payload.
    pub(crate) fn without_payload(self) -> Self {
        ChannelError { cause: self.cause.without_payload(), ..self }
    }

    /// Returns true if the only cause is the connection's end.
    #[must_use]
    pub fn is_disconnect(&self) -> bool {
        self.cause == ChannelErrorCause::Disconnected
    }
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            ChannelErrorCause::Crashed(_)
            | ChannelErrorCause::Closed(_)
            | ChannelErrorCause::Disconnected
                if self.is_join =>
            {
                f.write_str("join failed: ")?;
            }
            _ => {}
        }
        if self.hides_reason {
            self.cause.clone().without_payload().fmt(f)?;
        } else {
            self.cause.fmt(f)?;
        }
        match self.retry_in {
            Some(delay) => write!(f, "; next attempt in {delay:.1?}"),
            None => f.write_str("; next attempt when the socket is connected"),
        }
    }
}

impl std::error::Error for ChannelError {}

/// Error of creating or joining a channel. `Debug` shows the same text as `Display`.
#[non_exhaustive]
pub struct JoinError {
    /// Topic of the channel.
    pub topic: ByteString,
    /// The cause: a mistake in the call, or the outcome of the join.
    pub cause: JoinCause,
    pub(crate) hides_reason: bool,
}

/// Cause of a [`JoinError`].
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinCause {
    /// The params can't be written as JSON. Nothing was sent.
    Params(PayloadError),
    /// The topic is unusable or has a channel already, or the channel can't be joined (again). Nothing was sent. A
    /// channel that has the topic can be shared ([`Socket::get_channel`](crate::Socket::get_channel)) or replaced
    /// ([`ChannelBuilder::replace`](crate::ChannelBuilder::replace)).
    InvalidState(CallError),
    /// The server rejected the join. Unless the
    /// [rejoin policy](crate::SocketBuilder::rejoin_policy) says otherwise the channel is closed.
    #[non_exhaustive]
    Rejected {
        /// The status, usually `error`.
        status: Status,
        /// The response, often `{"reason": ".."}`.
        response: Payload,
    },
    /// The server answered, and the response was dropped: answers that weren't awaited yet held as many bytes as
    /// [`SocketBuilder::max_answer_bytes`](crate::SocketBuilder::max_answer_bytes) allows. With the status `ok` the
    /// channel is joined.
    #[non_exhaustive]
    ReplyDropped {
        /// The status, of which the first 255 bytes are kept.
        status: Status,
        /// The length of the response in bytes.
        len: usize,
    },
    /// The server didn't answer in time. The channel keeps trying while there is a handle to it.
    TimedOut,
    /// The join crashed on the server, and no later attempt was answered otherwise in time. The channel keeps
    /// trying while there is a handle to it; its [`failure`](crate::Channel::failure) has the server's payload.
    Crashed,
    /// The channel was closed before it was joined.
    Closed,
    /// The serializer couldn't encode the join.
    EncodeFailed(EncodeError),
    /// The frame is larger than the transport can send: long-poll has a limit. Nothing was sent; the channel tries again.
    #[non_exhaustive]
    TooLarge {
        /// The length of the frame in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The socket's driver has ended: its runtime was shut down, or it panicked.
    Stopped,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = Escaped::new(&self.topic);
        match &self.cause {
            JoinCause::Rejected { status, response } => {
                write!(f, "join of `{topic}` ")?;
                rejected(f, status, (!self.hides_reason).then_some(response))?;
                let is_unknown = !self.hides_reason
                    && response.reason().is_some_and(|reason| reason == "unmatched topic");
                f.write_str(if is_unknown { UNMATCHED } else { "" })
            }
            cause => write!(f, "join of `{topic}` failed: {cause}"),
        }
    }
}

/// Hint for topics that Phoenix's router doesn't know.
const UNMATCHED: &str = " (no `channel` of the server's socket has such a topic)";

/// `rejected`, the status unless it is `error` and the response gives a reason, and that reason.
pub(crate) fn rejected(
    f: &mut fmt::Formatter<'_>,
    status: &Status,
    response: Option<&Payload>,
) -> fmt::Result {
    let reason = response.and_then(Payload::reason);
    f.write_str("rejected")?;
    if *status != Status::Error || reason.is_none() {
        write!(f, " with the status `{status}`")?;
    }
    match reason {
        Some(reason) => write!(f, ": {}", Escaped::short(&reason, Payload::MAX_SHOWN_REASON)),
        None => Ok(()),
    }
}

impl fmt::Display for JoinCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinCause::Params(_) => f.write_str("the params can't be written as JSON"),
            JoinCause::InvalidState(error) => error.fmt(f),
            JoinCause::Rejected { status, .. } => rejected(f, status, None),
            JoinCause::ReplyDropped { status, len } => write!(
                f,
                "the server answered with the status `{status}`, and its response of {len} bytes was dropped: too many answers waited to be read"
            ),
            JoinCause::TimedOut => f.write_str("no answer came in time"),
            JoinCause::Crashed => {
                f.write_str("it crashed on the server, and was not accepted in time")
            }
            JoinCause::Closed => f.write_str("the channel closed before it was joined"),
            JoinCause::EncodeFailed(error) => write!(f, "it couldn't be encoded: {error}"),
            JoinCause::TooLarge { len, max } => {
                write!(f, "it has {len} bytes, and the transport takes {max}")
            }
            JoinCause::Stopped => f.write_str("the socket's driver has ended"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for JoinError {
    /// Error of the params' serialiser; the text above has everything else.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            JoinCause::Params(error) => error.source(),
            _ => None,
        }
    }
}

/// Error of a leave that the server didn't confirm. `Debug` shows the same text as `Display`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaveError {
    /// Topic of the channel.
    pub topic: ByteString,
    /// The cause: a mistake in the call, or the outcome of the leave.
    pub cause: LeaveCause,
}

/// Cause of a [`LeaveError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaveCause {
    /// There is nothing to leave: the channel is closed, for example.
    InvalidState(CallError),
    /// The server didn't confirm the leave in time. The channel is closed all the same.
    TimedOut,
    /// The socket's driver has ended: its runtime was shut down, or it panicked.
    Stopped,
}

impl fmt::Display for LeaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "leave of `{}` failed: {}", Escaped::new(&self.topic), self.cause)
    }
}

impl fmt::Display for LeaveCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeaveCause::InvalidState(error) => error.fmt(f),
            LeaveCause::TimedOut => f.write_str("the server didn't confirm it in time"),
            LeaveCause::Stopped => f.write_str("the socket's driver has ended"),
        }
    }
}

impl fmt::Debug for LeaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for LeaveError {}

impl From<CallError> for JoinCause {
    fn from(error: CallError) -> Self {
        JoinCause::InvalidState(error)
    }
}

impl From<CallError> for LeaveCause {
    fn from(error: CallError) -> Self {
        LeaveCause::InvalidState(error)
    }
}
