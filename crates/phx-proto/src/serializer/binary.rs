//! The binary frames of V2. Every length is one byte; names are UTF-8; the rest is the payload.
//!
//! | kind | from | layout |
//! |---|---|---|
//! | push | client | `00`, lengths of `join_ref`, `ref`, topic, event; those; data |
//! | push | server | `00`, lengths of `join_ref`, topic, event; those; data |
//! | reply | server | `01`, lengths of `join_ref`, `ref`, topic, status; those; data |
//! | broadcast | server | `02`, lengths of topic, event; those; data |

use alloc::vec::Vec;

use bytes::{Buf as _, Bytes};
use bytestring::ByteString;

use super::{DecodeCause, EncodeError, Field};
use crate::{Message, Payload, Ref, Status, message};

const PUSH: u8 = 0;
const REPLY: u8 = 1;
const BROADCAST: u8 = 2;

pub(super) fn encode_client(message: &Message) -> Result<Bytes, EncodeError> {
    encode(PUSH, &client_names(message)?, &message.payload)
}

/// Checks that the message can be encoded, without doing so.
pub(super) fn check_client(message: &Message) -> Result<(), EncodeError> {
    client_names(message)?.iter().try_for_each(|(field, name)| length(*field, *name).map(drop))
}

fn client_names(message: &Message) -> Result<[(Field, Name<'_>); 4], EncodeError> {
    // The server closes the connection on a binary join.
    if message.event == message::event::JOIN {
        return Err(EncodeError::BinaryJoin);
    }
    if message.status.is_some() {
        return Err(EncodeError::BinaryReply);
    }
    Ok([
        (Field::JoinRef, Name::Ref(message.join_ref.as_ref())),
        (Field::Ref, Name::Ref(message.reference.as_ref())),
        (Field::Topic, Name::Text(&message.topic)),
        (Field::Event, Name::Text(&message.event)),
    ])
}

pub(super) fn encode_server(message: &Message) -> Result<Bytes, EncodeError> {
    let join_ref = (Field::JoinRef, Name::Ref(message.join_ref.as_ref()));
    let topic = (Field::Topic, Name::Text(&message.topic));
    let event = (Field::Event, Name::Text(&message.event));
    if let Some(status) = &message.status {
        let reference = (Field::Ref, Name::Ref(message.reference.as_ref()));
        let status = (Field::Status, Name::Text(status.as_str()));
        encode(REPLY, &[join_ref, reference, topic, status], &message.payload)
    } else if message.join_ref.is_some() {
        encode(PUSH, &[join_ref, topic, event], &message.payload)
    } else {
        encode(BROADCAST, &[topic, event], &message.payload)
    }
}

pub(super) fn decode_client(frame: &Bytes) -> Result<Message, DecodeCause> {
    let mut reader = Reader::new(frame);
    match reader.kind()? {
        PUSH => {
            let [join_ref, topic, event] = reader.lengths()?;
            Ok(Message {
                join_ref: reader.reference(join_ref, Field::JoinRef)?,
                reference: None,
                topic: reader.name(topic, Field::Topic)?,
                event: reader.name(event, Field::Event)?,
                status: None,
                payload: reader.payload(),
            })
        }
        REPLY => {
            let [join_ref, reference, topic, status] = reader.lengths()?;
            Ok(Message {
                join_ref: reader.reference(join_ref, Field::JoinRef)?,
                reference: reader.reference(reference, Field::Ref)?,
                topic: reader.name(topic, Field::Topic)?,
                event: message::event::REPLY,
                status: Some(Status::from(reader.name(status, Field::Status)?)),
                payload: reader.payload(),
            })
        }
        BROADCAST => {
            let [topic, event] = reader.lengths()?;
            Ok(Message::new(
                reader.name(topic, Field::Topic)?,
                reader.name(event, Field::Event)?,
                reader.payload(),
            ))
        }
        kind => Err(DecodeCause::UnknownKind(kind)),
    }
}

/// The topic of a frame to a client, if it is whole as far as that.
pub(super) fn topic_for_client(frame: &Bytes) -> Option<ByteString> {
    let mut reader = Reader::new(frame);
    let (before, topic) = match reader.kind().ok()? {
        PUSH => {
            let [join_ref, topic, _] = reader.lengths().ok()?;
            (usize::from(join_ref), topic)
        }
        REPLY => {
            let [join_ref, reference, topic, _] = reader.lengths().ok()?;
            (usize::from(join_ref).saturating_add(usize::from(reference)), topic)
        }
        BROADCAST => {
            let [topic, _] = reader.lengths().ok()?;
            (0, topic)
        }
        _ => return None,
    };
    reader.rest = reader.rest.get(before..).map(|rest| reader.rest.slice_ref(rest))?;
    reader.name(topic, Field::Topic).ok()
}

pub(super) fn decode_server(frame: &Bytes) -> Result<Message, DecodeCause> {
    let mut reader = Reader::new(frame);
    match reader.kind()? {
        PUSH => {
            let [join_ref, reference, topic, event] = reader.lengths()?;
            Ok(Message {
                join_ref: reader.reference(join_ref, Field::JoinRef)?,
                reference: reader.reference(reference, Field::Ref)?,
                topic: reader.name(topic, Field::Topic)?,
                event: reader.name(event, Field::Event)?,
                status: None,
                payload: reader.payload(),
            })
        }
        kind => Err(DecodeCause::UnknownKind(kind)),
    }
}

#[derive(Clone, Copy, Debug)]
enum Name<'a> {
    Ref(Option<&'a Ref>),
    Text(&'a str),
}

impl Name<'_> {
    fn len(self) -> usize {
        match self {
            Name::Ref(reference) => reference.map_or(0, Ref::encoded_len),
            Name::Text(text) => text.len(),
        }
    }
}

fn encode(kind: u8, names: &[(Field, Name<'_>)], payload: &Payload) -> Result<Bytes, EncodeError> {
    let size = names.iter().fold(payload.len().saturating_add(1), |size, (_, name)| {
        size.saturating_add(name.len()).saturating_add(1)
    });
    // Exact, so that the buffer becomes a frame without another allocation.
    let mut frame = Vec::with_capacity(size);
    frame.push(kind);
    for (field, name) in names {
        frame.push(length(*field, *name)?);
    }
    for (_, name) in names {
        let mut digits = itoa::Buffer::new();
        let text = match name {
            Name::Ref(None) => "",
            Name::Ref(Some(reference)) => reference.text(&mut digits),
            Name::Text(text) => text,
        };
        frame.extend_from_slice(text.as_bytes());
    }
    frame.extend_from_slice(payload.as_bytes());
    Ok(Bytes::from(frame))
}

/// The length byte of a name.
fn length(field: Field, name: Name<'_>) -> Result<u8, EncodeError> {
    let len = name.len();
    u8::try_from(len).map_err(|_| EncodeError::TooLong { field, len })
}

/// The rest of a frame that hasn't been read.
#[derive(Debug)]
struct Reader {
    rest: Bytes,
}

impl Reader {
    fn new(frame: &Bytes) -> Self {
        // The caller keeps the frame, for the error that hands it back.
        Reader { rest: frame.clone() }
    }

    fn kind(&mut self) -> Result<u8, DecodeCause> {
        let [kind] = self.array().ok_or(DecodeCause::Empty)?;
        Ok(kind)
    }

    fn lengths<const N: usize>(&mut self) -> Result<[u8; N], DecodeCause> {
        self.array().ok_or(DecodeCause::Truncated(Field::Header))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let array = *self.rest.first_chunk()?;
        self.rest.advance(N);
        Some(array)
    }

    fn name(&mut self, len: u8, field: Field) -> Result<ByteString, DecodeCause> {
        let len = usize::from(len);
        if self.rest.len() < len {
            return Err(DecodeCause::Truncated(field));
        }
        // A slice of the frame: names cost no copy.
        let name = self.rest.split_to(len);
        ByteString::try_from(name).map_err(|_| DecodeCause::Utf8(field))
    }

    /// An empty ref is none: the format has no other way to say so.
    fn reference(&mut self, len: u8, field: Field) -> Result<Option<Ref>, DecodeCause> {
        let name = self.name(len, field)?;
        Ok((!name.is_empty()).then(|| Ref::from(name)))
    }

    fn payload(self) -> Payload {
        Payload::binary(self.rest)
    }
}
