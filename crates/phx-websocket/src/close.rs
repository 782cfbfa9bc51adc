//! Payloads of close frames (RFC 6455, sections 5.5.1 and 7.4).

use alloc::string::String;
use core::fmt;

use crate::Error;

/// Largest reason of a close frame, in bytes.
const MAX_REASON: usize = 123;

/// Code that reports a broken protocol.
const PROTOCOL_ERROR: u16 = 1002;

/// A close frame of the server.
///
/// `Debug` shows the reason, which the server chose.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseFrame {
    /// The code; `None` for a frame without one. A code that must not be sent (section 7.4.1) is given as 1002.
    pub code: Option<u16>,
    /// The reason, at most 123 bytes. Empty if the code must not be sent.
    pub reason: String,
}

impl CloseFrame {
    /// Reads a payload.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Error> {
        let (code, reason) = match payload {
            [] => return Ok(CloseFrame { code: None, reason: String::new() }),
            [_] => return Err(Error::MalformedClose),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        let reason = core::str::from_utf8(reason).map_err(|_| Error::NotUtf8)?;
        Ok(if may_be_sent(code) {
            CloseFrame { code: Some(code), reason: reason.into() }
        } else {
            CloseFrame { code: Some(PROTOCOL_ERROR), reason: String::new() }
        })
    }
}

impl fmt::Display for CloseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "code {code}"),
            None => f.write_str("no code"),
        }
    }
}

/// Returns true for codes that RFC 6455 defines for the wire, those of IANA's registry, and those of applications.
const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Payload of a close frame to send: nothing without a code; the reason is cut at a character to 123 bytes.
pub(crate) struct Payload {
    bytes: [u8; MAX_REASON + 2],
    len: usize,
}

impl Payload {
    pub(crate) fn new(code: Option<u16>, reason: &str) -> Self {
        let mut payload = Payload { bytes: [0; MAX_REASON + 2], len: 0 };
        let Some(code) = code else {
            return payload;
        };
        let fits =
            (0..=reason.len().min(MAX_REASON)).rev().find(|&end| reason.is_char_boundary(end));
        let reason = reason.get(..fits.unwrap_or_default()).unwrap_or_default();
        let bytes = code.to_be_bytes().into_iter().chain(reason.bytes());
        for (place, byte) in payload.bytes.iter_mut().zip(bytes) {
            *place = byte;
        }
        payload.len = reason.len().saturating_add(2);
        payload
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}
