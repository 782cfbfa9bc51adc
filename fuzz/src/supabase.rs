//! Frames of any bytes into the serializer of Supabase's clients, and broadcasts of any parts out of it.
//!
//! The first byte says what the rest is: `0` a binary frame from the server, `1` the payload of a text frame with the event
//! `broadcast`, `2` the lengths of event and metadata, the encoding, and the parts of a broadcast to send.
//!
//! Checks: decoded frames of kind 4 are those of a second decoder, other frames are Phoenix's; an error returns the frame;
//! what is sent comes back as it was.

use phx_client::{Bytes, Frame, Message, Payload, Serializer, V2 as PhoenixV2};
use phx_supabase::{Broadcast, USER_BROADCAST, V2};

/// Panics if the input shows a fault.
pub fn check(input: &[u8]) {
    match input.split_first() {
        Some((b'0', frame)) => decode(frame),
        Some((b'1', text)) => {
            if let Some(broadcast) =
                Broadcast::read(&Payload::from_unchecked_json(text.to_vec().into()))
            {
                let _ = (broadcast.id(), broadcast.is_replayed());
            }
        }
        Some((b'2', parts)) => encode(parts),
        _ => {}
    }
}

/// A broadcast by the layout: topic, event, metadata, and the payload with its encoding.
type Parts<'a> = (&'a str, &'a str, &'a [u8], bool, &'a [u8]);

fn model(frame: &[u8]) -> Option<Parts<'_>> {
    let [4, topic, event, meta, encoding, rest @ ..] = frame else { return None };
    let (topic, rest) = rest.split_at_checked(usize::from(*topic))?;
    let (event, rest) = rest.split_at_checked(usize::from(*event))?;
    let (meta, payload) = rest.split_at_checked(usize::from(*meta))?;
    let is_json = [false, true].get(usize::from(*encoding))?;
    Some((str::from_utf8(topic).ok()?, str::from_utf8(event).ok()?, meta, *is_json, payload))
}

fn decode(bytes: &[u8]) {
    let frame = Frame::binary(bytes.to_vec());
    let decoded = V2.decode(frame.clone());
    let topic = V2.topic(&frame);
    if bytes.first() != Some(&4) {
        assert_eq!(decoded, PhoenixV2.decode(frame.clone()));
        assert_eq!(topic, PhoenixV2.topic(&frame));
        return;
    }
    match decoded {
        Ok(message) => {
            let (topic_text, event, meta, is_json, payload) = model(bytes).expect("it was decoded");
            assert_eq!((&*message.topic, topic.as_deref()), (topic_text, Some(topic_text)));
            assert_eq!(message.event, USER_BROADCAST);
            let broadcast = Broadcast::read(&message.payload).expect("it was decoded");
            assert_eq!(*broadcast.event, *event);
            assert_eq!(broadcast.payload.is_binary(), !is_json);
            assert_eq!(broadcast.payload.as_bytes(), payload);
            assert_eq!(broadcast.meta.as_ref().map_or(&[][..], |meta| meta.as_bytes()), meta);
            let _ = (broadcast.id(), broadcast.is_replayed());
        }
        Err(error) => {
            assert_eq!(error.frame, frame);
            assert_eq!(model(bytes), None);
            let _ = format!("{error} {error:?}");
        }
    }
}

fn encode(parts: &[u8]) {
    let [event, meta, encoding, rest @ ..] = parts else { return };
    let Some((event, rest)) = rest.split_at_checked(usize::from(*event)) else { return };
    let Some((meta, payload)) = rest.split_at_checked(usize::from(*meta)) else { return };
    let Ok(event) = str::from_utf8(event) else { return };
    let json = |text: &[u8]| Payload::from_unchecked_json(Bytes::copy_from_slice(text));
    let payload = if encoding & 1 == 1 { json(payload) } else { Payload::binary(payload.to_vec()) };
    let mut broadcast = Broadcast::new(event, payload);
    broadcast.meta = (!meta.is_empty()).then(|| json(meta));
    let payload = broadcast.to_payload().expect("every length fits");
    let message = Message::new("realtime:a", USER_BROADCAST, payload);
    assert_eq!(V2.check(&message), Ok(()));
    let frame = V2.encode(&message).expect("it was checked").into_bytes();
    // Of a push the server takes the refs away.
    let [3, 0, 0, lengths @ ..] = &*frame else { panic!("not a push") };
    let echo = [&[4], lengths].concat();
    let back = V2.decode(Frame::binary(echo)).expect("a broadcast");
    assert_eq!(Broadcast::read(&back.payload), Some(broadcast));
}
