//! V2: `[join_ref, ref, topic, event, payload]`, and binary frames for binary payloads.

use bytes::Bytes;
use bytestring::ByteString;

use super::read::{self, Parts, Replies, Reply};
use super::scan::Scanner;
use super::write::Writer;
use super::{DecodeCause, DecodeError, EncodeError, Field, Serializer, binary};
use crate::{Frame, Message, Ref, message::event::REPLY};

/// The client's side of Phoenix's V2 serializer (`vsn` 2.0.0): text and binary frames.
///
/// # Decoding
///
/// - Refs are strings or null. A number that fits a `u64` is taken for the string of its digits: the
///   server echoes a numeric ref to a client that sent one.
/// - Topic and event are strings; elements after the fifth are ignored, but must be JSON.
/// - The payload of a `phx_reply` is an object with a string `status`; a missing `response` is
///   `null`. Keys may come in any order, unknown ones are ignored, and the last of equal ones
///   counts.
/// - Names without JSON escapes, and the payload, are slices of the frame. The syntax of the whole
///   frame is checked, the payload's too; what it holds isn't.
///
/// # Encoding
///
/// Refs are written as strings. A binary payload makes a binary frame, whose names have room for
/// 255 bytes each; an empty ref and none are the same there.
///
/// # Examples
///
/// ```
/// use phx_proto::{Frame, Serializer, Status, V2};
///
/// let frame = r#"["1","7","room:a","phx_reply",{"response":{"id":3},"status":"ok"}]"#;
/// let reply = V2.decode(Frame::text(frame))?;
/// assert_eq!(reply.status, Some(Status::Ok));
/// assert_eq!(reply.payload.as_bytes(), r#"{"id":3}"#);
/// # Ok::<(), phx_proto::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a serializer without settings")]
pub struct V2;

/// The server's side of [`V2`].
///
/// It differs from the client's in these points:
///
/// - A `phx_reply` from a client is an event like any other.
/// - Topic and event must be strings here too, though Phoenix takes any JSON for them: it replies
///   `unmatched topic` to a topic that isn't a string, and its channels crash on an event that
///   isn't one. A [`Message`] can't hold such names, so they are [`DecodeCause::Field`], after
///   which the connection may stay open. For every other error Phoenix closes it, with 1007 if the text isn't UTF-8, else with 1011.
/// - A join's payload may be binary for this serializer; Phoenix closes the connection on one.
/// - A binary payload is encoded as a reply if there is a status, else as a server push if there is
///   a `join_ref`, else as a broadcast. The last two have no room for a ref, nor the first for an
///   event's name.
///
/// # Examples
///
/// ```
/// use phx_proto::{Frame, Message, Payload, Serializer, Status, V2Server};
///
/// let join = V2Server.decode(Frame::text(r#"["1","1","room:a","phx_join",{}]"#))?;
/// let reply = Message::reply(join.topic, join.reference, Status::Ok, Payload::empty())
///     .with_join_ref(join.join_ref);
/// assert_eq!(
///     V2Server.encode(&reply)?,
///     Frame::text(r#"["1","1","room:a","phx_reply",{"response":{},"status":"ok"}]"#),
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a serializer without settings")]
pub struct V2Server;

const VSN: &str = "2.0.0";

impl Serializer for V2 {
    fn vsn(&self) -> &str {
        VSN
    }

    fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
        if message.payload.is_binary() {
            binary::encode_client(message).map(Frame::Binary)
        } else {
            Ok(Frame::Text(encode(message)))
        }
    }

    fn check(&self, message: &Message) -> Result<(), EncodeError> {
        if message.payload.is_binary() { binary::check_client(message) } else { Ok(()) }
    }

    fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
        match frame {
            Frame::Text(text) => decode(text, Replies::Read),
            Frame::Binary(data) => binary::decode_client(&data)
                .map_err(|reason| DecodeError { reason, frame: Frame::Binary(data) }),
        }
    }

    fn topic(&self, frame: &Frame) -> Option<ByteString> {
        match frame {
            Frame::Text(text) => topic(text),
            Frame::Binary(data) => binary::topic_for_client(data),
        }
    }
}

impl Serializer for V2Server {
    fn vsn(&self) -> &str {
        VSN
    }

    fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
        if message.payload.is_binary() {
            binary::encode_server(message).map(Frame::Binary)
        } else {
            Ok(Frame::Text(encode(message)))
        }
    }

    fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
        match frame {
            Frame::Text(text) => decode(text, Replies::Keep),
            Frame::Binary(data) => binary::decode_server(&data)
                .map_err(|reason| DecodeError { reason, frame: Frame::Binary(data) }),
        }
    }
}

fn encode(message: &Message) -> Bytes {
    let syntax = match (&message.join_ref, &message.reference) {
        (None, None) => r#"[null,null,"","",]"#.len(),
        (Some(_), Some(_)) => r#"["","","","",]"#.len(),
        _ => r#"[null,"","","",]"#.len(),
    };
    let mut writer = Writer::for_message(message, syntax);
    writer.raw("[");
    writer.reference(message.join_ref.as_ref());
    writer.raw(",");
    writer.reference(message.reference.as_ref());
    writer.raw(",");
    writer.string(&message.topic);
    writer.raw(",");
    writer.string(&message.event);
    writer.raw(",");
    writer.payload(message);
    writer.raw("]");
    writer.into_bytes()
}

fn decode(frame: Bytes, replies: Replies) -> Result<Message, DecodeError> {
    let mut scanner = Scanner::new(&frame);
    let scanned = parts(&mut scanner, &frame, replies);
    let is_ascii = scanner.is_ascii();
    read::message(frame, scanned, is_ascii, |scanner, frame| parts(scanner, frame, replies))
}

/// Inlined, since only so the scanner is kept in registers.
#[cfg_attr(not(for_size), inline(always))]
fn parts(scanner: &mut Scanner<'_>, frame: &Bytes, replies: Replies) -> Result<Parts, DecodeCause> {
    scanner.expect(b'[')?;
    // `[]` is JSON: a field is missing, and the text isn't malformed.
    if scanner.eat(b']') {
        return Err(DecodeCause::Field(Field::JoinRef));
    }
    let join_ref = reference(scanner, frame, Field::JoinRef)?;
    next(scanner, Field::Ref)?;
    let reference = reference(scanner, frame, Field::Ref)?;
    next(scanner, Field::Topic)?;
    let topic = read::name(frame, scanner.at(Field::Topic).element()?, Field::Topic)?;
    next(scanner, Field::Event)?;
    scanner.at(Field::Event);
    // As Phoenix writes it, and most frequent; a name with escapes is compared below.
    let is_reply = scanner.skip(br#""phx_reply""#);
    let event = if is_reply { REPLY } else { read::name(frame, scanner.element()?, Field::Event)? };
    next(scanner, Field::Payload)?;
    scanner.at(Field::Payload);
    let (status, payload) = if replies == Replies::Read && (is_reply || event == REPLY) {
        let reply = Reply::scan(scanner)?;
        (Some(reply.status(frame)?), reply.response)
    } else {
        (None, Some(scanner.value()?))
    };
    scanner.field = None;
    // Phoenix ignores elements after the fifth.
    while scanner.eat(b',') {
        scanner.value()?;
    }
    scanner.expect(b']')?;
    scanner.end()?;
    Ok(Parts { join_ref, reference, topic, event, status, payload })
}

/// The third element, if the text is JSON up to there.
fn topic(frame: &Bytes) -> Option<ByteString> {
    let mut scanner = Scanner::new(read::valid(frame));
    scanner.expect(b'[').ok()?;
    for field in [Field::Ref, Field::Topic] {
        scanner.element().ok()?;
        next(&mut scanner, field).ok()?;
    }
    read::name(frame, scanner.element().ok()?, Field::Topic).ok()
}

/// A ref, which nearly always is null or a number.
#[cfg_attr(not(for_size), inline(always))]
fn reference(
    scanner: &mut Scanner<'_>,
    frame: &Bytes,
    field: Field,
) -> Result<Option<Ref>, DecodeCause> {
    match scanner.at(field).number() {
        Some(number) => Ok(Some(Ref::from(number))),
        None => read::reference(frame, scanner.element()?, field),
    }
}

/// Skips what separates two elements, of which the next one holds `field`.
#[cfg_attr(not(for_size), inline(always))]
fn next(scanner: &mut Scanner<'_>, field: Field) -> Result<(), DecodeCause> {
    if !scanner.eat(b',') {
        return Err(match scanner.peek() {
            // The array is JSON, but ends too early.
            Some(b']') => DecodeCause::Field(field),
            _ => scanner.malformed(),
        });
    }
    Ok(())
}
