//! The unit of a transport: one WebSocket message.

use core::fmt;

use bytes::Bytes;

/// One message of the transport, whole: a WebSocket text or binary message.
///
/// Ping, pong and close frames never reach the core: WebSocket libraries answer pings themselves,
/// and a close is a [`CloseCause`](crate::CloseCause).
///
/// A text frame carries bytes, not a `str`: the serializer checks that they are UTF-8, once, so a
/// transport needn't.
///
/// `Debug` shows the kind and the length, never the contents: frames carry join params and
/// application data.
#[derive(Clone, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a WebSocket message is text or binary (RFC 6455)")]
pub enum Frame {
    /// A text message, meant to be UTF-8.
    Text(Bytes),
    /// A binary message.
    Binary(Bytes),
}

impl Frame {
    /// A text frame.
    pub fn text(text: impl Into<Bytes>) -> Self {
        Frame::Text(text.into())
    }

    /// A binary frame.
    pub fn binary(data: impl Into<Bytes>) -> Self {
        Frame::Binary(data.into())
    }

    /// The bytes of the frame, of either kind.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        match self {
            Frame::Text(bytes) | Frame::Binary(bytes) => bytes,
        }
    }

    /// The bytes of the frame, of either kind.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Frame::Text(bytes) | Frame::Binary(bytes) => bytes,
        }
    }

    /// Number of bytes in the frame.
    #[must_use]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns `true` if the frame has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Returns `true` for a text frame.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self, Frame::Text(_))
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_text() { "Text" } else { "Binary" };
        write!(f, "Frame::{kind}({} bytes)", self.len())
    }
}
