//! From pieces of JSON text, which are slices of a frame, to the parts of a message.

use bytes::Bytes;
use bytestring::ByteString;

use super::scan::{Element, Scanner};
use super::{DecodeErrorKind, Field};
use crate::{Payload, Ref, Status};

/// Checks that `frame` is UTF-8 and has `read` make something of it.
///
/// A frame that isn't UTF-8 is read up to where it goes wrong, to say in which part that is.
pub(super) fn text<'a, T>(
    frame: &'a Bytes,
    read: impl FnOnce(&mut Scanner<'a>) -> Result<T, DecodeErrorKind>,
) -> Result<T, DecodeErrorKind> {
    match valid_up_to(frame) {
        None => read(&mut Scanner::new(frame)),
        Some(end) => Err(not_utf8(frame.get(..end).unwrap_or_default(), read)),
    }
}

/// Where `frame` isn't UTF-8 any more. Most frames are ASCII, which is quicker to tell.
#[inline]
fn valid_up_to(frame: &[u8]) -> Option<usize> {
    if is_ascii(frame) {
        return None;
    }
    core::str::from_utf8(frame).err().map(|error| error.valid_up_to())
}

/// The standard library's `is_ascii` takes up to 63 bytes one by one (Rust 1.95).
#[inline]
fn is_ascii(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    let words = words.iter().fold(0, |all, word| all | u64::from_ne_bytes(*word));
    let rest = rest.iter().fold(0, |all, byte| all | byte);
    words & u64::from_ne_bytes([0x80; 8]) == 0 && rest.is_ascii()
}

#[cold]
fn not_utf8<'a, T>(
    valid: &'a [u8],
    read: impl FnOnce(&mut Scanner<'a>) -> Result<T, DecodeErrorKind>,
) -> DecodeErrorKind {
    let mut scanner = Scanner::new(valid);
    let result = read(&mut scanner);
    match (result, scanner.field) {
        (Err(error), _) if !scanner.is_at_end() => error,
        (Err(DecodeErrorKind::Json { .. }), Some(field)) => DecodeErrorKind::Utf8(field),
        (Err(error), _) => error,
        (Ok(_), _) => scanner.malformed(),
    }
}

/// A name: a string.
#[inline]
pub(super) fn name(
    frame: &Bytes,
    element: &Element<'_>,
    field: Field,
) -> Result<ByteString, DecodeErrorKind> {
    let text = match element {
        Element::Plain(text) => frame.slice_ref(text),
        _ => match element.text() {
            Some(text) => Bytes::from(text.into_owned()),
            None => return Err(DecodeErrorKind::Field(field)),
        },
    };
    ByteString::try_from(text).map_err(|_| DecodeErrorKind::Utf8(field))
}

/// A ref: a string or null. A plain number is taken for the string of its digits: Phoenix keeps
/// whatever it is sent, and echoes numbers to those who send them (`heartbeat_raw.jsonl`).
#[inline]
pub(super) fn reference(
    frame: &Bytes,
    element: &Element<'_>,
    field: Field,
) -> Result<Option<Ref>, DecodeErrorKind> {
    let number = match element {
        Element::Null => return Ok(None),
        Element::Plain(text) | Element::Other(text) => Ref::plain_number(text),
    };
    match number {
        Some(number) => Ok(Some(number)),
        None => name(frame, element, field).map(|text| Some(Ref::parse(text))),
    }
}

/// JSON text that the scanner has accepted.
pub(super) fn payload(frame: &Bytes, element: &[u8]) -> Payload {
    Payload::from_unchecked_json(frame.slice_ref(element))
}

/// What the payload of a `phx_reply` holds, as it is written.
#[derive(Debug, Default)]
pub(super) struct Reply<'a> {
    status: Option<Element<'a>>,
    response: Option<&'a [u8]>,
}

impl<'a> Reply<'a> {
    /// Scans an object: its keys in any order, the last one of several that are equal (as `JSON.parse`
    /// has it), others skipped.
    pub(super) fn scan(scanner: &mut Scanner<'a>) -> Result<Self, DecodeErrorKind> {
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
            match key.text().as_deref() {
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

    /// The status and the response. A reply without a response has the response `null`: phoenix.js
    /// hands `undefined` to its callbacks then.
    pub(super) fn read(&self, frame: &Bytes) -> Result<(Status, Payload), DecodeErrorKind> {
        let Some(status) = self.status else {
            return Err(DecodeErrorKind::Field(Field::Status));
        };
        let status = match status {
            Element::Plain(b"ok") => Status::Ok,
            Element::Plain(b"error") => Status::Error,
            other => Status::parse(name(frame, &other, Field::Status)?),
        };
        let response = match self.response {
            Some(response) => payload(frame, response),
            None => Payload::from_unchecked_json(Bytes::from_static(b"null")),
        };
        Ok((status, response))
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
