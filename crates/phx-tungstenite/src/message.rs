//! Frames and close frames, in both directions.

use std::io::ErrorKind;

use phx_proto::{CloseCause, CloseCode, Frame};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Error, Message, Utf8Bytes};

use crate::close_cause;

/// Result of one read of a [`WebSocket`](tungstenite::WebSocket), for the core.
///
/// Returned by [`received`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Received {
    /// A frame for [`Socket::handle_frame`](phx_proto::Socket::handle_frame).
    Frame(Frame),
    /// The connection has ended: for [`Socket::handle_closed`](phx_proto::Socket::handle_closed). Drop the
    /// WebSocket.
    Closed(CloseCause),
    /// A ping or pong. tungstenite sends the pong for a ping with the next read, write or flush.
    Control,
    /// Nothing to read now: the stream returned `WouldBlock`, or its read timeout has passed.
    Empty,
}

/// Converts the result of [`WebSocket::read`](tungstenite::WebSocket::read) for the core.
///
/// # Examples
///
/// ```
/// use phx_proto::Frame;
/// use phx_tungstenite::{Received, received, tungstenite::Message};
///
/// assert_eq!(received(Ok(Message::text("[]"))), Received::Frame(Frame::text("[]")));
/// assert_eq!(received(Ok(Message::Ping("".into()))), Received::Control);
/// ```
pub fn received(read: Result<Message, Error>) -> Received {
    match read {
        Ok(Message::Text(text)) => Received::Frame(Frame::Text(text.into())),
        Ok(Message::Binary(data)) => Received::Frame(Frame::Binary(data)),
        Ok(Message::Close(frame)) => Received::Closed(close_frame_cause(frame.as_ref())),
        // The library hands out raw frames only to programs that wrote them.
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Received::Control,
        Err(Error::Io(error))
            if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
        {
            Received::Empty
        }
        Err(error) => Received::Closed(close_cause(&error)),
    }
}

/// Returns the cause for the peer's close frame: its code and reason, or [`CloseCode::NO_STATUS`] for an empty one.
#[must_use]
pub fn close_frame_cause(frame: Option<&CloseFrame>) -> CloseCause {
    match frame {
        Some(frame) => {
            CloseCause::frame(CloseCode::from_u16(frame.code.into()), frame.reason.as_str())
        }
        None => CloseCause::frame(CloseCode::NO_STATUS, ""),
    }
}

/// Converts the frame of [`Action::Send`](phx_proto::Action::Send) to a message. Copies nothing.
///
/// # Errors
///
/// [`CloseCause::Io`] for a text frame that isn't UTF-8, which only a custom serializer can produce: report it by
/// [`Socket::handle_closed`](phx_proto::Socket::handle_closed).
#[inline]
pub fn message(frame: Frame) -> Result<Message, CloseCause> {
    match frame {
        Frame::Text(text) => Utf8Bytes::try_from(text)
            .map(Message::Text)
            .map_err(|_| CloseCause::io("a text frame to be sent is not UTF-8")),
        Frame::Binary(data) => Ok(Message::Binary(data)),
    }
}

/// Returns the close frame of [`Action::Close`](phx_proto::Action::Close).
///
/// The frame has no code if `code` never goes over the wire ([`CloseCode::NO_STATUS`], [`CloseCode::ABNORMAL`]).
/// The reason is cut at a character to [`CloseCode::MAX_REASON`] bytes.
///
/// # Examples
///
/// ```
/// use phx_proto::CloseCode;
/// use phx_tungstenite::{close_message, tungstenite::Message};
///
/// assert_eq!(close_message(CloseCode::NORMAL, "done").to_string(), "done");
/// assert_eq!(close_message(CloseCode::ABNORMAL, "lost"), Message::Close(None));
/// ```
#[must_use]
pub fn close_message(code: CloseCode, reason: &str) -> Message {
    if matches!(code, CloseCode::NO_STATUS | CloseCode::ABNORMAL) {
        return Message::Close(None);
    }
    let end = (0..=CloseCode::MAX_REASON)
        .rev()
        .find(|&end| reason.is_char_boundary(end))
        .unwrap_or_default();
    let reason = Utf8Bytes::from(reason.get(..end).unwrap_or_default());
    Message::Close(Some(CloseFrame { code: code.as_u16().into(), reason }))
}
