//! The topic of a frame that isn't a message, as far as it can be read.

use phx_proto::{Frame, Serializer, V1, V2};

fn topic_of(serializer: &dyn Serializer, frame: Frame) -> Option<String> {
    let error = serializer.decode(frame).expect_err("the frame is malformed");
    serializer.topic(&error.frame).map(|topic| topic.to_string())
}

#[test]
fn v2_reads_the_third_element_of_malformed_text() {
    for (frame, expected) in [
        (r#"[null,null,"room:a","news"]"#, Some("room:a")),
        (r#"[null,null,"room:a","news",{"a":}]"#, Some("room:a")),
        (r#"[null,null,"room:a",7,{}]"#, Some("room:a")),
        (r#"["1","2","room:a","phx_reply",{"response":{}}]"#, Some("room:a")),
        (r#"[{"a":[1]},[],"room:\u0061","news",{}]"#, Some("room:a")),
        (r#"[null,null,"room:a""#, Some("room:a")),
        (r#"[null,null,"room:a"#, None),
        (r#"[null,null,7,"news",{}]"#, None),
        (r#"[null,"room:a"]"#, None),
        (r#"{"topic":"room:a"}"#, None),
        ("", None),
    ] {
        assert_eq!(topic_of(&V2, Frame::text(frame)).as_deref(), expected, "{frame}");
    }
    let not_utf8 = Frame::Text(b"[null,null,\"room:a\",\"news\",\"\xff\"]".to_vec().into());
    assert_eq!(topic_of(&V2, not_utf8).as_deref(), Some("room:a"));
    let topic_not_utf8 = Frame::Text(b"[null,null,\"room\xff\",\"news\",{}]".to_vec().into());
    assert_eq!(topic_of(&V2, topic_not_utf8), None);
}

#[test]
fn v2_reads_the_topic_of_malformed_binary_frames() {
    for (frame, expected) in [
        (&b"\x02\x06\x02room:a\xff\xff"[..], Some("room:a")),
        (b"\x02\x06\x05room:ash", Some("room:a")),
        (b"\x00\x01\x06\x021room:a\xff\xff", Some("room:a")),
        (b"\x01\x01\x02\x06\x0212\xffroom:aok", Some("room:a")),
        (b"\x01\x01\x02\x06\x02112room:a\xff\xff", Some("room:a")),
        (b"\x02\x06\x05roo", None),
        (b"\x02\x06", None),
        (b"\x09\x06\x05room:ashout", None),
        (b"", None),
    ] {
        let frame = Frame::binary(frame.to_vec());
        assert_eq!(topic_of(&V2, frame.clone()).as_deref(), expected, "{:?}", frame.as_bytes());
    }
}

#[test]
fn v1_reads_the_key_where_the_text_is_json_up_to_there() {
    for (frame, expected) in [
        (r#"{"topic":"room:a","event":"news"}"#, Some("room:a")),
        (r#"{"event":7,"payload":{"topic":"other"},"topic":"room:a"}"#, Some("room:a")),
        (r#"{"topic":"room:a","payload":{"#, Some("room:a")),
        (r#"{"payload":{]},"topic":"room:a"}"#, None),
        (r#"{"event":"news"}"#, None),
        (r#"{}"#, None),
        ("[]", None),
    ] {
        assert_eq!(topic_of(&V1, Frame::text(frame)).as_deref(), expected, "{frame}");
    }
    assert_eq!(topic_of(&V1, Frame::binary(b"\x02".to_vec())), None);
}
