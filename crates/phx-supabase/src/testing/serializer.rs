//! The server's serializers: Phoenix's two, and the frames of kinds 3 and 4.

use phx_client::proto::{V1Server, V2Server};
use phx_client::{
    ByteString, Bytes, DecodeCause, DecodeError, EncodeError, Field, Frame, Message, Payload, Ref,
    Serializer,
};
use serde::de::IgnoredAny;

use crate::Broadcast;
use crate::serializer::{in_text, parts_to_send};
use crate::wire::{BROADCAST_KIND, BYTES, METADATA, PUSH_KIND, USER_BROADCAST, frame};

/// Number of bytes of a frame of kind 3 in front of its names.
const HEADER: usize = 7;

/// `vsn` 2.0.0: Phoenix's V2, broadcasts of users in frames of kinds 3 and 4.
#[derive(Debug)]
pub(super) struct V2;

impl Serializer for V2 {
    fn vsn(&self) -> &str {
        "2.0.0"
    }

    fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
        if message.event != USER_BROADCAST {
            return V2Server.encode(message);
        }
        let parts = parts_to_send(&message.payload)?;
        let names = [
            (Field::Topic, &**message.topic.as_bytes()),
            (Field::Event, parts.event),
            (METADATA, parts.metadata),
        ];
        frame(BROADCAST_KIND, &names, parts.encoding, parts.payload).map(Frame::Binary)
    }

    fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
        match &frame {
            Frame::Binary(bytes) if bytes.first() == Some(&PUSH_KIND) => {
                user_push(bytes).map_err(|reason| DecodeError::new(reason, frame))
            }
            _ => V2Server.decode(frame),
        }
    }
}

/// `vsn` 1.0.0: broadcasts of users whose payloads are JSON become text, and those of bytes aren't sent.
#[derive(Debug)]
pub(super) struct V1;

impl Serializer for V1 {
    fn vsn(&self) -> &str {
        "1.0.0"
    }

    fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
        V1Server.encode(&*in_text(message)?)
    }

    fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
        V1Server.decode(frame)
    }
}

/// `03 |join_ref| |ref| |topic| |event| |meta| encoding`, then the names, the metadata and the payload. The metadata must
/// be JSON, and is dropped: Supabase makes no use of it yet.
fn user_push(bytes: &Bytes) -> Result<Message, DecodeCause> {
    let header = bytes.first_chunk::<HEADER>().ok_or(DecodeCause::Truncated(Field::Header))?;
    let [_, join_ref, reference, topic, event, meta, encoding] = *header;
    let mut rest = bytes.slice(HEADER..);
    let mut part = |len: u8, field: Field| match rest.len() < usize::from(len) {
        true => Err(DecodeCause::Truncated(field)),
        false => ByteString::try_from(rest.split_to(usize::from(len)))
            .map_err(|_| DecodeCause::Utf8(field)),
    };
    let join_ref = part(join_ref, Field::JoinRef)?;
    let reference = part(reference, Field::Ref)?;
    let topic = part(topic, Field::Topic)?;
    let event = part(event, Field::Event)?;
    let meta = part(meta, METADATA)?;
    if !meta.is_empty() && serde_json::from_str::<IgnoredAny>(&meta).is_err() {
        return Err(DecodeCause::Field(METADATA));
    }
    // Every number but 0 stands for JSON.
    let payload = match encoding {
        BYTES => Payload::binary(rest),
        _ => Payload::from_unchecked_json(rest),
    };
    let payload = Broadcast::new(event, payload).to_payload();
    let payload = payload.map_err(|_| DecodeCause::Field(Field::Event))?;
    Ok(Message::new(topic, USER_BROADCAST, payload)
        .with_join_ref(Some(Ref::from(join_ref)))
        .with_reference(Some(Ref::from(reference))))
}
