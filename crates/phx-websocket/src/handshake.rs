//! Keys of the opening handshake (RFC 6455, sections 4.1 and 4.2.2).

use alloc::string::String;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// Returns the value of `Sec-WebSocket-Key` for 16 random bytes.
#[must_use]
pub fn key(random: [u8; 16]) -> String {
    STANDARD.encode(random)
}

/// Returns the value of `Sec-WebSocket-Accept` with which a server answers a key. Another one means that the answer
/// isn't one to this request.
///
/// # Examples
///
/// ```
/// // The example of RFC 6455, section 1.3.
/// let accept = phx_websocket::accept("dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept(key: &str) -> String {
    let hash = Sha1::new()
        .chain_update(key)
        .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    STANDARD.encode(hash)
}
