//! What is said about a connection that failed: for people, and without secrets.

use std::io;

use async_tungstenite::tungstenite::Error;
use async_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use phx_proto::{CloseCause, CloseCode};

/// A stream that failed.
pub(super) fn stream_failed(error: &io::Error) -> CloseCause {
    #[cfg(feature = "tls")]
    if let Some(cause) = crate::tls::failure(error) {
        return cause;
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        ended()
    } else {
        CloseCause::io(error.to_string())
    }
}

/// A stream that ended without a close frame.
pub(super) fn ended() -> CloseCause {
    CloseCause::io("the server ended the connection without a close frame")
}

/// A failure of the WebSocket layer.
pub(super) fn websocket_failed(error: Error) -> CloseCause {
    match error {
        Error::Io(error) => stream_failed(&error),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => ended(),
        Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => {
            CloseCause::io(format!("a message was larger than the limit of {max_size} bytes"))
        }
        Error::Utf8(_) => CloseCause::io("a text message was not UTF-8"),
        Error::Protocol(error) => {
            CloseCause::io(format!("the server broke the WebSocket protocol: {error}"))
        }
        // The others belong to handshakes, which this crate does itself. Their texts are not shown
        // because they may quote what was sent.
        _ => CloseCause::io("the WebSocket connection failed"),
    }
}

/// The code with which the peer is told of a failure that is its own, if it is to be told.
pub(super) fn close_code(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Capacity(_) => Some(CloseCode::TOO_BIG),
        Error::Utf8(_) => Some(CloseCode::from_u16(1007)),
        Error::Protocol(
            ProtocolError::ResetWithoutClosingHandshake
            | ProtocolError::ReceivedAfterClosing
            | ProtocolError::SendAfterClosing,
        ) => None,
        Error::Protocol(_) => Some(CloseCode::from_u16(1002)),
        _ => None,
    }
}
