//! Mistakes of the server that end a connection.

/// A mistake of the server, which ends the connection.
///
/// [`close_code`](Self::close_code) is the code that the codec reports to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A frame has reserved bits that no extension gave a meaning.
    #[error("a frame has reserved bits that no extension uses")]
    ReservedBits,
    /// A frame has an opcode that RFC 6455 doesn't define.
    #[error("a frame has the unknown opcode {0}")]
    UnknownOpcode(u8),
    /// A frame is masked, which only a client's frames may be.
    #[error("a frame from the server is masked")]
    Masked,
    /// A control frame is fragmented, or longer than 125 bytes.
    #[error("a control frame is fragmented or too long")]
    MalformedControl,
    /// A continuation came without a beginning.
    #[error("a frame continues a message that hasn't begun")]
    UnexpectedContinuation,
    /// A message began inside of another one.
    #[error("a message begins before the last one ended")]
    UnfinishedMessage,
    /// A message, inflated if it came compressed, is larger than the limit.
    #[error("a message was larger than the limit of {max} bytes")]
    TooLarge {
        /// The limit, in bytes.
        max: usize,
    },
    /// A text message or the reason of a close frame isn't UTF-8.
    #[error("a text message was not UTF-8")]
    NotUtf8,
    /// The payload of a close frame has one byte: half of a code.
    #[error("a close frame has half of a code")]
    MalformedClose,
    /// A compressed message can't be inflated.
    #[error("a compressed message can't be inflated")]
    BrokenDeflate,
}

impl Error {
    /// The code of the close frame that reports the mistake (RFC 6455, section 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Error::TooLarge { .. } => 1009,
            Error::NotUtf8 | Error::BrokenDeflate => 1007,
            Error::ReservedBits
            | Error::UnknownOpcode(_)
            | Error::Masked
            | Error::MalformedControl
            | Error::UnexpectedContinuation
            | Error::UnfinishedMessage
            | Error::MalformedClose => 1002,
        }
    }
}

/// A message that can't be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// A close frame was queued, and nothing may follow it.
    #[error("the connection is closing: nothing may be sent any more")]
    Closing,
    /// A text message isn't UTF-8.
    #[error("a text message to be sent is not UTF-8")]
    NotUtf8,
}
