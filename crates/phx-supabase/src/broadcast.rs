//! Broadcasts: what they hold, and streams of them.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::stream::{Stream, StreamExt};
use phx_client::{
    ByteString, Bytes, ChannelMessage, EncodeError, Field, Messages, Payload, PayloadError,
    StreamItem,
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::items::converted;
use crate::wire::{BROADCAST, BROADCAST_KIND, BYTES, JSON, METADATA, Parts, USER_BROADCAST, frame};

/// A broadcast: an event, its payload, and what the server says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Broadcast<T = Payload> {
    /// Name of the event, as the sender gave it.
    pub event: ByteString,
    /// The payload: JSON decoded as a `T`, or JSON or bytes as they came.
    pub payload: T,
    /// Metadata, which the server adds as JSON: `{"id": "..", "replayed": true}` for a stored broadcast.
    pub meta: Option<Payload>,
}

/// The fields of metadata that are known.
#[derive(Deserialize)]
struct Meta {
    id: Option<String>,
    #[serde(default)]
    replayed: bool,
}

/// A broadcast in a text frame.
#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    // `null` is a payload.
    #[serde(borrow, default, deserialize_with = "present")]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    meta: Option<&'a RawValue>,
}

fn present<'de, D: Deserializer<'de>>(json: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(json).map(Some)
}

#[derive(Serialize)]
struct TextToSend<'a> {
    r#type: &'a str,
    event: &'a str,
    payload: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
}

impl Broadcast {
    /// A broadcast to send.
    #[must_use]
    pub fn new(event: impl Into<ByteString>, payload: Payload) -> Self {
        Broadcast { event: event.into(), payload, meta: None }
    }

    /// The same broadcast with this metadata, as JSON.
    #[must_use]
    pub fn with_meta(mut self, meta: Payload) -> Self {
        self.meta = Some(meta);
        self
    }

    /// Reads the payload of a message of the event `broadcast` or [`USER_BROADCAST`]; `None` if it isn't a broadcast.
    /// Payload and metadata are slices of it.
    #[must_use]
    pub fn read(payload: &Payload) -> Option<Self> {
        if payload.is_binary() { Broadcast::of_frame(payload.as_bytes()) } else { of_text(payload) }
    }

    /// Returns the payload of the event `broadcast` that says the same in a text frame; `None` if the payload is binary.
    #[must_use]
    pub fn to_text(&self) -> Option<Payload> {
        let raw =
            |payload: &Payload| serde_json::from_str::<Box<RawValue>>(payload.as_json()?).ok();
        let payload = raw(&self.payload)?;
        let meta = self.meta.as_ref().and_then(raw);
        let text = TextToSend {
            r#type: "broadcast",
            event: &self.event,
            payload: &payload,
            meta: meta.as_deref(),
        };
        Payload::json(&text).ok()
    }

    fn decoded<T: DeserializeOwned>(self) -> Result<Broadcast<T>, PayloadError> {
        let Broadcast { event, payload, meta } = self;
        Ok(Broadcast { event, payload: payload.decode()?, meta })
    }
}

impl<T> Broadcast<T> {
    /// Returns true if the server replayed a stored broadcast, see
    /// [`ChannelBuilder::replay`](crate::ChannelBuilder::replay).
    pub fn is_replayed(&self) -> bool {
        self.known_meta().is_some_and(|meta| meta.replayed)
    }

    /// Returns the id of a broadcast that comes from the database.
    pub fn id(&self) -> Option<String> {
        self.known_meta()?.id
    }

    fn known_meta(&self) -> Option<Meta> {
        self.meta.as_ref()?.decode().ok()
    }
}

/// In frames of kind 4.
impl Broadcast {
    /// Reads the parts of a payload of [`USER_BROADCAST`]; they are slices of it.
    fn of_frame(frame: &Bytes) -> Option<Self> {
        let parts = Parts::read(frame).ok()?;
        let slice = |part: &[u8]| frame.slice_ref(part);
        let event = ByteString::try_from(slice(parts.event)).ok()?;
        let payload = match parts.encoding {
            BYTES => Payload::binary(slice(parts.payload)),
            JSON => Payload::from_unchecked_json(slice(parts.payload)),
            _ => return None,
        };
        let meta = (!parts.metadata.is_empty())
            .then(|| Payload::from_unchecked_json(slice(parts.metadata)));
        Some(Broadcast { event, payload, meta })
    }

    /// Returns the payload for a push of [`USER_BROADCAST`].
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLong`] if the event or the metadata has more than 255 bytes.
    pub fn to_payload(&self) -> Result<Payload, EncodeError> {
        let metadata = self.meta.as_ref().map(|meta| meta.as_bytes().as_ref()).unwrap_or_default();
        let names =
            [(Field::Topic, &[][..]), (Field::Event, self.event.as_bytes()), (METADATA, metadata)];
        let encoding = if self.payload.is_binary() { BYTES } else { JSON };
        frame(BROADCAST_KIND, &names, encoding, self.payload.as_bytes()).map(Payload::binary)
    }
}

fn of_text(payload: &Payload) -> Option<Broadcast> {
    let text: Text<'_> = payload.decode().ok()?;
    let slice = |raw: &RawValue| {
        Payload::from_unchecked_json(payload.as_bytes().slice_ref(raw.get().as_bytes()))
    };
    Some(Broadcast {
        event: ByteString::from(&*text.event),
        payload: text.payload.map_or_else(Payload::empty, slice),
        meta: text.meta.map(slice),
    })
}

/// Stream of broadcasts, from [`Channel::on_broadcast`](crate::Channel::on_broadcast),
/// [`on_broadcast_raw`](crate::Channel::on_broadcast_raw) and [`broadcasts`](crate::Channel::broadcasts).
///
/// It is bounded, yields gaps and losses, and holds back reading as a [`Messages`] stream of
/// [`phx_client`] does.
#[must_use = "a stream that is dropped takes nothing"]
pub struct Broadcasts<T> {
    messages: Messages<ChannelMessage>,
    /// The event to take; `None`: all.
    wanted: Option<ByteString>,
    decode: fn(Broadcast) -> Result<Broadcast<T>, PayloadError>,
}

impl Broadcasts<Payload> {
    pub(crate) fn raw(messages: Messages<ChannelMessage>, wanted: Option<ByteString>) -> Self {
        Broadcasts { messages, wanted, decode: Ok }
    }
}

impl<T: DeserializeOwned> Broadcasts<T> {
    pub(crate) fn typed(messages: Messages<ChannelMessage>, wanted: ByteString) -> Self {
        Broadcasts { messages, wanted: Some(wanted), decode: Broadcast::decoded }
    }
}

impl<T> Broadcasts<T> {
    /// Returns the next item; `None` when the channel is closed for good. Cancel-safe.
    pub async fn next(&mut self) -> Option<StreamItem<Broadcast<T>>> {
        StreamExt::next(self).await
    }

    fn item(&self, message: &ChannelMessage) -> Option<StreamItem<Broadcast<T>>> {
        if message.event != USER_BROADCAST && message.event != BROADCAST {
            return None;
        }
        let Some(broadcast) = Broadcast::read(&message.payload) else {
            // What isn't a broadcast doesn't say for which event it is.
            return not_one(&message.payload).map(StreamItem::Malformed);
        };
        if self.wanted.as_ref().is_some_and(|wanted| *wanted != broadcast.event) {
            return None;
        }
        Some(match (self.decode)(broadcast) {
            Ok(broadcast) => StreamItem::Message(broadcast),
            Err(error) => StreamItem::Malformed(error),
        })
    }
}

/// The error of a payload that isn't a broadcast.
fn not_one(payload: &Payload) -> Option<PayloadError> {
    match payload.is_binary() {
        true => payload.decode::<IgnoredAny>().err(),
        false => payload.decode::<Text<'_>>().err(),
    }
}

impl<T> Stream for Broadcasts<T> {
    type Item = StreamItem<Broadcast<T>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while let Some(item) = ready!(self.messages.poll_next_unpin(cx)) {
            if let Some(item) = converted(item, |message| self.item(&message)) {
                return Poll::Ready(Some(item));
            }
        }
        Poll::Ready(None)
    }
}

impl<T> fmt::Debug for Broadcasts<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcasts")
            .field("messages", &self.messages)
            .field("event", &self.wanted)
            .finish_non_exhaustive()
    }
}
