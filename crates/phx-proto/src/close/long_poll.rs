//! Causes of a long-poll session that ended, or that couldn't be used.

use core::fmt;

/// The three requests of long-poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "the protocol has these three")]
pub enum ExchangeKind {
    /// The GET without a token that creates the session.
    Create,
    /// A GET that waits for messages.
    Poll,
    /// A POST with frames.
    Post,
}

/// The cause of a long-poll session that ended, or that couldn't be created.
///
/// A server that refuses the session is an [`UpgradeRejected`](super::CloseCause::UpgradeRejected), as over WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LongPollCause {
    /// The server doesn't know the session any more: it ended there.
    Gone,
    /// The server didn't answer a request in time.
    #[non_exhaustive]
    TimedOut {
        /// The request.
        request: ExchangeKind,
    },
    /// The server answered with a status that this request doesn't have.
    #[non_exhaustive]
    Status {
        /// The request.
        request: ExchangeKind,
        /// The HTTP status, or that in the body of an answer with HTTP status 200.
        status: u16,
    },
    /// The answer isn't one of Phoenix: another server, or a proxy, may have given it.
    #[non_exhaustive]
    InvalidAnswer {
        /// The request.
        request: ExchangeKind,
        /// The fault in its answer.
        cause: AnswerCause,
    },
    /// The answer is larger than the client takes.
    #[non_exhaustive]
    AnswerTooLarge {
        /// The limit in bytes.
        max: usize,
    },
    /// A custom serializer made an empty frame, which long-poll can't carry.
    EmptyFrame,
}

/// A fault in an answer with HTTP status 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerCause {
    /// The body isn't JSON, or not all of it came.
    NotJson,
    /// The body is JSON but no object.
    NotAnObject,
    /// There is no `status`.
    NoStatus,
    /// The `status` isn't one of HTTP's.
    Status,
    /// A new session has no `token`.
    NoToken,
    /// The `token` isn't text that fits into a header.
    Token,
    /// There are no `messages`.
    NoMessages,
    /// The `messages` aren't a list.
    Messages,
}

impl LongPollCause {
    /// A request that wasn't answered in time.
    #[must_use]
    pub const fn timed_out(request: ExchangeKind) -> Self {
        LongPollCause::TimedOut { request }
    }

    /// A status that this request doesn't have.
    #[must_use]
    pub const fn status(request: ExchangeKind, status: u16) -> Self {
        LongPollCause::Status { request, status }
    }

    /// An answer that isn't one of Phoenix.
    #[must_use]
    pub const fn invalid_answer(request: ExchangeKind, cause: AnswerCause) -> Self {
        LongPollCause::InvalidAnswer { request, cause }
    }

    /// An answer that is larger than this many bytes.
    #[must_use]
    pub const fn answer_too_large(max: usize) -> Self {
        LongPollCause::AnswerTooLarge { max }
    }
}

impl fmt::Display for ExchangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ExchangeKind::Create => "the request for a session",
            ExchangeKind::Poll => "a poll",
            ExchangeKind::Post => "a POST",
        })
    }
}

impl fmt::Display for AnswerCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AnswerCause::NotJson => "it isn't JSON",
            AnswerCause::NotAnObject => "it isn't a JSON object",
            AnswerCause::NoStatus => "it has no status",
            AnswerCause::Status => "its status isn't one of HTTP's",
            AnswerCause::NoToken => "it has no token",
            AnswerCause::Token => "its token doesn't fit into a header",
            AnswerCause::NoMessages => "it has no messages",
            AnswerCause::Messages => "its messages aren't a list",
        })
    }
}

impl fmt::Display for LongPollCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LongPollCause::Gone => f.write_str("the server doesn't know the session any more"),
            LongPollCause::TimedOut { request } => {
                write!(f, "the server didn't answer {request} in time")
            }
            LongPollCause::Status { request, status } => {
                write!(f, "the server answered {request} with the status {status}")
            }
            LongPollCause::InvalidAnswer { request, cause } => {
                write!(f, "the answer to {request} isn't one of Phoenix: {cause}")
            }
            LongPollCause::AnswerTooLarge { max } => {
                write!(f, "an answer is over the limit of {max} bytes")
            }
            LongPollCause::EmptyFrame => f.write_str("the serializer made an empty frame"),
        }
    }
}
