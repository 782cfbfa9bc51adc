//! Names of serializers, and the texts about the parts of a frame.

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
        Field::Custom(&"metadata"),
    ];
    assert_eq!(
        fields.map(|field| field.to_string()),
        [
            "header", "join_ref", "ref", "topic", "event", "payload", "status", "response",
            "metadata"
        ]
    );
    assert_eq!(format!("[{:>6}]", Field::Ref), "[   ref]");
}

#[test]
fn a_custom_serializer_has_the_errors_of_the_others() {
    let error = EncodeError::too_long(Field::Custom(&"metadata"), 256);
    assert_eq!(error.to_string(), "the metadata has 256 bytes; a binary frame has room for 255");
    let error = EncodeError::binary_unsupported("1.0.0-app");
    assert_eq!(error.to_string(), "1.0.0-app can't carry binary payloads");
    assert_eq!(size_of::<DecodeCause>(), size_of::<String>(), "a field costs errors nothing");
}

/// A serializer without its own `check`.
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
