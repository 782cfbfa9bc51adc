//! Negotiation of permessage-deflate (RFC 7692, section 7.1).

use std::fmt::Write as _;
use std::string::String;

/// Name of the extension.
const NAME: &str = "permessage-deflate";

const SERVER_NO_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";

/// Bits of the largest window, which is that of a stream without the parameter.
const MAX_BITS: u8 = 15;

/// Compression that a client offers.
///
/// The default holds nothing between messages: no context takeover in either direction.
///
/// # Examples
///
/// ```
/// use phx_websocket::Offer;
///
/// let offer = Offer::new();
/// assert!(offer.header().starts_with("permessage-deflate; server_no_context_takeover;"));
/// let answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
/// assert!(offer.check([answer]).is_ok_and(|agreed| agreed.is_some()));
/// // Nothing was agreed: messages go uncompressed.
/// assert_eq!(offer.check([]), Ok(None));
/// // Without the parameter the server's messages would need a window that is kept.
/// assert!(offer.check(["permessage-deflate"]).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Offer {
    context_takeover: bool,
    window_bits: u8,
}

impl Offer {
    /// An offer without context takeover, with windows of any size.
    #[must_use]
    pub const fn new() -> Self {
        Offer { context_takeover: false, window_bits: MAX_BITS }
    }

    /// Sets whether messages may refer to earlier ones, in both directions: they become smaller, but each connection keeps the
    /// state of both streams. Default: false.
    #[must_use]
    pub const fn context_takeover(mut self, context_takeover: bool) -> Self {
        self.context_takeover = context_takeover;
        self
    }

    /// Sets the largest window of both directions, as a power of two of bytes from 9 to 15; other numbers count as the nearest
    /// of these. Default: 15.
    #[must_use]
    pub const fn window_bits(mut self, bits: u8) -> Self {
        self.window_bits = if bits < 9 {
            9
        } else if bits > MAX_BITS {
            MAX_BITS
        } else {
            bits
        };
        self
    }

    /// The value of the request's header `Sec-WebSocket-Extensions`.
    #[must_use]
    pub fn header(&self) -> String {
        let mut header = String::from(NAME);
        if !self.context_takeover {
            let _ = write!(header, "; {SERVER_NO_TAKEOVER}; {CLIENT_NO_TAKEOVER}");
        }
        match self.window_bits {
            MAX_BITS => _ = write!(header, "; {CLIENT_BITS}"),
            bits => _ = write!(header, "; {SERVER_BITS}={bits}; {CLIENT_BITS}={bits}"),
        }
        header
    }

    /// Checks the values of the answer's headers `Sec-WebSocket-Extensions`. `None`: the server agreed to no compression.
    ///
    /// # Errors
    ///
    /// [`OfferError`]: the answer isn't one to this offer.
    pub fn check<'a>(
        &self,
        answers: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<Agreed>, OfferError> {
        let lists = answers.into_iter().flat_map(|list| list.split(','));
        let mut extensions = lists.map(str::trim).filter(|extension| !extension.is_empty());
        let Some(extension) = extensions.next() else {
            return Ok(None);
        };
        let mut parts = extension.split(';').map(str::trim);
        if !parts.next().is_some_and(|name| name.eq_ignore_ascii_case(NAME)) {
            return Err(OfferError::OtherExtension);
        }
        if extensions.next().is_some() {
            return Err(OfferError::Doubled);
        }
        let mut answer = Answer::default();
        for part in parts {
            answer.read(part)?;
        }
        self.agree(&answer).map(Some)
    }

    fn agree(&self, answer: &Answer) -> Result<Agreed, OfferError> {
        let server_bits = answer.server_bits.unwrap_or(MAX_BITS);
        let client_bits = answer.client_bits.unwrap_or(self.window_bits);
        let server_takeover = !answer.server_no_takeover;
        // The server's streams could need more memory than was offered.
        if server_bits > self.window_bits || (server_takeover && !self.context_takeover) {
            return Err(OfferError::BeyondOffer);
        }
        Ok(Agreed {
            server_takeover,
            server_bits,
            client_takeover: self.context_takeover && !answer.client_no_takeover,
            client_bits: client_bits.min(self.window_bits),
        })
    }
}

impl Default for Offer {
    fn default() -> Self {
        Offer::new()
    }
}

/// Parameters of an answer.
#[derive(Default)]
struct Answer {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    client_bits: Option<u8>,
}

impl Answer {
    fn read(&mut self, parameter: &str) -> Result<(), OfferError> {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(unquoted(value.trim_start()))),
            None => (parameter, None),
        };
        let is = |known| name.eq_ignore_ascii_case(known);
        let is_new = match value {
            None if is(SERVER_NO_TAKEOVER) => {
                !std::mem::replace(&mut self.server_no_takeover, true)
            }
            None if is(CLIENT_NO_TAKEOVER) => {
                !std::mem::replace(&mut self.client_no_takeover, true)
            }
            Some(bits) if is(SERVER_BITS) => self.server_bits.replace(parse_bits(bits)?).is_none(),
            Some(bits) if is(CLIENT_BITS) => self.client_bits.replace(parse_bits(bits)?).is_none(),
            _ => return Err(OfferError::Parameter),
        };
        if is_new { Ok(()) } else { Err(OfferError::Doubled) }
    }
}

/// A value may be a quoted string (RFC 6455, section 9.1).
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

fn parse_bits(value: &str) -> Result<u8, OfferError> {
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
    match value.parse() {
        Ok(bits @ 8..=MAX_BITS) if is_number => Ok(bits),
        _ => Err(OfferError::Parameter),
    }
}

/// Compression that client and server agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Agreed {
    /// True if the server's messages may refer to earlier ones.
    pub server_takeover: bool,
    /// Bits of the server's window, from 8 to 15.
    pub server_bits: u8,
    /// True if the client's messages refer to earlier ones.
    pub client_takeover: bool,
    /// Bits of the client's window, from 8 to 15.
    pub client_bits: u8,
}

/// An answer to an [`Offer`] that can't be accepted. It ends the attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum OfferError {
    /// An extension other than permessage-deflate.
    #[error("it names an extension that wasn't offered")]
    OtherExtension,
    /// A parameter that isn't one of permessage-deflate, or a value that it can't have.
    #[error("it has an unknown or malformed parameter of permessage-deflate")]
    Parameter,
    /// Two of a parameter or extension.
    #[error("it names permessage-deflate or one of its parameters twice")]
    Doubled,
    /// A window that is larger than the one offered, or context takeover that wasn't.
    #[error("it asks for more memory than the offer of permessage-deflate allows")]
    BeyondOffer,
}
