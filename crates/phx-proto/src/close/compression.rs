//! Mistakes of a server with compression.

use core::fmt;

/// A mistake of the server with compression (permessage-deflate, RFC 7692).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CompressionCause {
    /// The answer to the upgrade names an extension that wasn't offered.
    OtherExtension,
    /// The answer to the upgrade has an unknown, malformed or doubled parameter.
    MalformedAnswer,
    /// The server's messages would need more memory than the offer allows: a larger window, or one that is kept between
    /// messages.
    BeyondOffer,
    /// A compressed message can't be inflated.
    BrokenMessage,
}

impl fmt::Display for CompressionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CompressionCause::OtherExtension => "answered with an extension that wasn't offered",
            CompressionCause::MalformedAnswer => {
                "answered the offer of compression with malformed parameters"
            }
            CompressionCause::BeyondOffer => {
                "wants compression that needs more memory than was offered"
            }
            CompressionCause::BrokenMessage => "sent a compressed message that can't be inflated",
        })
    }
}
