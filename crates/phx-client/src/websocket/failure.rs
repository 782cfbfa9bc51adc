//! Causes of failed connections: for people, and without secrets.

use std::io;

use async_tungstenite::tungstenite::Error;
use phx_proto::CloseCause;
use phx_tungstenite::{close_cause, io_cause};

/// A stream that failed.
pub(super) fn stream_failed(error: &io::Error) -> CloseCause {
    #[cfg(feature = "tls")]
    if let Some(cause) = crate::tls::failure(error) {
        return cause;
    }
    io_cause(error)
}

/// A stream that ended without a close frame.
pub(super) fn ended() -> CloseCause {
    io_cause(&io::ErrorKind::UnexpectedEof.into())
}

/// A failure of the WebSocket layer.
pub(super) fn websocket_failed(error: &Error) -> CloseCause {
    match error {
        Error::Io(error) => stream_failed(error),
        error => close_cause(error),
    }
}
