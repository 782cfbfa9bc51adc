//! V1: objects of four keys, text only, no `join_ref` from the client.

use phx_proto::{
    DecodeCause, EncodeError, Field, Frame, Message, Payload, Ref, Serializer, Status, V1, V1Server,
};

const BOTH: [&dyn Serializer; 2] = [&V1, &V1Server];

fn push() -> Message {
    Message::new("room:\"a\"", "e\n", Payload::from_unchecked_json("[1,2]".into()))
        .with_reference(Some(Ref::from(7)))
}

#[test]
fn a_push_goes_to_the_server_without_its_join_ref() {
    let frame = V1.encode(&push().with_join_ref(Some(Ref::from(1)))).unwrap();
    let written = r#"{"topic":"room:\"a\"","event":"e\n","payload":[1,2],"ref":"7"}"#;
    assert_eq!(frame, Frame::text(written));
    assert_eq!(V1Server.decode(frame), Ok(push()));
}

#[test]
fn a_heartbeat_without_a_ref_still_has_the_key() {
    let message = Message::new("t", "e", Payload::empty());
    let frame = V1.encode(&message).unwrap();
    assert_eq!(frame, Frame::text(r#"{"topic":"t","event":"e","payload":{},"ref":null}"#));
    assert_eq!(V1Server.decode(frame), Ok(message));
}

#[test]
fn what_a_server_sends_reaches_the_client() {
    let reply = Message::reply("t", Some(Ref::from(7)), Status::Error, Payload::empty());
    let broadcast = Message::new("t", "shout", Payload::json("x").unwrap());
    let table = [
        (
            reply,
            r#"{"event":"phx_reply","payload":{"response":{},"status":"error"},"ref":"7","topic":"t"}"#,
        ),
        (broadcast, r#"{"event":"shout","payload":"x","ref":null,"topic":"t"}"#),
    ];
    for (message, written) in table {
        let frame = V1Server.encode(&message).unwrap();
        assert_eq!(frame, Frame::text(written));
        assert_eq!(V1.decode(frame), Ok(message));
    }
}

#[test]
fn keys_come_in_any_order_and_others_are_ignored() {
    let message = push().with_join_ref(Some(Ref::from(1)));
    for text in [
        r#"{"join_ref":"1","payload":[1,2],"ref":"7","event":"e\n","topic":"room:\"a\""}"#,
        r#" { "topic" : "room:\"a\"" , "x" : {"topic":1} , "event" : "e\n" , "ref" : 7 , "payload" : [1,2] , "join_ref" : 1 } "#,
        r#"{"topic":1,"\u0074opic":"room:\"a\"","event":"e\n","payload":[1,2],"ref":"7","join_ref":"1"}"#,
    ] {
        assert_eq!(V1.decode(Frame::text(text)).as_ref(), Ok(&message), "{text}");
        assert_eq!(V1Server.decode(Frame::text(text)).as_ref(), Ok(&message), "{text}");
    }
}

#[test]
fn missing_and_mistyped_keys_are_named() {
    let table = [
        ("{}", Field::Topic),
        (r#"{"event":"e","payload":{},"ref":"1"}"#, Field::Topic),
        (r#"{"topic":"t","payload":{},"ref":"1"}"#, Field::Event),
        (r#"{"topic":"t","event":"e","ref":"1"}"#, Field::Payload),
        (r#"{"topic":null,"event":"e","payload":{},"ref":"1"}"#, Field::Topic),
        (r#"{"topic":"t","event":3,"payload":{},"ref":"1"}"#, Field::Event),
        (r#"{"topic":"t","event":"e","payload":{},"ref":[]}"#, Field::Ref),
        (r#"{"topic":"t","event":"e","payload":{},"ref":null,"join_ref":{}}"#, Field::JoinRef),
    ];
    for (text, field) in table {
        for side in BOTH {
            let error = side.decode(Frame::text(text)).expect_err(text);
            assert_eq!(error.reason, DecodeCause::Field(field), "{text}");
            assert_eq!(error.frame, Frame::text(text));
        }
    }
}

#[test]
fn only_a_server_insists_on_a_ref() {
    let text = r#"{"topic":"t","event":"e","payload":{}}"#;
    assert_eq!(V1.decode(Frame::text(text)), Ok(Message::new("t", "e", Payload::empty())));
    let error = V1Server.decode(Frame::text(text)).unwrap_err();
    assert_eq!(error.reason, DecodeCause::Field(Field::Ref));
}

#[test]
fn malformed_json_and_other_shapes() {
    for text in [
        "",
        "null",
        "[]",
        r#"["1","1","t","e",{}]"#,
        "{",
        r#"{"topic"}"#,
        r#"{"topic":"t",}"#,
        "{}x",
        r#"{"topic":"t","event":"e","payload":{"a":},"ref":"1"}"#,
        r#"{topic:"t"}"#,
    ] {
        let error = V1.decode(Frame::text(text)).expect_err(text);
        assert!(matches!(error.reason, DecodeCause::Json { .. }), "{text}: {error:?}");
    }
    let error = V1.decode(Frame::text(&b"{\"x\":1,\"topic\":\"t\xff\"}"[..])).unwrap_err();
    assert_eq!(error.reason, DecodeCause::Utf8(Field::Topic));
}

#[test]
fn there_is_no_binary() {
    let frame = Frame::binary(&b"\x02\x01\x01te"[..]);
    let message = Message::new("t", "e", Payload::binary("x"));
    for side in BOTH {
        let error = side.decode(frame.clone()).unwrap_err();
        assert_eq!(error.reason, DecodeCause::UnexpectedBinary);
        assert_eq!(error.frame, frame);
        let error = side.encode(&message).unwrap_err();
        assert!(matches!(error, EncodeError::BinaryUnsupported { vsn: "1.0.0", .. }), "{error:?}");
    }
}
