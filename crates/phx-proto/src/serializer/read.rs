//! From pieces of JSON text, which are slices of a frame, to the parts of a message.

use bytes::Bytes;
use bytestring::ByteString;

use super::scan::{Element, Scanner, Span};
use super::{DecodeErrorKind, Field};
use crate::{Message, Payload, Ref, Status, message};

/// Checks that `frame` is UTF-8 and has `read` make something of it.
///
/// A frame that isn't UTF-8 is read up to where it goes wrong, to say in which part that is.
pub(super) fn text<'a, T>(
    frame: &'a Bytes,
    read: impl FnOnce(&mut Scanner<'a>) -> Result<T, DecodeErrorKind>,
) -> Result<T, DecodeErrorKind> {
    match valid_up_to(frame) {
        None => read(&mut Scanner::new(frame)),
        Some(end) => Err(not_utf8(frame, end, read)),
    }
}

/// Where `frame` isn't UTF-8 any more. Most frames are ASCII, which is quicker to tell.
#[inline]
pub(super) fn valid_up_to(frame: &[u8]) -> Option<usize> {
    if is_ascii(frame) {
        return None;
    }
    core::str::from_utf8(frame).err().map(|error| error.valid_up_to())
}

/// The standard library's `is_ascii` takes up to 63 bytes one by one (Rust 1.95).
#[inline]
fn is_ascii(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk() else {
        return text.iter().all(u8::is_ascii);
    };
    let (words, _) = text.as_chunks();
    let words =
        words.iter().fold(u64::from_ne_bytes(*last), |all, word| all | u64::from_ne_bytes(*word));
    words & u64::from_ne_bytes([0x80; 8]) == 0
}

#[cold]
pub(super) fn not_utf8<'a, T>(
    frame: &'a [u8],
    end: usize,
    read: impl FnOnce(&mut Scanner<'a>) -> Result<T, DecodeErrorKind>,
) -> DecodeErrorKind {
    let mut scanner = Scanner::new(frame.get(..end).unwrap_or_default());
    let result = read(&mut scanner);
    match (result, scanner.field) {
        (Err(error), _) if !scanner.is_at_end() => error,
        (Err(DecodeErrorKind::Json { .. }), Some(field)) => DecodeErrorKind::Utf8(field),
        (Err(error), _) => error,
        (Ok(_), _) => scanner.malformed(),
    }
}

/// A name: a string.
#[inline(always)]
pub(super) fn name(
    frame: &Bytes,
    element: Element,
    field: Field,
) -> Result<ByteString, DecodeErrorKind> {
    let text = match element {
        Element::Plain(span) => span.shared(frame),
        _ => match element.text(frame) {
            Some(text) => Bytes::from(text.into_owned()),
            None => return Err(DecodeErrorKind::Field(field)),
        },
    };
    ByteString::try_from(text).map_err(|_| DecodeErrorKind::Utf8(field))
}

/// The name of an event: that of replies, the most frequent one, is no slice of the frame.
#[inline(always)]
pub(super) fn event(frame: &Bytes, element: Element) -> Result<ByteString, DecodeErrorKind> {
    match element {
        Element::Plain(span) if span.of(frame) == b"phx_reply" => Ok(message::event::REPLY),
        _ => name(frame, element, Field::Event),
    }
}

/// A ref: a string or null. A plain number is taken for the string of its digits: Phoenix keeps
/// whatever it is sent, and echoes numbers to those who send them (`heartbeat_raw.jsonl`).
#[inline(always)]
pub(super) fn reference(
    frame: &Bytes,
    element: Element,
    field: Field,
) -> Result<Option<Ref>, DecodeErrorKind> {
    let number = match element {
        Element::Null => return Ok(None),
        Element::Plain(span) | Element::Other(span) => Ref::plain_number(span.of(frame)),
    };
    match number {
        Some(number) => Ok(Some(number)),
        None => name(frame, element, field).map(|text| Some(Ref::parse(text))),
    }
}

/// A message but for its payload, which takes over the frame.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) join_ref: Option<Ref>,
    pub(super) reference: Option<Ref>,
    pub(super) topic: ByteString,
    pub(super) event: ByteString,
    pub(super) status: Option<Status>,
    /// JSON that the scanner has accepted. A reply without a response has none, and gets `null`:
    /// phoenix.js hands `undefined` to its callbacks then.
    pub(super) payload: Option<Span>,
}

impl Parts {
    #[inline(always)]
    pub(super) fn into_message(self, frame: Bytes) -> Message {
        let payload = match self.payload {
            Some(span) => span.cut(frame),
            None => Bytes::from_static(b"null"),
        };
        Message {
            join_ref: self.join_ref,
            reference: self.reference,
            topic: self.topic,
            event: self.event,
            status: self.status,
            payload: Payload::from_unchecked_json(payload),
        }
    }
}

/// What the payload of a `phx_reply` holds, as it is written.
#[derive(Debug, Default)]
pub(super) struct Reply {
    status: Option<Element>,
    pub(super) response: Option<Span>,
}

impl Reply {
    /// Scans an object: its keys in any order, the last one of several that are equal (as `JSON.parse`
    /// has it), others skipped.
    #[inline(always)]
    pub(super) fn scan(scanner: &mut Scanner<'_>) -> Result<Self, DecodeErrorKind> {
        let mut reply = Reply::default();
        if scanner.peek() != Some(b'{') {
            scanner.value()?;
            return Err(DecodeErrorKind::Field(Field::Payload));
        }
        scanner.expect(b'{')?;
        if scanner.eat(b'}') {
            return Ok(reply);
        }
        loop {
            let key = scanner.key()?;
            match key.text(scanner.text()).as_deref() {
                Some(b"status") => reply.status = Some(scanner.element()?),
                Some(b"response") => reply.response = Some(scanner.value()?),
                _ => drop(scanner.value()?),
            }
            if !scanner.eat(b',') {
                scanner.expect(b'}')?;
                return Ok(reply);
            }
        }
    }

    /// The status.
    #[inline(always)]
    pub(super) fn status(&self, frame: &Bytes) -> Result<Status, DecodeErrorKind> {
        let status = self.status.ok_or(DecodeErrorKind::Field(Field::Status))?;
        if let Element::Plain(span) = status {
            match span.of(frame) {
                b"ok" => return Ok(Status::Ok),
                b"error" => return Ok(Status::Error),
                _ => {}
            }
        }
        name(frame, status, Field::Status).map(Status::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_or_two_bytes_that_are_not_ascii_are_found_anywhere() {
        for len in 0..40 {
            let mut text = alloc::vec![b'a'; len];
            assert!(is_ascii(&text), "{len} letters");
            for first in 0..len {
                text[first] = 0x80;
                for second in first..len {
                    let before = core::mem::replace(&mut text[second], 0x80);
                    assert!(!is_ascii(&text), "at {first} and {second} of {len}");
                    text[second] = before;
                }
                text[first] = b'a';
            }
        }
    }
}
