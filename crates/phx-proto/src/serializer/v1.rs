//! V1: `{"topic": .., "event": .., "payload": .., "ref": ..}`.

use bytes::Bytes;
use bytestring::ByteString;

use super::read::{self, Parts, Replies, Reply};
use super::scan::{Element, Scanner, Span};
use super::write::Writer;
use super::{DecodeCause, DecodeError, EncodeError, Field, Serializer};
use crate::{Frame, Message, message};

/// The client's side of Phoenix's V1 serializer (`vsn` 1.0.0): text frames only.
///
/// # Decoding
///
/// Keys may come in any order, unknown ones are ignored, and the last of equal ones counts. A
/// missing `ref` is none; `join_ref`, which Phoenix never sends in V1, is read if it is there. Refs,
/// names and replies are read as in [`V2`](crate::V2).
///
/// # Encoding
///
/// The four keys, always. `join_ref` isn't written: a server drops a push whose `join_ref` isn't
/// that of the join, and a V1 join has none.
///
/// # Examples
///
/// ```
/// use phx_proto::{Frame, Message, Payload, Ref, Serializer, V1};
///
/// let push = Message::new("room:a", "echo", Payload::empty()).with_reference(Some(Ref::from(7)));
/// assert_eq!(
///     V1.encode(&push)?,
///     Frame::text(r#"{"topic":"room:a","event":"echo","payload":{},"ref":"7"}"#),
/// );
/// # Ok::<(), phx_proto::EncodeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a serializer without settings")]
pub struct V1;

/// The server's side of [`V1`].
///
/// All four keys are required of a client, as Phoenix requires them; a `phx_reply` from a client is
/// an event like any other.
///
/// # Examples
///
/// ```
/// use phx_proto::{Frame, Message, Payload, Serializer, V1Server};
///
/// let shout = Message::new("room:a", "shout", Payload::empty());
/// assert_eq!(
///     V1Server.encode(&shout)?,
///     Frame::text(r#"{"event":"shout","payload":{},"ref":null,"topic":"room:a"}"#),
/// );
/// # Ok::<(), phx_proto::EncodeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "a serializer without settings")]
pub struct V1Server;

const VSN: &str = "1.0.0";

impl Serializer for V1 {
    fn vsn(&self) -> &str {
        VSN
    }

    fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
        let mut writer = writer(message)?;
        writer.raw(r#"{"topic":"#);
        writer.string(&message.topic);
        writer.raw(r#","event":"#);
        writer.string(&message.event);
        writer.raw(r#","payload":"#);
        writer.payload(message);
        writer.raw(r#","ref":"#);
        writer.reference(message.reference.as_ref());
        writer.raw("}");
        Ok(Frame::Text(writer.into_bytes()))
    }

    fn check(&self, message: &Message) -> Result<(), EncodeError> {
        check(message)
    }

    fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
        decode(frame, Replies::Read)
    }

    fn topic(&self, frame: &Frame) -> Option<ByteString> {
        match frame {
            Frame::Text(text) => topic(text),
            Frame::Binary(_) => None,
        }
    }
}

impl Serializer for V1Server {
    fn vsn(&self) -> &str {
        VSN
    }

    /// The keys are in the order of Phoenix, which is that of the alphabet.
    fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
        let mut writer = writer(message)?;
        writer.raw(r#"{"event":"#);
        writer.string(&message.event);
        writer.raw(r#","payload":"#);
        writer.payload(message);
        writer.raw(r#","ref":"#);
        writer.reference(message.reference.as_ref());
        writer.raw(r#","topic":"#);
        writer.string(&message.topic);
        writer.raw("}");
        Ok(Frame::Text(writer.into_bytes()))
    }

    fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
        decode(frame, Replies::Keep)
    }
}

fn check(message: &Message) -> Result<(), EncodeError> {
    if message.payload.is_binary() {
        return Err(EncodeError::BinaryUnsupported { vsn: VSN });
    }
    Ok(())
}

fn writer(message: &Message) -> Result<Writer, EncodeError> {
    check(message)?;
    let syntax = match &message.reference {
        Some(_) => r#"{"topic":"","event":"","payload":,"ref":""}"#.len(),
        None => r#"{"topic":"","event":"","payload":,"ref":null}"#.len(),
    };
    Ok(Writer::for_message(message, syntax))
}

fn decode(frame: Frame, replies: Replies) -> Result<Message, DecodeError> {
    let text = match frame {
        Frame::Text(text) => text,
        Frame::Binary(_) => {
            return Err(DecodeError { reason: DecodeCause::UnexpectedBinary, frame });
        }
    };
    let parts = |scanner: &mut Scanner<'_>, text: &_| Keys::scan(scanner)?.read(text, replies);
    let mut scanner = Scanner::new(&text);
    let scanned = parts(&mut scanner, &text);
    let is_ascii = scanner.is_ascii();
    read::message(text, scanned, is_ascii, parts)
}

/// The value of the first key `topic` outside of other values, if the text is JSON up to there.
fn topic(frame: &Bytes) -> Option<ByteString> {
    let mut scanner = Scanner::new(read::valid(frame));
    scanner.expect(b'{').ok()?;
    loop {
        // The first one: the text may be broken before the last.
        if scanner.key().ok()?.text(scanner.text()).as_deref() == Some(b"topic") {
            return read::name(frame, scanner.element().ok()?, Field::Topic).ok();
        }
        scanner.value().ok()?;
        if !scanner.eat(b',') {
            return None;
        }
    }
}

/// The values of the keys that matter.
#[derive(Debug, Default)]
struct Keys {
    topic: Option<Element>,
    event: Option<Element>,
    payload: Option<Span>,
    reference: Option<Element>,
    join_ref: Option<Element>,
}

impl Keys {
    fn scan(scanner: &mut Scanner<'_>) -> Result<Self, DecodeCause> {
        let mut keys = Keys::default();
        scanner.expect(b'{')?;
        if !scanner.eat(b'}') {
            loop {
                match scanner.key()?.text(scanner.text()).as_deref() {
                    Some(b"topic") => keys.topic = Some(scanner.at(Field::Topic).element()?),
                    Some(b"event") => keys.event = Some(scanner.at(Field::Event).element()?),
                    Some(b"payload") => keys.payload = Some(scanner.at(Field::Payload).value()?),
                    Some(b"ref") => keys.reference = Some(scanner.at(Field::Ref).element()?),
                    Some(b"join_ref") => {
                        keys.join_ref = Some(scanner.at(Field::JoinRef).element()?);
                    }
                    _ => drop(scanner.value()?),
                }
                // An error after the value belongs to no field.
                scanner.field = None;
                if !scanner.eat(b',') {
                    break;
                }
            }
            scanner.expect(b'}')?;
        }
        scanner.end()?;
        Ok(keys)
    }

    fn read(&self, frame: &Bytes, replies: Replies) -> Result<Parts, DecodeCause> {
        let missing = DecodeCause::Field;
        let topic = self.topic.ok_or(missing(Field::Topic))?;
        let event = self.event.ok_or(missing(Field::Event))?;
        let payload = self.payload.ok_or(missing(Field::Payload))?;
        let reference = match (self.reference, replies) {
            // Phoenix requires the key of clients, even if it is null.
            (None, Replies::Keep) => return Err(missing(Field::Ref)),
            (reference, _) => reference.unwrap_or(Element::Null),
        };
        let join_ref = self.join_ref.unwrap_or(Element::Null);
        let topic = read::name(frame, topic, Field::Topic)?;
        let event = read::event(frame, event)?;
        let (status, payload) = if replies == Replies::Read && event == message::event::REPLY {
            // A second look at the payload: it may stand before the event.
            let reply = Reply::scan(&mut payload.scanner(frame))?;
            (Some(reply.status(frame)?), reply.response)
        } else {
            (None, Some(payload))
        };
        Ok(Parts {
            join_ref: read::reference(frame, join_ref, Field::JoinRef)?,
            reference: read::reference(frame, reference, Field::Ref)?,
            topic,
            event,
            status,
            payload,
        })
    }
}
