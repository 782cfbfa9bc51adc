//! What serializers are called, and what is said of the parts of a frame.

use phx_proto::{
    DecodeCause, DecodeError, EncodeError, Field, Frame, Message, Payload, Serializer, V1,
    V1Server, V2, V2Server,
};

#[test]
fn both_sides_of_a_format_have_its_version() {
    assert_eq!([V1.vsn(), V1Server.vsn()], ["1.0.0"; 2]);
    assert_eq!([V2.vsn(), V2Server.vsn()], ["2.0.0"; 2]);
}

#[test]
fn parts_are_called_as_in_the_protocol() {
    let fields = [
        Field::Header,
        Field::JoinRef,
        Field::Ref,
        Field::Topic,
        Field::Event,
        Field::Payload,
        Field::Status,
        Field::Response,
    ];
    assert_eq!(
        fields.map(|field| field.to_string()),
        ["header", "join_ref", "ref", "topic", "event", "payload", "status", "response"]
    );
    assert_eq!(format!("[{:>6}]", Field::Ref), "[   ref]");
}

/// One that doesn't say how to check.
#[derive(Debug)]
struct Short;

impl Serializer for Short {
    fn vsn(&self) -> &str {
        "short"
    }

    fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
        if message.topic.len() > 3 {
            return Err(EncodeError::Custom("too long a topic".to_owned()));
        }
        Ok(Frame::text(message.topic.to_string()))
    }

    fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
        Err(DecodeError::new(DecodeCause::UnexpectedText, frame))
    }
}

#[test]
fn by_default_a_check_is_an_encoding() {
    let message = |topic: &'static str| Message::new(topic, "e", Payload::empty());
    assert_eq!(Short.check(&message("abc")), Ok(()));
    assert_eq!(
        Short.check(&message("abcd")),
        Err(EncodeError::Custom("too long a topic".to_owned()))
    );
}
