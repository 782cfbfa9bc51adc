//! The client's serializers: Phoenix's two, and broadcasts of users in frames of kinds 3 and 4.
//!
//! A broadcast of a user is a [`Message`] of the event [`USER_BROADCAST`], whose payload is a whole frame of kind 4:
//! [`Broadcast::read`] reads its parts, which are slices of it. One to send has an empty topic.

use std::borrow::Cow;

use std::fmt;

use phx_client::{
    ByteString, DecodeError, EncodeError, Field, Frame, Message, Payload, Ref, Serializer,
    V1 as PhoenixV1, V2 as PhoenixV2,
};

use crate::broadcast::Broadcast;
use crate::wire::{
    BROADCAST, BROADCAST_KIND, METADATA, PUSH_KIND, Parts, USER_BROADCAST, frame, length, topic,
    topic_at_least,
};

/// The client's side of `vsn` 2.0.0 as Supabase has it: Phoenix's [V2](PhoenixV2), and frames of kinds 3 and 4.
///
/// A binary push of the event `broadcast` is refused: the server would make a frame of kind 2 of it, on which
/// Supabase's JavaScript client throws.
#[derive(Clone, Copy, Default)]
#[allow(clippy::exhaustive_structs, reason = "a serializer without settings")]
pub struct V2;

/// The client's side of `vsn` 1.0.0: text frames only. The server doesn't send broadcasts of bytes to such a client.
#[derive(Clone, Copy, Default)]
#[allow(clippy::exhaustive_structs, reason = "a serializer without settings")]
pub struct V1;

/// Not as that of Phoenix's serializers: recordings name a serializer by its `Debug`.
impl fmt::Debug for V2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SupabaseV2")
    }
}

/// As that of [`V2`].
impl fmt::Debug for V1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SupabaseV1")
    }
}

impl Serializer for V2 {
    fn vsn(&self) -> &str {
        PhoenixV2.vsn()
    }

    fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
        check_kind(message)?;
        if message.event != USER_BROADCAST {
            return PhoenixV2.encode(message);
        }
        let parts = parts_to_send(&message.payload)?;
        let refs = [&message.join_ref, &message.reference].map(|it| it.as_ref().map(Ref::to_text));
        let names = [
            (Field::JoinRef, refs[0].as_deref().unwrap_or_default().as_bytes()),
            (Field::Ref, refs[1].as_deref().unwrap_or_default().as_bytes()),
            (Field::Topic, message.topic.as_bytes()),
            (Field::Event, parts.event),
            (METADATA, parts.metadata),
        ];
        frame(PUSH_KIND, &names, parts.encoding, parts.payload).map(Frame::Binary)
    }

    fn check(&self, message: &Message) -> Result<(), EncodeError> {
        check_kind(message)?;
        if message.event != USER_BROADCAST {
            return PhoenixV2.check(message);
        }
        parts_to_send(&message.payload)?;
        length(Field::Topic, message.topic.as_bytes()).map(drop)
    }

    fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
        match frame {
            Frame::Binary(data) if data.first() == Some(&BROADCAST_KIND) => match topic(&data) {
                Ok(topic) => Ok(Message::new(topic, USER_BROADCAST, Payload::binary(data))),
                Err(reason) => Err(DecodeError::new(reason, Frame::Binary(data))),
            },
            other => PhoenixV2.decode(other),
        }
    }

    fn topic(&self, frame: &Frame) -> Option<ByteString> {
        match frame {
            Frame::Binary(data) if data.first() == Some(&BROADCAST_KIND) => topic_at_least(data),
            other => PhoenixV2.topic(other),
        }
    }
}

impl Serializer for V1 {
    fn vsn(&self) -> &str {
        PhoenixV1.vsn()
    }

    fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
        PhoenixV1.encode(&*in_text(message)?)
    }

    fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
        PhoenixV1.decode(frame)
    }

    fn topic(&self, frame: &Frame) -> Option<ByteString> {
        PhoenixV1.topic(frame)
    }
}

fn check_kind(message: &Message) -> Result<(), EncodeError> {
    if message.event == BROADCAST && message.payload.is_binary() {
        return Err(EncodeError::Custom(
            "a binary push of `broadcast` breaks Supabase's JavaScript clients: send a broadcast of bytes".to_owned(),
        ));
    }
    Ok(())
}

/// The message that says the same in a text frame, since `vsn` 1.0.0 has no others.
pub(crate) fn in_text(message: &Message) -> Result<Cow<'_, Message>, EncodeError> {
    if message.event != USER_BROADCAST {
        return Ok(Cow::Borrowed(message));
    }
    let broadcast = Broadcast::read(&message.payload).ok_or_else(not_made_here)?;
    let mut text = message.clone();
    text.event = BROADCAST;
    text.payload = broadcast.to_text().ok_or(EncodeError::binary_unsupported("1.0.0"))?;
    Ok(Cow::Owned(text))
}

pub(crate) fn parts_to_send(payload: &Payload) -> Result<Parts<'_>, EncodeError> {
    let frame = Some(payload.as_bytes()).filter(|_| payload.is_binary());
    let parts = frame.filter(|frame| frame.first() == Some(&BROADCAST_KIND));
    parts.and_then(|frame| Parts::read(frame).ok()).ok_or_else(not_made_here)
}

fn not_made_here() -> EncodeError {
    EncodeError::Custom("the payload of `broadcast:user` isn't a broadcast".to_owned())
}
