//! Causes of failed connections: for people, and without secrets.

use async_tungstenite::tungstenite::Error;
use phx_proto::CloseCause;
use phx_tungstenite::close_cause;

use crate::http::stream_failed;

/// A failure of the WebSocket layer.
pub(super) fn websocket_failed(error: &Error) -> CloseCause {
    match error {
        Error::Io(error) => stream_failed(error),
        error => close_cause(error),
    }
}
