//! V2 text frames: round trips of each kind of message, and the error of each kind of damage.

use bytes::Bytes;
use phx_proto::{
    DecodeCause, Field, Frame, Message, Payload, Ref, Serializer, Status, V2, V2Server, events,
};

fn payload(text: &str) -> Payload {
    Payload::from_unchecked_json(Bytes::copy_from_slice(text.as_bytes()))
}

fn text(frame: &Frame) -> Option<&str> {
    std::str::from_utf8(frame.as_bytes()).ok().filter(|_| frame.is_text())
}

#[test]
fn what_a_client_sends_reaches_the_server() {
    let one = Some(Ref::from(1));
    let shapes = [
        (
            Message::new("room:a", events::JOIN, payload(r#"{"name":"ann"}"#))
                .with_join_ref(one.clone())
                .with_reference(one.clone()),
            r#"["1","1","room:a","phx_join",{"name":"ann"}]"#,
        ),
        (
            Message::new("room:a", "new_msg", payload("[1,null]"))
                .with_join_ref(one.clone())
                .with_reference(Some(Ref::from(18_446_744_073_709_551_615))),
            r#"["1","18446744073709551615","room:a","new_msg",[1,null]]"#,
        ),
        (
            Message::new("room:a", events::LEAVE, Payload::empty())
                .with_join_ref(one)
                .with_reference(Some(Ref::from(10))),
            r#"["1","10","room:a","phx_leave",{}]"#,
        ),
        (
            Message::new(phx_proto::PHOENIX, events::HEARTBEAT, Payload::empty())
                .with_reference(Some(Ref::from(0))),
            r#"[null,"0","phoenix","heartbeat",{}]"#,
        ),
        (
            Message::new("room:a", "e", payload("1")).with_join_ref(Some(Ref::from("a\"b"))),
            r#"["a\"b",null,"room:a","e",1]"#,
        ),
    ];
    for (message, written) in shapes {
        let frame = V2.encode(&message).unwrap();
        assert_eq!(text(&frame), Some(written));
        assert_eq!(V2Server.decode(frame), Ok(message));
    }
}

#[test]
fn what_a_server_sends_reaches_the_client() {
    let one = Some(Ref::from(1));
    let shapes = [
        (
            Message::reply("room:a", Some(Ref::from(7)), Status::Ok, payload(r#"{"id":3}"#))
                .with_join_ref(one.clone()),
            r#"["1","7","room:a","phx_reply",{"response":{"id":3},"status":"ok"}]"#,
        ),
        (
            Message::reply("room:a", None, Status::Other("so \"so\"".into()), payload("null")),
            r#"[null,null,"room:a","phx_reply",{"response":null,"status":"so \"so\""}]"#,
        ),
        (
            Message::new("room:a", "pushed", payload("{}")).with_join_ref(one.clone()),
            r#"["1",null,"room:a","pushed",{}]"#,
        ),
        (Message::new("room:a", "shout", payload("\"x\"")), r#"[null,null,"room:a","shout","x"]"#),
        (
            Message::new("room:a", events::CLOSE, payload("{}"))
                .with_join_ref(one.clone())
                .with_reference(one),
            r#"["1","1","room:a","phx_close",{}]"#,
        ),
    ];
    for (message, written) in shapes {
        let frame = V2Server.encode(&message).unwrap();
        assert_eq!(text(&frame), Some(written));
        assert_eq!(V2.decode(frame), Ok(message));
    }
}

#[test]
fn white_space_and_further_elements_are_ignored() {
    let message = Message::new("t", "e", payload("{ }")).with_reference(Some(Ref::from(2)));
    for frame in [
        " [ null , \"2\" , \"t\" , \"e\" , { } ] ",
        "\n[null,\r\n\"2\",\t\"t\",\"e\",{ }]\n",
        r#"[null,"2","t","e",{ },6,[7],{"eight":8}]"#,
    ] {
        assert_eq!(V2.decode(Frame::text(frame)).as_ref(), Ok(&message), "{frame}");
        assert_eq!(V2Server.decode(Frame::text(frame)).as_ref(), Ok(&message), "{frame}");
    }
}

#[test]
fn numeric_refs_are_their_digits() {
    let message = V2.decode(Frame::text(r#"[18446744073709551615,0,"t","e",{}]"#)).unwrap();
    assert_eq!(message.join_ref, Some(Ref::from(u64::MAX)));
    assert_eq!(message.reference, Some(Ref::from(0)));
}

#[test]
fn names_with_escapes_and_without() {
    let table = [
        ("room:a", "room:a"),
        ("", ""),
        ("r\u{e9}\u{1f600}", "r\u{e9}\u{1f600}"),
        (r"r\u00e9\ud83d\ude00", "r\u{e9}\u{1f600}"),
        (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r"\u0000\u001f", "\0\u{1f}"),
    ];
    for (written, name) in table {
        let frame = Frame::text(format!(r#"[null,"{written}","{written}","{written}",{{}}]"#));
        let message = V2.decode(frame).unwrap_or_else(|error| panic!("{written}: {error}"));
        assert_eq!(message.reference.as_ref().map(Ref::to_text).as_deref(), Some(name));
        assert_eq!((&*message.topic, &*message.event), (name, name));
        let again = V2Server.encode(&message).unwrap();
        assert_eq!(V2.decode(again), Ok(message));
    }
}

#[test]
fn a_header_of_the_wrong_shape_names_the_field() {
    let table = [
        ("[]", Field::JoinRef),
        (r#"["1"]"#, Field::Ref),
        (r#"["1","2"]"#, Field::Topic),
        (r#"["1","2","t"]"#, Field::Event),
        (r#"["1","2","t","e"]"#, Field::Payload),
        (r#"[true,"2","t","e",{}]"#, Field::JoinRef),
        (r#"[[],"2","t","e",{}]"#, Field::JoinRef),
        (r#"[{"a":1},"2","t","e",{}]"#, Field::JoinRef),
        (r#"["\ud800","2","t","e",{}]"#, Field::JoinRef),
        (r#"["1",-2,"t","e",{}]"#, Field::Ref),
        (r#"["1",2.5,"t","e",{}]"#, Field::Ref),
        (r#"["1",2e1,"t","e",{}]"#, Field::Ref),
        (r#"["1",18446744073709551616,"t","e",{}]"#, Field::Ref),
        (r#"["1",{},"t","e",{}]"#, Field::Ref),
        (r#"["1","2",null,"e",{}]"#, Field::Topic),
        (r#"["1","2",["t"],"e",{}]"#, Field::Topic),
        (r#"["1","2","\udc00\ud800","e",{}]"#, Field::Topic),
        (r#"["1","2","t",null,{}]"#, Field::Event),
        (r#"["1","2","t",5,{}]"#, Field::Event),
    ];
    let sides: [&dyn Serializer; 2] = [&V2, &V2Server];
    for (text, field) in table {
        for side in sides {
            let error = side.decode(Frame::text(text)).expect_err(text);
            assert_eq!(error.reason, DecodeCause::Field(field), "{text}");
            assert_eq!(error.frame, Frame::text(text));
        }
    }
}

#[test]
fn malformed_json_says_where() {
    let table = [
        ("", 1, 1),
        ("  ", 1, 3),
        ("null", 1, 1),
        ("{}", 1, 1),
        (r#""text""#, 1, 1),
        ("[", 1, 2),
        ("[,", 1, 2),
        ("[\n\"1\"\n x]", 3, 2),
        (r#"["1""2","t","e",{}]"#, 1, 5),
        (r#"["1","2","t","e",]"#, 1, 18),
        (r#"["1","2","t","e",{}"#, 1, 20),
        (r#"["1","2","t","e",{}]]"#, 1, 21),
        (r#"["1","2","t","e",{}] x"#, 1, 22),
        (r#"["1","2","t","e",{},]"#, 1, 21),
        (r#"["1","2","t","e",{},6 7]"#, 1, 23),
        (r#"["1","2","t","e",{"a":}]"#, 1, 23),
        (r#"["1","2","t","e",[1}]"#, 1, 20),
        (r#"["1","2","t","e",01]"#, 1, 19),
        (r#"["1","2","t","e","\x"]"#, 1, 20),
        ("[\"1\",\"2\",\"a\nb\",\"e\",{}]", 1, 12),
        ("\u{feff}[]", 1, 1),
    ];
    for (text, line, column) in table {
        let error = V2.decode(Frame::text(text)).expect_err(text);
        let DecodeCause::Json { line: at_line, column: at_column, .. } = error.reason else {
            panic!("{text}: {error}");
        };
        assert_eq!((at_line, at_column), (line, column), "{text}");
    }
}

#[test]
fn what_is_not_utf8_is_named_by_its_field() {
    let table: [(&[u8], Field); 6] = [
        (b"[\"\xff\",\"2\",\"t\",\"e\",{}]", Field::JoinRef),
        (b"[\"1\",\"2\xc3\",\"t\",\"e\",{}]", Field::Ref),
        (b"[\"1\",\"2\",\"t\xed\xa0\x80\",\"e\",{}]", Field::Topic),
        (b"[\"1\",\"2\",\"t\",\"e\xf0\x9f\",{}]", Field::Event),
        (b"[\"1\",\"2\",\"t\",\"e\",{\"a\":\"\x80\"}]", Field::Payload),
        (b"[\"1\",\"2\",\"t\",\"phx_reply\",{\"status\":\"\x80\"}]", Field::Payload),
    ];
    for (bytes, field) in table {
        let error = V2.decode(Frame::text(bytes)).expect_err("no text");
        assert_eq!(error.reason, DecodeCause::Utf8(field), "{}", bytes.escape_ascii());
        assert_eq!(error.frame, Frame::text(bytes));
    }
    for at in 0..500 {
        let mut frame = format!("[null,null,\"t\",\"e\",\"{}\"]", "x".repeat(500)).into_bytes();
        frame[21 + at] = 0x80;
        let error = V2.decode(Frame::text(frame)).expect_err("no text");
        assert_eq!(error.reason, DecodeCause::Utf8(Field::Payload), "{at}");
    }
    // An earlier mistake, or a place that belongs to no field.
    for bytes in [
        &b"\xff\xfe"[..],
        b"[\"1\" x \xff",
        b"[\"1\",\"2\",\"t\",\"e\",{}]\xff",
        b"[\"1\",\"2\",\"t\",\"e\",{},\"\xff\"]",
    ] {
        let error = V2.decode(Frame::text(bytes)).expect_err("no text");
        assert!(matches!(error.reason, DecodeCause::Json { .. }), "{}", bytes.escape_ascii());
    }
}
