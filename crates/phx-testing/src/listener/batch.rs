//! How many of a client's messages are taken together, and what ends them.

use phx_proto::CloseCode;

/// Bytes of messages after which no more are passed to the server together.
pub(super) const MAX_BYTES_TOGETHER: usize = 64 * 1024;

/// Largest number of a client's messages that are passed to the server together.
pub(super) const MAX_TOGETHER: usize = 64;

/// End of a client's messages.
pub(super) enum End {
    Stream,
    /// A frame was refused; the connection must be closed with this code.
    Refused(CloseCode),
}
