//! Allocations of decoding and encoding.

use allocation_counter::measure;
use bytes::{BufMut as _, BytesMut};
use phx_proto::{Frame, Message, Payload, Ref, Serializer, Status, V1, V1Server, V2, V2Server};

/// Makes a frame as a WebSocket library does: a slice of its read buffer, which is shared. (The first slice of a `Bytes`
/// made from a `Vec` allocates the reference count.)
fn received(bytes: &[u8]) -> BytesMut {
    let mut buffer = BytesMut::with_capacity(2 * bytes.len());
    buffer.put_slice(bytes);
    buffer.split()
}

fn allocations_of_decode(side: &dyn Serializer, frame: Frame) -> u64 {
    let mut decoded = None;
    let counted = measure(|| decoded = Some(side.decode(frame)));
    assert!(matches!(decoded, Some(Ok(_))), "{decoded:?}");
    counted.count_total
}

#[test]
fn decoding_allocates_nothing() {
    let diff = r#"{"joins":{"ann":{"metas":[{"phx_ref":"F1","at":[1,[2,[3]]]}]}},"leaves":{}}"#;
    let reply = format!(r#"{{"response":{diff},"status":"weird"}}"#);
    let texts: [(&dyn Serializer, String); 7] = [
        (&V2, format!(r#"[null,null,"room:a","presence_diff",{diff}]"#)),
        (&V2, format!(r#"["1","7","room:a","phx_reply",{reply}]"#)),
        (&V2, format!(r#"["not a number",null,"room:a","pushed",{diff}]"#)),
        (&V2Server, format!(r#"["1","7","room:a","new_msg",{diff}]"#)),
        (&V1, format!(r#"{{"event":"shout","payload":{diff},"ref":null,"topic":"room:a"}}"#)),
        (&V1, format!(r#"{{"event":"phx_reply","payload":{reply},"ref":"7","topic":"room:a"}}"#)),
        (&V1Server, format!(r#"{{"event":"e","payload":{diff},"ref":"7","topic":"room:a"}}"#)),
    ];
    for (side, text) in texts {
        let frame = Frame::text(received(text.as_bytes()));
        assert_eq!(allocations_of_decode(side, frame), 0, "{text}");
    }
    let binaries: [(&dyn Serializer, &[u8]); 4] = [
        (&V2, b"\x02\x06\x05room:ashoutdata"),
        (&V2, b"\x00\x01\x06\x061room:apusheddata"),
        (&V2, b"\x01\x01\x01\x06\x0217room:aokdata"),
        (&V2Server, b"\x00\x01\x01\x06\x0717room:anew_msgdata"),
    ];
    for (side, bytes) in binaries {
        let frame = Frame::binary(received(bytes));
        assert_eq!(allocations_of_decode(side, frame), 0, "{}", bytes.escape_ascii());
    }
}

#[test]
fn the_counter_counts() {
    let escaped = Frame::text(received(br#"[null,null,"room:\u0061","shout",{}]"#));
    assert!(allocations_of_decode(&V2, escaped) > 0);
}

#[test]
fn encoding_allocates_one_buffer_of_the_right_size() {
    let payload = Payload::json(&[[1, 2], [3, 4]]).unwrap();
    let push = |payload| {
        Message::new("room:a", "new_msg", payload)
            .with_join_ref(Some(Ref::from(u64::MAX)))
            .with_reference(Some(Ref::from("not a number")))
    };
    let reply = |payload| Message::reply("room:a", Some(Ref::from(0)), Status::Ok, payload);
    let messages: [(&dyn Serializer, Message); 8] = [
        (&V2, push(payload.clone())),
        (&V2, Message::new("phoenix", "heartbeat", Payload::empty())),
        (&V2, push(Payload::binary("data"))),
        (&V2Server, reply(payload.clone())),
        (&V2Server, reply(Payload::binary("data"))),
        (&V2Server, Message::new("room:a", "shout", Payload::binary("data"))),
        (&V1, push(payload.clone()).with_join_ref(None)),
        (&V1Server, reply(payload)),
    ];
    for (side, message) in messages {
        let mut encoded = None;
        let counted = measure(|| encoded = Some(side.encode(&message)));
        let len = encoded.unwrap().unwrap().len();
        assert_eq!(counted.count_total, 1, "{side:?} {message:?}");
        assert_eq!(counted.bytes_total, len as u64, "{side:?} {message:?}");
    }
}
