//! Frames that are huge, or nested deeper than any stack.

use phx_proto::{
    DecodeCause, Frame, Message, Payload, PayloadError, Serializer, V1, V1Server, V2, V2Server,
};

const TEN_MB: usize = 10 * 1024 * 1024;

fn both_versions(payload: &str) -> [(&'static dyn Serializer, Frame); 4] {
    let v2 = Frame::text(format!(r#"[null,null,"t","e",{payload}]"#));
    let v1 = Frame::text(format!(r#"{{"event":"e","payload":{payload},"ref":null,"topic":"t"}}"#));
    [(&V2, v2.clone()), (&V2Server, v2), (&V1, v1.clone()), (&V1Server, v1)]
}

#[test]
fn ten_megabytes_decode_and_encode() {
    let payload = Payload::from_json_text(format!("\"{}\"", "x".repeat(TEN_MB))).unwrap();
    let message = Message::new("t", "e", payload);
    for (side, frame) in both_versions(message.payload.as_json().unwrap()) {
        assert_eq!(side.decode(frame).as_ref(), Ok(&message));
        assert_eq!(side.decode(side.encode(&message).unwrap()).as_ref(), Ok(&message));
    }
    let binary = Message::new("t", "e", Payload::binary(vec![7; TEN_MB]));
    assert_eq!(V2.decode(V2Server.encode(&binary).unwrap()), Ok(binary));
}

#[test]
fn deep_nesting_overflows_nothing() {
    let depth = 1_000_000;
    let payload = "[".repeat(depth) + &"]".repeat(depth);
    for (side, frame) in both_versions(&payload) {
        let message = side.decode(frame).unwrap();
        assert_eq!(message.payload.len(), 2 * depth);
        // serde_json has a limit of its own, and the payload stays with the error.
        let Err(PayloadError::Deserialize { payload, .. }) =
            message.payload.decode::<serde_json::Value>()
        else {
            panic!("decoded {depth} levels");
        };
        assert_eq!(payload, message.payload);
    }
    for (side, frame) in both_versions(&"{\"a\":[".repeat(depth / 3)) {
        let error = side.decode(frame).unwrap_err();
        assert!(matches!(error.reason, DecodeCause::Json { .. }), "{error:?}");
    }
}

#[test]
fn a_long_array_is_no_message_for_its_length() {
    let frame = Frame::text(format!("[null,null,\"t\",\"e\",1{}]", ",0".repeat(1_000_000)));
    assert_eq!(V2.decode(frame).unwrap().payload.as_json(), Some("1"));
}
