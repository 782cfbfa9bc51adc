//! Frames of any bytes into the four serializers.
//!
//! The first byte of the input chooses the serializer and the kind of frame, the others are the
//! frame. See `fuzz/README.md` for the numbers.
//!
//! What must hold:
//! - no panic, whatever the bytes are;
//! - an error hands back the very frame;
//! - a text frame that is taken is JSON for serde_json too, and so is its payload; one that V2 calls
//!   malformed is no array for serde_json;
//! - a message, encoded by the side that sends such frames and decoded again, is the same message,
//!   wherever the format can express it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use phx_proto::{
    DecodeErrorKind, EncodeError, Frame, Message, Ref, Serializer, V1, V1Server, V2, V2Server,
};
use serde_json::value::RawValue;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else {
        return;
    };
    // Who receives the frame, and who sends such frames.
    let (receiver, sender): (&dyn Serializer, &dyn Serializer) = match choice & 3 {
        0 => (&V2, &V2Server),
        1 => (&V2Server, &V2),
        2 => (&V1, &V1Server),
        _ => (&V1Server, &V1),
    };
    let frame =
        if choice & 4 == 0 { Frame::text(bytes.to_vec()) } else { Frame::binary(bytes.to_vec()) };
    match receiver.decode(frame.clone()) {
        Err(error) => {
            assert_eq!(error.frame, frame);
            // Errors can be shown.
            let _ = format!("{error} {error:?} {:?}", error.reason);
            if receiver.vsn() == "2.0.0" && matches!(error.reason, DecodeErrorKind::Json { .. }) {
                assert!(serde_json::from_slice::<Vec<&RawValue>>(bytes).is_err());
            }
        }
        Ok(message) => {
            if frame.is_text() {
                assert_json(bytes);
                assert_json(message.payload.as_bytes());
            }
            assert_round_trip(receiver, sender, message);
        }
    }
});

fn assert_json(text: &[u8]) {
    if let Err(error) = serde_json::from_slice::<&RawValue>(text) {
        panic!("decoded, but serde_json says: {error}");
    }
}

fn assert_round_trip(receiver: &dyn Serializer, sender: &dyn Serializer, message: Message) {
    match sender.encode(&message) {
        Ok(frame) => {
            let expected = expressible(receiver, message);
            assert_eq!(receiver.decode(frame), Ok(expected));
        }
        // A server's binary decoder takes joins; a client's encoder doesn't write them.
        Err(EncodeError::BinaryJoin) => assert_eq!(message.event, "phx_join"),
        Err(error) => panic!("{message:?}: {error}"),
    }
}

/// The part of a message that its format can say.
fn expressible(receiver: &dyn Serializer, mut message: Message) -> Message {
    if receiver.vsn() == "1.0.0" {
        message.join_ref = None;
    }
    if message.payload.is_binary() {
        let empty = Ref::parse_str("");
        message.join_ref = message.join_ref.filter(|reference| *reference != empty);
        message.reference = message.reference.filter(|reference| *reference != empty);
    }
    message
}
