//! Messages that are put together from frames, with their limits.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::Error;

/// A message of the server.
///
/// `Debug` shows the kind and the length, never the contents.
#[derive(Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a WebSocket message is text or binary (RFC 6455)")]
pub enum Message {
    /// A text message: UTF-8.
    Text(Bytes),
    /// A binary message.
    Binary(Bytes),
}

impl Message {
    #[inline]
    pub(crate) fn new(is_text: bool, bytes: Bytes) -> Self {
        if is_text { Message::Text(bytes) } else { Message::Binary(bytes) }
    }

    /// The bytes of the message, of either kind.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        match self {
            Message::Text(bytes) | Message::Binary(bytes) => bytes,
        }
    }
}

impl core::fmt::Debug for Message {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let kind = if matches!(self, Message::Text(_)) { "Text" } else { "Binary" };
        write!(f, "Message::{kind}({} bytes)", self.as_bytes().len())
    }
}

/// A message of which some frames have come.
pub(crate) struct Partial {
    is_text: bool,
    pub(crate) is_compressed: bool,
    data: Vec<u8>,
    /// Bytes of the data that were found to be UTF-8.
    checked: usize,
}

impl Partial {
    pub(crate) fn new(is_text: bool, is_compressed: bool) -> Self {
        Partial { is_text, is_compressed, data: Vec::new(), checked: 0 }
    }

    /// Refuses a frame of `len` bytes that doesn't fit, and takes memory for one that does: exactly what a single frame needs,
    /// at most twice as much for fragments.
    pub(crate) fn reserve(&mut self, len: u64, max: usize) -> Result<(), Error> {
        let room = max.saturating_sub(self.data.len());
        match usize::try_from(len) {
            Ok(len) if len <= room => {
                let needed = self.data.len().saturating_add(len);
                if needed > self.data.capacity() {
                    let size = self.data.capacity().saturating_mul(2).min(max).max(needed);
                    self.data.reserve_exact(size.saturating_sub(self.data.len()));
                }
                Ok(())
            }
            _ => Err(Error::TooLarge { max }),
        }
    }

    /// Appends bytes for which memory is reserved.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.data.extend_from_slice(bytes);
        if self.is_text {
            let new = self.data.get(self.checked..).unwrap_or_default();
            match core::str::from_utf8(new) {
                Ok(_) => self.checked = self.data.len(),
                // A character that isn't complete yet.
                Err(error) if error.error_len().is_none() => {
                    self.checked = self.checked.saturating_add(error.valid_up_to());
                }
                Err(_) => return Err(Error::NotUtf8),
            }
        }
        Ok(())
    }

    /// Appends inflated bytes.
    #[cfg(feature = "deflate")]
    pub(crate) fn push_inflated(&mut self, bytes: &[u8], max: usize) -> Result<(), Error> {
        self.reserve(u64::try_from(bytes.len()).unwrap_or(u64::MAX), max)?;
        self.push(bytes)
    }

    pub(crate) fn finish(self) -> Result<Message, Error> {
        if self.is_text && self.checked < self.data.len() {
            return Err(Error::NotUtf8);
        }
        // Limits in bytes count what is used, so what is kept must be no more than that and an eighth.
        let spare = self.data.capacity().saturating_sub(self.data.len());
        let bytes = if spare > self.data.len() >> 3 {
            Bytes::copy_from_slice(&self.data)
        } else {
            Bytes::from(self.data)
        };
        Ok(Message::new(self.is_text, bytes))
    }
}
