//! From pieces of JSON text, which are slices of a frame, to the parts of a message.

use alloc::borrow::Cow;
use alloc::string::String;

use bytes::Bytes;
use bytestring::ByteString;

use super::scan::Scanner;
use super::{DecodeErrorKind, Field};
use crate::{Payload, Ref, Status};

/// Checks that `frame` is UTF-8 and has `read` make something of it.
///
/// A frame that isn't UTF-8 is read up to where it goes wrong, to say in which part that is.
pub(super) fn text<T>(
    frame: &Bytes,
    read: impl FnOnce(&ByteString, &mut Scanner<'_>) -> Result<T, DecodeErrorKind>,
) -> Result<T, DecodeErrorKind> {
    let invalid_at = match ByteString::try_from(frame.clone()) {
        Ok(text) => return read(&text, &mut Scanner::new(&text)),
        Err(error) => error.valid_up_to(),
    };
    let valid = ByteString::try_from(frame.slice(..invalid_at)).unwrap_or_default();
    let mut scanner = Scanner::new(&valid);
    let result = read(&valid, &mut scanner);
    match (result, scanner.field) {
        (Err(error), _) if !scanner.is_at_end() => Err(error),
        (Err(DecodeErrorKind::Json { .. }), Some(field)) => Err(DecodeErrorKind::Utf8(field)),
        (Err(error), _) => Err(error),
        (Ok(_), _) => Err(scanner.malformed()),
    }
}

/// A name: a string.
pub(super) fn name(
    frame: &ByteString,
    element: &str,
    field: Field,
) -> Result<ByteString, DecodeErrorKind> {
    match unquote(element) {
        Some(Cow::Borrowed(text)) => Ok(frame.slice_ref(text)),
        Some(Cow::Owned(text)) => Ok(ByteString::from(text)),
        None => Err(DecodeErrorKind::Field(field)),
    }
}

/// A ref: a string or null. A plain number is taken for the string of its digits: Phoenix keeps
/// whatever it is sent, and echoes numbers to those who send them (`heartbeat_raw.jsonl`).
pub(super) fn reference(
    frame: &ByteString,
    element: &str,
    field: Field,
) -> Result<Option<Ref>, DecodeErrorKind> {
    match element.as_bytes().first() {
        Some(b'"') => match unquote(element) {
            Some(Cow::Borrowed(text)) => Ok(Some(Ref::parse_with(text, || frame.slice_ref(text)))),
            Some(Cow::Owned(text)) => Ok(Some(Ref::parse_str(&text))),
            None => Err(DecodeErrorKind::Field(field)),
        },
        Some(b'n') => Ok(None),
        _ => match element.parse::<u64>() {
            Ok(number) => Ok(Some(Ref::from(number))),
            Err(_) => Err(DecodeErrorKind::Field(field)),
        },
    }
}

/// JSON text that the scanner has accepted.
pub(super) fn payload(frame: &ByteString, element: &str) -> Payload {
    Payload::from_unchecked_json(frame.as_bytes().slice_ref(element.as_bytes()))
}

/// What the payload of a `phx_reply` holds, as it is written.
#[derive(Debug, Default)]
pub(super) struct Reply<'a> {
    status: Option<&'a str>,
    response: Option<&'a str>,
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
            let value = scanner.value()?;
            match unquote(key).as_deref() {
                Some("status") => reply.status = Some(value),
                Some("response") => reply.response = Some(value),
                _ => {}
            }
            if !scanner.eat(b',') {
                scanner.expect(b'}')?;
                return Ok(reply);
            }
        }
    }

    /// The status and the response. A reply without a response has the response `null`: phoenix.js
    /// hands `undefined` to its callbacks then.
    pub(super) fn read(&self, frame: &ByteString) -> Result<(Status, Payload), DecodeErrorKind> {
        let Some(status) = self.status else {
            return Err(DecodeErrorKind::Field(Field::Status));
        };
        let status = match status {
            r#""ok""# => Status::Ok,
            r#""error""# => Status::Error,
            other => Status::parse(name(frame, other, Field::Status)?),
        };
        let response = match self.response {
            Some(response) => payload(frame, response),
            None => Payload::from_unchecked_json(Bytes::from_static(b"null")),
        };
        Ok((status, response))
    }
}

/// The text of a JSON string, copied only if it has escapes. `None` if it isn't a string, or if its
/// escapes are halves of surrogate pairs, which are no text.
pub(super) fn unquote(element: &str) -> Option<Cow<'_, str>> {
    let inner = element.strip_prefix('"')?.strip_suffix('"')?;
    if inner.as_bytes().contains(&b'\\') {
        serde_json::from_str::<String>(element).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}
