//! Checks for every decoder: an error returns the frame; a decoded message can be encoded by the side that sends such
//! frames, and is then decoded as the same message.

use phx_proto::{DecodeError, EncodeError, Frame, Message, Ref, Serializer};

/// Receiver and sender of a kind of frames.
#[derive(Clone, Copy)]
pub(crate) struct Sides<'a> {
    receiver: &'a dyn Serializer,
    sender: &'a dyn Serializer,
}

impl<'a> Sides<'a> {
    /// Creates the pair in which the client receives, or the server.
    pub(crate) fn of(
        is_client: bool,
        client: &'a dyn Serializer,
        server: &'a dyn Serializer,
    ) -> Self {
        let (receiver, sender) = if is_client { (client, server) } else { (server, client) };
        Sides { receiver, sender }
    }

    /// Decodes the frame, with the checks for every decoder.
    pub(crate) fn decode(self, frame: &Frame) -> Result<Message, DecodeError> {
        let decoded = self.receiver.decode(frame.clone());
        assert_eq!(self.receiver.decode(frame.clone()), decoded, "the same once more");
        match &decoded {
            Err(error) => {
                assert_eq!(error.frame, *frame);
                // Showing an error must not panic.
                let _ = format!("{error} {error:?} {:?}", error.reason);
            }
            Ok(message) => self.check_round_trip(message),
        }
        decoded
    }

    fn check_round_trip(self, message: &Message) {
        let encoded = self.sender.encode(message);
        let checked = self.sender.check(message);
        assert_eq!(checked.is_ok(), encoded.is_ok(), "{checked:?}");
        match encoded {
            Ok(frame) => {
                let expected = expressible(self.receiver, message.clone());
                assert_eq!(self.receiver.decode(frame), Ok(expected));
            }
            // A server's binary decoder takes joins; a client's encoder doesn't write them.
            Err(EncodeError::BinaryJoin) => assert_eq!(message.event, "phx_join"),
            Err(error) => panic!("{message:?}: {error}"),
        }
    }
}

/// Returns the part of a message that its format can express.
fn expressible(receiver: &dyn Serializer, mut message: Message) -> Message {
    if receiver.vsn() == "1.0.0" {
        message.join_ref = None;
    }
    if message.payload.is_binary() {
        let empty = Ref::from("");
        message.join_ref = message.join_ref.filter(|reference| *reference != empty);
        message.reference = message.reference.filter(|reference| *reference != empty);
    }
    message
}
