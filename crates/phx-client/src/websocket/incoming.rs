//! What comes of the server's frames.

use async_tungstenite::tungstenite::Error;
use phx_proto::{CloseCause, CloseCode, Frame};
use phx_tungstenite::close_code;

use super::failure;

/// Something that came from the server.
pub(super) enum Incoming {
    Frame(Frame),
    Close(CloseCause),
    /// The pong for it is queued.
    Ping,
    /// Nothing that matters: a pong.
    Other,
}

/// End of the frames.
pub(super) struct Failure {
    pub(super) cause: CloseCause,
    /// Code of the close frame that reports a mistake of the server to it.
    pub(super) code: Option<CloseCode>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { cause: failure::websocket_failed(&error), code: close_code(&error) }
    }
}
