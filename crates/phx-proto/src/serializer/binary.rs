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

use super::{DecodeError, DecodeErrorKind, EncodeError, Field};
use crate::{Frame, Message, Payload, Ref, Status, message};

const PUSH: u8 = 0;
const REPLY: u8 = 1;
const BROADCAST: u8 = 2;

/// The names in a frame of each kind, in order.
type Layout = fn(u8) -> Option<&'static [Field]>;

const CLIENT_PUSH: &[Field] = &[Field::JoinRef, Field::Ref, Field::Topic, Field::Event];

fn from_client(kind: u8) -> Option<&'static [Field]> {
    (kind == PUSH).then_some(CLIENT_PUSH)
}

fn from_server(kind: u8) -> Option<&'static [Field]> {
    match kind {
        PUSH => Some(&[Field::JoinRef, Field::Topic, Field::Event]),
        REPLY => Some(&[Field::JoinRef, Field::Ref, Field::Topic, Field::Status]),
        BROADCAST => Some(&[Field::Topic, Field::Event]),
        _ => None,
    }
}

pub(super) fn encode_client(message: &Message) -> Result<Bytes, EncodeError> {
    check_client(message)?;
    encode(PUSH, CLIENT_PUSH, message)
}

/// Whether the message can be encoded, without doing so.
pub(super) fn check_client(message: &Message) -> Result<(), EncodeError> {
    if message.event == message::event::JOIN {
        return Err(EncodeError::BinaryJoin);
    }
    if message.status.is_some() {
        return Err(EncodeError::BinaryReply);
    }
    CLIENT_PUSH.iter().try_for_each(|field| Name::of(message, *field).length(*field).map(drop))
}

pub(super) fn encode_server(message: &Message) -> Result<Bytes, EncodeError> {
    let kind = match (&message.status, &message.join_ref) {
        (Some(_), _) => REPLY,
        (None, Some(_)) => PUSH,
        (None, None) => BROADCAST,
    };
    encode(kind, from_server(kind).unwrap_or_default(), message)
}

pub(super) fn decode_client(frame: Bytes) -> Result<Message, DecodeError> {
    decode(frame, from_server)
}

pub(super) fn decode_server(frame: Bytes) -> Result<Message, DecodeError> {
    decode(frame, from_client)
}

/// The topic of a frame to a client, if it is whole as far as that.
pub(super) fn topic_for_client(frame: &Bytes) -> Option<ByteString> {
    let mut names = Names::new(frame, from_server).ok()?;
    loop {
        let (field, name) = names.next()?.ok()?;
        if field == Field::Topic {
            return ByteString::try_from(name).ok();
        }
    }
}

#[inline(always)]
fn decode(mut frame: Bytes, layout: Layout) -> Result<Message, DecodeError> {
    let (mut join_ref, mut reference, mut topic, mut event, mut status) = Default::default();
    let read = Names::new(&frame, layout).and_then(|mut names| {
        for name in &mut names {
            let (field, name) = name?;
            let name = ByteString::try_from(name).map_err(|_| DecodeErrorKind::Utf8(field))?;
            match field {
                Field::JoinRef => join_ref = Some(name),
                Field::Ref => reference = Some(name),
                Field::Topic => topic = Some(name),
                Field::Event => event = Some(name),
                Field::Status => status = Some(Status::from(name)),
                Field::Header | Field::Payload | Field::Response => {}
            }
        }
        Ok(names.at)
    });
    match read {
        Ok(payload) => frame.advance(payload),
        Err(reason) => return Err(DecodeError { reason, frame: Frame::Binary(frame) }),
    }
    // An empty ref is none: the format has no other way to say so.
    let numbered = |name: Option<ByteString>| name.filter(|name| !name.is_empty()).map(Ref::from);
    Ok(Message {
        join_ref: numbered(join_ref),
        reference: numbered(reference),
        topic: topic.unwrap_or_default(),
        event: event.unwrap_or(message::event::REPLY),
        status,
        payload: Payload::binary(frame),
    })
}

/// The names of a frame, one after the other.
struct Names<'a> {
    frame: &'a Bytes,
    fields: &'static [Field],
    lengths: &'a [u8],
    /// Where the next one starts.
    at: usize,
}

impl<'a> Names<'a> {
    fn new(frame: &'a Bytes, layout: Layout) -> Result<Self, DecodeErrorKind> {
        let (kind, rest) = frame.split_first().ok_or(DecodeErrorKind::Empty)?;
        let fields = layout(*kind).ok_or(DecodeErrorKind::UnknownKind(*kind))?;
        let (lengths, _) =
            rest.split_at_checked(fields.len()).ok_or(DecodeErrorKind::Truncated(Field::Header))?;
        Ok(Names { frame, fields, lengths, at: fields.len().saturating_add(1) })
    }
}

impl Iterator for Names<'_> {
    type Item = Result<(Field, Bytes), DecodeErrorKind>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let (field, fields) = self.fields.split_first()?;
        let (len, lengths) = self.lengths.split_first()?;
        let end = self.at.saturating_add(usize::from(*len));
        if end > self.frame.len() {
            return Some(Err(DecodeErrorKind::Truncated(*field)));
        }
        let name = self.frame.slice(self.at..end);
        (self.fields, self.lengths, self.at) = (fields, lengths, end);
        Some(Ok((*field, name)))
    }
}

#[derive(Clone, Copy, Debug)]
enum Name<'a> {
    Ref(Option<&'a Ref>),
    Text(&'a str),
}

impl<'a> Name<'a> {
    fn of(message: &'a Message, field: Field) -> Self {
        match field {
            Field::JoinRef => Name::Ref(message.join_ref.as_ref()),
            Field::Ref => Name::Ref(message.reference.as_ref()),
            Field::Topic => Name::Text(&message.topic),
            Field::Event => Name::Text(&message.event),
            Field::Status => Name::Text(message.status.as_ref().map_or("", Status::as_str)),
            Field::Header | Field::Payload | Field::Response => Name::Text(""),
        }
    }

    fn len(self) -> usize {
        match self {
            Name::Ref(reference) => reference.map_or(0, Ref::encoded_len),
            Name::Text(text) => text.len(),
        }
    }

    /// The length byte.
    fn length(self, field: Field) -> Result<u8, EncodeError> {
        let len = self.len();
        u8::try_from(len).map_err(|_| EncodeError::TooLong { field, len })
    }
}

fn encode(kind: u8, fields: &[Field], message: &Message) -> Result<Bytes, EncodeError> {
    let size = fields.iter().fold(message.payload.len().saturating_add(1), |size, field| {
        size.saturating_add(Name::of(message, *field).len()).saturating_add(1)
    });
    let mut frame = Vec::with_capacity(size);
    frame.push(kind);
    for field in fields {
        frame.push(Name::of(message, *field).length(*field)?);
    }
    for field in fields {
        let mut digits = itoa::Buffer::new();
        let text = match Name::of(message, *field) {
            Name::Ref(None) => "",
            Name::Ref(Some(reference)) => reference.text(&mut digits),
            Name::Text(text) => text,
        };
        frame.extend_from_slice(text.as_bytes());
    }
    frame.extend_from_slice(message.payload.as_bytes());
    Ok(Bytes::from(frame))
}
