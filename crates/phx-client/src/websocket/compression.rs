//! Settings of compression, and its negotiation in the upgrade.

use phx_proto::{CloseCause, CompressionCause, ConfigError};
use phx_websocket::{Agreed, Offer, OfferError};

/// Bits of windows that may be asked for.
const WINDOW_BITS: std::ops::RangeInclusive<u8> = 9..=15;

/// Compression of messages by permessage-deflate (RFC 7692), for
/// [`SocketBuilder::compression`](crate::SocketBuilder::compression).
///
/// Compression shows by its length how much of a message is equal to other text: to text in the same message and, with
/// [`context_takeover`](Self::context_takeover), in earlier ones. Who sees the lengths of messages and can put text of
/// their own in them can guess secrets beside it, with TLS or not. So joins are never compressed, nor are payloads marked
/// [`uncompressed`](crate::Payload::uncompressed).
///
/// # Examples
///
/// ```
/// use phx_client::SocketBuilder;
/// use phx_client::websocket::Compression;
///
/// # fn doc(builder: SocketBuilder) -> SocketBuilder {
/// builder.compression(Compression::new().threshold(512))
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    context_takeover: bool,
    window_bits: u8,
    threshold: usize,
}

impl Compression {
    /// The default: each message for itself, so that a connection holds nothing between messages.
    #[must_use]
    pub const fn new() -> Self {
        Compression { context_takeover: false, window_bits: *WINDOW_BITS.end(), threshold: 128 }
    }

    /// Sets whether messages may refer to earlier ones, in both directions. They become much smaller where they are alike, but
    /// each connection holds the state of both streams: SECURITY.md has the numbers. Keep it off where users' texts and
    /// secrets go over one connection. Default: false.
    #[must_use]
    pub const fn context_takeover(mut self, context_takeover: bool) -> Self {
        self.context_takeover = context_takeover;
        self
    }

    /// Sets the largest windows, in both directions: from 9 (512 bytes) to 15 (32 KiB). Smaller ones need less memory with
    /// context takeover, and compress less. The server must agree, or messages go uncompressed. Default: 15.
    #[must_use]
    pub const fn window_bits(mut self, bits: u8) -> Self {
        self.window_bits = bits;
        self
    }

    /// Sets the size in bytes from which messages are compressed: smaller ones hardly gain. Default: 128.
    #[must_use]
    pub const fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if !WINDOW_BITS.contains(&self.window_bits) {
            return Err(ConfigError::new("window_bits", "from 9 to 15"));
        }
        Ok(())
    }

    fn offer(&self) -> Offer {
        Offer::new().context_takeover(self.context_takeover).window_bits(self.window_bits)
    }

    /// The request's header.
    pub(super) fn header(&self) -> String {
        self.offer().header()
    }

    /// Checks the answer's headers. `None`: the server doesn't compress.
    pub(super) fn check<'a>(
        &self,
        answers: impl Iterator<Item = &'a str>,
    ) -> Result<Option<Agreement>, CloseCause> {
        let agreed = self.offer().check(answers).map_err(|error| {
            CloseCause::Compression(match error {
                OfferError::OtherExtension => CompressionCause::OtherExtension,
                OfferError::BeyondOffer => CompressionCause::BeyondOffer,
                _ => CompressionCause::MalformedAnswer,
            })
        })?;
        Ok(agreed.map(|agreed| Agreement { agreed, threshold: self.threshold }))
    }
}

impl Default for Compression {
    fn default() -> Self {
        Compression::new()
    }
}

/// Compression of a connection.
#[derive(Clone, Copy)]
pub(super) struct Agreement {
    pub(super) agreed: Agreed,
    pub(super) threshold: usize,
}
