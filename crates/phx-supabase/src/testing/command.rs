//! Commands of a test to the server's channels.

use super::postgres::Change;

/// Command to channels: given with [`send`](super::send), or by
/// [`after_join`](super::RealtimeServer::after_join).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// A row changed: the channels that have a binding for it get `postgres_changes`.
    Change(Change),
    /// Push a `system` message.
    System {
        /// Part of the server that it comes from: `system` or `postgres_changes`.
        extension: String,
        /// `ok` or `error`.
        status: String,
        /// Text of the message.
        message: String,
    },
    /// Push a `system` message with the status `error`, and close the channel: what the server does when a token has
    /// expired or a rate limit is reached.
    Shutdown(String),
    /// Crash: the client gets `phx_error`.
    Crash,
}
