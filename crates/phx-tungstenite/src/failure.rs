//! tungstenite's errors as causes: texts for people, without secrets.

use std::io;

use phx_proto::{CloseCause, CloseCode};
use tungstenite::Error;
use tungstenite::error::{CapacityError, ProtocolError, SubProtocolError};

use crate::rejection;

/// Converts an error of tungstenite, in a handshake or later, to a cause.
///
/// Any HTTP answer but 101 is [`CloseCause::UpgradeRejected`], by [`rejection`]: by default the core stops trying
/// after a 403 or 404 of the first connection. The texts of errors that may quote the request are left out, since
/// it holds credentials.
#[must_use]
pub fn close_cause(error: &Error) -> CloseCause {
    match error {
        Error::Io(error) => io_cause(error),
        Error::Http(response) => CloseCause::UpgradeRejected(rejection(response)),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => ended(),
        Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => {
            CloseCause::io(format!("a message was larger than the limit of {max_size} bytes"))
        }
        Error::Utf8(_) => CloseCause::io("a text message was not UTF-8"),
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(
            SubProtocolError::NoSubProtocol,
        )) => CloseCause::io(
            "the server named no subprotocol, as a socket without `auth_token: true` does, and \
             tungstenite needs one",
        ),
        Error::Protocol(error) => {
            CloseCause::io(format!("the server broke the WebSocket protocol: {error}"))
        }
        _ => CloseCause::io("the WebSocket connection failed"),
    }
}

/// Converts a stream's error to a cause: the operating system's text, or that the stream ended without a close
/// frame.
#[must_use]
pub fn io_cause(error: &io::Error) -> CloseCause {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        ended()
    } else {
        CloseCause::io(error.to_string())
    }
}

fn ended() -> CloseCause {
    CloseCause::io("the server ended the connection without a close frame")
}

/// Returns the code of the close frame that reports a mistake of the peer to it; `None` if no report is due.
#[must_use]
pub fn close_code(error: &Error) -> Option<CloseCode> {
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
