//! Binary frames of any bytes into both sides of V2.
//!
//! The first byte is the receiver: `0` the client, `1` the server. The rest is the frame.
//!
//! Checks, besides those for every decoder: it decodes the same messages as the model; a text frame of the same bytes
//! is never a binary message.

use phx_proto::{Frame, Message, Payload, Ref, Status, V2, V2Server};

use crate::round_trip::Sides;

/// Panics if the input shows a fault.
pub fn check(input: &[u8]) {
    let Some((&choice, bytes)) = input.split_first() else {
        return;
    };
    let is_client = choice & 1 == 0;
    let sides = Sides::of(is_client, &V2, &V2Server);
    let decoded = sides.decode(&Frame::binary(bytes.to_vec()));
    assert_eq!(decoded.ok(), model(bytes, is_client));
    if let Ok(message) = sides.decode(&Frame::text(bytes.to_vec())) {
        assert!(!message.payload.is_binary());
    }
}

/// A second decoder, by the table of the format's layouts.
fn model(bytes: &[u8], is_client: bool) -> Option<Message> {
    let (&kind, rest) = bytes.split_first()?;
    // The names in the frame. A status is the last one.
    let names = match (kind, is_client) {
        (0, true) => ["join_ref", "topic", "event"].as_slice(),
        (0, false) => &["join_ref", "ref", "topic", "event"],
        (1, true) => &["join_ref", "ref", "topic", "status"],
        (2, true) => &["topic", "event"],
        _ => return None,
    };
    let lengths = rest.get(..names.len())?;
    let mut rest = rest.get(names.len()..)?;
    let mut message = Message::new("", "phx_reply", Payload::empty());
    for (name, length) in names.iter().zip(lengths) {
        let (text, after) = rest.split_at_checked(usize::from(*length))?;
        let text = str::from_utf8(text).ok()?;
        let reference = (!text.is_empty()).then(|| Ref::from(text));
        rest = after;
        match *name {
            "join_ref" => message.join_ref = reference,
            "ref" => message.reference = reference,
            "topic" => message.topic = text.into(),
            "event" => message.event = text.into(),
            _ => message.status = Some(Status::from(text)),
        }
    }
    message.payload = Payload::binary(rest.to_vec());
    Some(message)
}
