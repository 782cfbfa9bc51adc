//! A custom serializer: messages as MessagePack, `[join_ref, ref, topic, event, payload]` in
//! binary frames.
//!
//! The server needs a serializer of the same format under the same `vsn`. An application's payloads
//! stay JSON (or bytes) in the program, so nothing but the wire changes: this serializer converts.

use std::io::Cursor;

use phx_proto::{
    DecodeCause, DecodeError, EncodeError, Field, Frame, Message, Payload, Ref, Serializer, Status,
    events,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug)]
struct MessagePack;

/// A message as it is on the wire. rmp-serde writes a struct as an array.
#[derive(Serialize, Deserialize)]
struct Wire {
    join_ref: Option<String>,
    reference: Option<String>,
    topic: String,
    event: String,
    payload: Value,
}

impl Serializer for MessagePack {
    fn vsn(&self) -> &str {
        "2.0.0-msgpack"
    }

    fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
        let payload: Value = message
            .payload
            .decode()
            .map_err(|_| EncodeError::Custom("the payload isn't JSON".into()))?;
        let wire = Wire {
            join_ref: message.join_ref.as_ref().map(|it| it.to_text().to_string()),
            reference: message.reference.as_ref().map(|it| it.to_text().to_string()),
            topic: message.topic.to_string(),
            event: message.event.to_string(),
            payload: match &message.status {
                Some(status) => json!({"status": status.as_str(), "response": payload}),
                None => payload,
            },
        };
        let bytes =
            rmp_serde::to_vec(&wire).map_err(|error| EncodeError::Custom(error.to_string()))?;
        Ok(Frame::binary(bytes))
    }

    fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
        // Any error returns the frame to the caller.
        let message = match &frame {
            Frame::Text(_) => Err(DecodeCause::UnexpectedText),
            Frame::Binary(bytes) => decode(bytes),
        };
        message.map_err(|reason| DecodeError::new(reason, frame))
    }
}

fn decode(bytes: &[u8]) -> Result<Message, DecodeCause> {
    let mut reader = rmp_serde::Deserializer::new(Cursor::new(bytes));
    // Not the decoder's text, which may quote the payload.
    let wire = Wire::deserialize(&mut reader)
        .map_err(|_| DecodeCause::Custom("not a MessagePack message".into()))?;
    if reader.position() != bytes.len() as u64 {
        return Err(DecodeCause::Custom("bytes after the message".into()));
    }
    let (status, payload) = if wire.event == *events::REPLY {
        let (status, response) = reply(wire.payload)?;
        (Some(status), response)
    } else {
        (None, wire.payload)
    };
    let payload = Payload::json(&payload).map_err(|_| DecodeCause::Field(Field::Payload))?;
    let mut message = Message::new(wire.topic, wire.event, payload)
        .with_join_ref(wire.join_ref.as_deref().map(Ref::from))
        .with_reference(wire.reference.as_deref().map(Ref::from));
    message.status = status;
    Ok(message)
}

/// A client's side turns a `phx_reply` into a message with a status.
fn reply(mut payload: Value) -> Result<(Status, Value), DecodeCause> {
    let status =
        payload.get("status").and_then(Value::as_str).ok_or(DecodeCause::Field(Field::Status))?;
    let status = Status::from(status);
    let response = payload.get_mut("response").map(Value::take).unwrap_or_default();
    Ok((status, response))
}

#[test]
fn every_shape_goes_there_and_back() {
    let payload =
        Payload::json(&json!({"body": "h\u{e9}", "list": [1, -2.5, null, true]})).unwrap();
    let one = Some(Ref::from(1));
    let shapes = [
        Message::new("room:a", events::JOIN, payload.clone())
            .with_join_ref(one.clone())
            .with_reference(one.clone()),
        Message::new("room:a", "shout", payload.clone()),
        Message::reply("room:a", Some(Ref::from("x7")), Status::Error, payload).with_join_ref(one),
        Message::reply("room:a", None, Status::Other("weird".into()), Payload::json(&()).unwrap()),
    ];
    for message in shapes {
        let frame = MessagePack.encode(&message).unwrap();
        assert!(!frame.is_text());
        assert_eq!(MessagePack.decode(frame), Ok(message));
    }
}

#[test]
fn a_frame_is_what_another_implementation_would_write() {
    let push = Message::new("t", "e", Payload::empty()).with_reference(Some(Ref::from(7)));
    // An array of 5: nil, "7", "t", "e", an empty map.
    let frame = Frame::binary(&b"\x95\xc0\xa17\xa1t\xa1e\x80"[..]);
    assert_eq!(MessagePack.encode(&push).as_ref(), Ok(&frame));
    assert_eq!(MessagePack.decode(frame), Ok(push));
}

#[test]
fn what_is_no_message_comes_back_with_the_reason() {
    let whole = MessagePack.encode(&Message::new("t", "e", Payload::empty())).unwrap();
    for len in 0..whole.len() {
        let cut = Frame::binary(whole.as_bytes().slice(..len));
        let error = MessagePack.decode(cut.clone()).unwrap_err();
        assert!(matches!(error.reason, DecodeCause::Custom(_)), "{error:?}");
        assert_eq!(error.frame, cut);
    }
    let more = [whole.as_bytes(), &b"\xc0"[..]].concat();
    assert_eq!(
        MessagePack.decode(Frame::binary(more)).unwrap_err().reason,
        DecodeCause::Custom("bytes after the message".into())
    );
    let text = MessagePack.decode(Frame::text("[]")).unwrap_err();
    assert_eq!(text.reason, DecodeCause::UnexpectedText);
    let no_status = MessagePack
        .encode(&Message::new("t", events::REPLY, Payload::empty()))
        .map(|frame| MessagePack.decode(frame));
    assert_eq!(no_status.unwrap().unwrap_err().reason, DecodeCause::Field(Field::Status));
}

#[test]
fn what_the_format_cannot_carry_is_refused() {
    let binary = Message::new("t", "e", Payload::binary("x"));
    assert_eq!(
        MessagePack.encode(&binary),
        Err(EncodeError::Custom("the payload isn't JSON".into()))
    );
}
