//! From pieces of JSON text, which are slices of a frame, to the parts of a message.

use bytes::Bytes;
use bytestring::ByteString;

use super::scan::{Element, Scanner, Span};
use super::{DecodeCause, DecodeError, Field};
use crate::{Frame, Message, Payload, Ref, Status, message};

/// The message in a text frame, which must be UTF-8, given its parts and whether all that was scanned is ASCII.
///
/// A frame that isn't UTF-8 is scanned `again`, up to where it goes wrong, to say in which part that is.
#[inline]
pub(super) fn message(
    frame: Bytes,
    parts: Result<Parts, DecodeCause>,
    is_ascii: bool,
    again: impl FnOnce(&mut Scanner<'_>, &Bytes) -> Result<Parts, DecodeCause>,
) -> Result<Message, DecodeError> {
    let reason = match parts {
        // ASCII is UTF-8: most frames need no second pass.
        Ok(parts) if is_ascii || is_utf8(&frame) => return Ok(parts.into_message(frame)),
        Err(reason) if is_utf8(&frame) => reason,
        _ => not_utf8(&frame, again),
    };
    Err(DecodeError { reason, frame: Frame::Text(frame) })
}

#[cold]
fn not_utf8(
    frame: &Bytes,
    again: impl FnOnce(&mut Scanner<'_>, &Bytes) -> Result<Parts, DecodeCause>,
) -> DecodeCause {
    let mut scanner = Scanner::new(valid(frame));
    match (again(&mut scanner, frame), scanner.field) {
        (Err(error), _) if !scanner.is_at_end() => error,
        // The valid text ended inside this field, so that is where the bytes are wrong.
        (Err(DecodeCause::Json { .. }), Some(field)) => DecodeCause::Utf8(field),
        (Err(error), _) => error,
        (Ok(_), _) => scanner.malformed(),
    }
}

#[inline(never)]
fn is_utf8(frame: &[u8]) -> bool {
    core::str::from_utf8(frame).is_ok()
}

/// The longest beginning of `frame` that is UTF-8.
pub(super) fn valid(frame: &[u8]) -> &[u8] {
    let end = core::str::from_utf8(frame).map_or_else(|error| error.valid_up_to(), str::len);
    frame.get(..end).unwrap_or_default()
}

/// Treatment of the payload of a `phx_reply`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replies {
    /// Status and response are taken out of it.
    Read,
    /// It stays as it is.
    Keep,
}

/// A name: a string.
#[cfg_attr(not(for_size), inline(always))]
pub(super) fn name(
    frame: &Bytes,
    element: Element,
    field: Field,
) -> Result<ByteString, DecodeCause> {
    let text = match element {
        Element::Plain(span) => span.shared(frame),
        // Escapes in names are rare, so they may cost a copy.
        _ => match element.text(frame) {
            Some(text) => Bytes::from(text.into_owned()),
            None => return Err(DecodeCause::Field(field)),
        },
    };
    ByteString::try_from(text).map_err(|_| DecodeCause::Utf8(field))
}

/// The name of an event: that of replies, the most frequent one, is no slice of the frame.
#[cfg_attr(not(for_size), inline(always))]
pub(super) fn event(frame: &Bytes, element: Element) -> Result<ByteString, DecodeCause> {
    match element {
        Element::Plain(span) if span.of(frame) == b"phx_reply" => Ok(message::event::REPLY),
        _ => name(frame, element, Field::Event),
    }
}

/// A ref: a string or null. A plain number is taken for the string of its digits: Phoenix keeps
/// whatever it is sent, and echoes numbers to those who send them (`heartbeat_raw.jsonl`).
#[cfg_attr(not(for_size), inline(always))]
pub(super) fn reference(
    frame: &Bytes,
    element: Element,
    field: Field,
) -> Result<Option<Ref>, DecodeCause> {
    let number = match element {
        Element::Null => return Ok(None),
        Element::Plain(span) | Element::Other(span) => Ref::plain_number(span.of(frame)),
    };
    match number {
        Some(number) => Ok(Some(number)),
        None => name(frame, element, field).map(|text| Some(Ref::from(text))),
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
    #[cfg_attr(not(for_size), inline(always))]
    pub(super) fn into_message(self, frame: Bytes) -> Message {
        let payload = match self.payload {
            // The payload takes over the frame, which saves a reference count.
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

/// A key in the payload of a `phx_reply`.
enum ReplyKey {
    Status,
    Response,
    Other,
}

impl ReplyKey {
    #[cfg_attr(not(for_size), inline(always))]
    fn scan(scanner: &mut Scanner<'_>) -> Result<Self, DecodeCause> {
        // As they are nearly always written.
        if scanner.skip(br#""status":"#) {
            return Ok(ReplyKey::Status);
        }
        if scanner.skip(br#""response":"#) {
            return Ok(ReplyKey::Response);
        }
        Ok(match scanner.key()?.text(scanner.text()).as_deref() {
            Some(b"status") => ReplyKey::Status,
            Some(b"response") => ReplyKey::Response,
            _ => ReplyKey::Other,
        })
    }
}

/// A status as it is written.
#[derive(Clone, Copy, Debug)]
enum WrittenStatus {
    /// `"ok"`
    Ok,
    Other(Element),
}

/// The contents of the payload of a `phx_reply`, as they are written.
#[derive(Debug, Default)]
pub(super) struct Reply {
    status: Option<WrittenStatus>,
    pub(super) response: Option<Span>,
}

impl Reply {
    /// Scans an object: its keys in any order, the last one of several that are equal (as `JSON.parse`
    /// has it), others skipped.
    #[cfg_attr(not(for_size), inline(always))]
    pub(super) fn scan(scanner: &mut Scanner<'_>) -> Result<Self, DecodeCause> {
        let mut reply = Reply::default();
        if scanner.peek() != Some(b'{') {
            // Malformed JSON comes first: that error names the place.
            scanner.value()?;
            return Err(DecodeCause::Field(Field::Payload));
        }
        scanner.expect(b'{')?;
        if scanner.eat(b'}') {
            return Ok(reply);
        }
        loop {
            match ReplyKey::scan(scanner)? {
                // The most frequent status and response are known without a scan.
                ReplyKey::Status if scanner.skip(br#""ok""#) => {
                    reply.status = Some(WrittenStatus::Ok);
                }
                ReplyKey::Status => {
                    reply.status = Some(WrittenStatus::Other(scanner.element()?));
                }
                ReplyKey::Response => reply.response = Some(scanner.response()?),
                ReplyKey::Other => drop(scanner.value()?),
            }
            if !scanner.eat(b',') {
                scanner.expect(b'}')?;
                return Ok(reply);
            }
        }
    }

    /// The status.
    #[cfg_attr(not(for_size), inline(always))]
    pub(super) fn status(&self, frame: &Bytes) -> Result<Status, DecodeCause> {
        match self.status.ok_or(DecodeCause::Field(Field::Status))? {
            WrittenStatus::Ok => Ok(Status::Ok),
            WrittenStatus::Other(Element::Plain(span)) if span.of(frame) == b"error" => {
                Ok(Status::Error)
            }
            WrittenStatus::Other(status) => name(frame, status, Field::Status).map(Status::from),
        }
    }
}
