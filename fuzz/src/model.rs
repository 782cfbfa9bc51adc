//! A model of the text formats, by way of `serde_json`: slow, and independent of the decoders.

use std::collections::BTreeMap;

use phx_proto::{DecodeCause, DecodeError, Message, Payload, Ref, Status, events};
use serde_json::value::RawValue;

/// Errors that the model distinguishes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It isn't JSON, or its outermost type is not the format's.
    Json,
    /// It is JSON, but no message.
    Message,
    /// Unknown to the model: `serde_json` refuses a key that is half a surrogate pair, and a decoder skips it.
    CantTell,
}

/// Panics unless a decoder returns the model's message, and an error only where the model has one.
pub(crate) fn agrees(expected: Result<Message, Wrong>, decoded: Result<Message, DecodeError>) {
    match (expected, decoded) {
        (Ok(expected), decoded) => assert_eq!(decoded, Ok(expected)),
        (Err(Wrong::CantTell), _) => {}
        (Err(wrong), Ok(message)) => panic!("decoded as {message:?}, but {wrong:?}"),
        (Err(Wrong::Message), Err(error)) => {
            assert!(!matches!(error.reason, DecodeCause::Json { .. }), "{error}");
        }
        (Err(Wrong::Json), Err(_)) => {}
    }
}

/// Decodes a V2 text. `replies` is true if a `phx_reply` is a reply, as it is for a client.
pub(crate) fn v2(text: &[u8], replies: bool) -> Result<Message, Wrong> {
    let text = std::str::from_utf8(text).map_err(|_| Wrong::Json)?;
    let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| Wrong::Json)?;
    let [join_ref, reference, topic, event, payload, ..] = elements[..] else {
        return Err(Wrong::Message);
    };
    message(Some(join_ref), Some(reference), topic, event, payload, replies)
}

/// Decodes a V1 text.
pub(crate) fn v1(text: &[u8], is_client: bool) -> Result<Message, Wrong> {
    let text = std::str::from_utf8(text).map_err(|_| Wrong::Json)?;
    let keys = object(text)?;
    let key = |name: &str| keys.get(name).copied().ok_or(Wrong::Message);
    if !is_client {
        key("ref")?;
    }
    let (topic, event, payload) = (key("topic")?, key("event")?, key("payload")?);
    message(key("join_ref").ok(), key("ref").ok(), topic, event, payload, is_client)
}

fn message(
    join_ref: Option<&RawValue>,
    ref_: Option<&RawValue>,
    topic: &RawValue,
    event: &RawValue,
    payload: &RawValue,
    replies: bool,
) -> Result<Message, Wrong> {
    let (join_ref, ref_) = (reference(join_ref)?, reference(ref_)?);
    let (topic, event) = (string(topic)?, string(event)?);
    let message = if replies && event == *events::REPLY {
        if !payload.get().starts_with('{') {
            return Err(Wrong::Message);
        }
        let reply = object(payload.get())?;
        let status = string(reply.get("status").ok_or(Wrong::Message)?)?;
        let response = reply.get("response").map_or("null", |response| response.get());
        Message::reply(topic, ref_, Status::from(&*status), json(response))
    } else {
        Message::new(topic, event, json(payload.get())).with_reference(ref_)
    };
    Ok(message.with_join_ref(join_ref))
}

fn object(text: &str) -> Result<BTreeMap<String, &RawValue>, Wrong> {
    serde_json::from_str(text).map_err(|_| {
        let is_object =
            serde_json::from_str::<&RawValue>(text).is_ok_and(|value| value.get().starts_with('{'));
        if is_object { Wrong::CantTell } else { Wrong::Json }
    })
}

fn string(value: &RawValue) -> Result<String, Wrong> {
    serde_json::from_str(value.get()).map_err(|_| Wrong::Message)
}

fn reference(value: Option<&RawValue>) -> Result<Option<Ref>, Wrong> {
    match value.map_or("null", RawValue::get) {
        "null" => Ok(None),
        text if text.starts_with('"') => {
            let text: String = serde_json::from_str(text).map_err(|_| Wrong::Message)?;
            Ok(Some(Ref::from(&*text)))
        }
        text => text.parse().map(|number: u64| Some(Ref::from(number))).map_err(|_| Wrong::Message),
    }
}

fn json(text: &str) -> Payload {
    Payload::from_unchecked_json(text.to_owned().into())
}
