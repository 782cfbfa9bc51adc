//! JSON text of messages, written into one buffer of the right size.

use alloc::vec::Vec;

use bytes::Bytes;

use super::scan;
use crate::{Message, Ref};

/// A buffer of JSON text.
#[derive(Debug)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// A writer with capacity for `message` and `syntax` bytes of brackets, quotes, commas and keys.
    pub(super) fn for_message(message: &Message, syntax: usize) -> Self {
        let status = message.status.as_ref().map_or(0, |status| {
            status.as_str().len().saturating_add(r#"{"response":,"status":""}"#.len())
        });
        let parts = [
            syntax,
            message.join_ref.as_ref().map_or(0, Ref::encoded_len),
            message.reference.as_ref().map_or(0, Ref::encoded_len),
            message.topic.len(),
            message.event.len(),
            status,
            message.payload.len(),
        ];
        // Exact, so that the buffer becomes a frame without another allocation.
        Writer(Vec::with_capacity(parts.into_iter().fold(0, usize::saturating_add)))
    }

    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from(self.0)
    }

    /// Text that is JSON already.
    #[cfg_attr(not(for_size), inline(always))]
    pub(super) fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A JSON string.
    #[cfg_attr(not(for_size), inline(always))]
    pub(super) fn string(&mut self, text: &str) {
        if scan::is_plain(text.as_bytes()) {
            self.quoted(text);
        } else {
            self.escaped(text);
        }
    }

    #[cold]
    fn escaped(&mut self, text: &str) {
        // Writing a `str` can't fail: serde_json fails only for keys that aren't strings.
        self.raw(&serde_json::to_string(text).unwrap_or_default());
    }

    #[cfg_attr(not(for_size), inline(always))]
    fn quoted(&mut self, text: &str) {
        self.raw("\"");
        self.raw(text);
        self.raw("\"");
    }

    /// A ref as a string, or null.
    #[cfg_attr(not(for_size), inline(always))]
    pub(super) fn reference(&mut self, reference: Option<&Ref>) {
        match reference {
            None => self.raw("null"),
            Some(reference) => match reference.as_number() {
                // Digits need no escapes.
                Some(number) => self.quoted(itoa::Buffer::new().format(number)),
                None => self.string(reference.text(&mut itoa::Buffer::new())),
            },
        }
    }

    /// The payload; for a reply, the object that holds its status and response.
    pub(super) fn payload(&mut self, message: &Message) {
        if let Some(status) = &message.status {
            // Phoenix writes the keys in the order of the alphabet.
            self.raw(r#"{"response":"#);
            self.0.extend_from_slice(message.payload.as_bytes());
            self.raw(r#","status":"#);
            self.string(status.as_str());
            self.raw("}");
        } else {
            self.0.extend_from_slice(message.payload.as_bytes());
        }
    }
}
