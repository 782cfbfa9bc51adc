//! V2's binary frames, in both directions.

use phx_proto::{
    DecodeCause, EncodeError, Field, Frame, Message, Payload, Ref, Serializer, Status, V2,
    V2Server, events,
};

fn number(number: u64) -> Option<Ref> {
    Some(Ref::from(number))
}

fn message() -> Message {
    Message::new("t:\u{e9}", "ev", Payload::binary(&b"\x00\xffdata"[..]))
}

#[test]
fn a_client_s_push_reaches_the_server() {
    let push = message().with_join_ref(number(1)).with_reference(number(10));
    let frame = V2.encode(&push).unwrap();
    assert_eq!(frame, Frame::binary(&b"\x00\x01\x02\x04\x02110t:\xc3\xa9ev\x00\xffdata"[..]));
    assert_eq!(V2Server.decode(frame), Ok(push));
}

#[test]
fn a_server_s_frames_reach_the_client() {
    let mut reply = message().with_join_ref(number(1)).with_reference(number(10));
    reply.event = events::REPLY;
    reply.status = Some(Status::Other("so".into()));
    let table = [
        (reply, &b"\x01\x01\x02\x04\x02110t:\xc3\xa9so\x00\xffdata"[..]),
        (message().with_join_ref(number(1)), b"\x00\x01\x04\x021t:\xc3\xa9ev\x00\xffdata"),
        (message(), b"\x02\x04\x02t:\xc3\xa9ev\x00\xffdata"),
    ];
    for (message, written) in table {
        let frame = V2Server.encode(&message).unwrap();
        assert_eq!(frame, Frame::binary(written));
        assert_eq!(V2.decode(frame), Ok(message));
    }
}

/// phoenix.js decodes the names of a binary frame as a browser decodes a file, and drops the mark.
#[test]
fn a_byte_order_mark_is_a_part_of_a_name() {
    let topic = "\u{feff}room:a";
    let sent = Message::new(topic, "news", Payload::binary(vec![1]));
    let received = V2.decode(V2Server.encode(&sent).unwrap()).unwrap();
    assert_eq!(received.topic, topic);
}

#[test]
fn payload_names_and_refs_may_be_empty() {
    let empty = Message::new("", "", Payload::binary(""));
    assert_eq!(V2Server.decode(Frame::binary(&[0; 5][..])).as_ref(), Ok(&empty));
    for frame in [&[0; 4][..], &[2, 0, 0]] {
        assert_eq!(V2.decode(Frame::binary(frame)).as_ref(), Ok(&empty));
    }
    let reply = V2.decode(Frame::binary(&b"\x01\x00\x00\x00\x02ok"[..])).unwrap();
    assert_eq!((reply.join_ref, reply.reference, reply.status), (None, None, Some(Status::Ok)));
    assert!(reply.payload.is_binary() && reply.payload.is_empty());
}

#[test]
fn every_cut_is_an_error_that_names_the_place() {
    use Field::{Event, Header, JoinRef, Ref, Status, Topic};
    let client: (&dyn Serializer, _) = (&V2, "client");
    let server: (&dyn Serializer, _) = (&V2Server, "server");
    let table: [(_, &[u8], &[Field]); 4] = [
        (
            server,
            b"\x00\x01\x01\x01\x01jrte",
            &[Header, Header, Header, Header, JoinRef, Ref, Topic, Event],
        ),
        (client, b"\x00\x01\x01\x01jte", &[Header, Header, Header, JoinRef, Topic, Event]),
        (
            client,
            b"\x01\x01\x01\x01\x01jrts",
            &[Header, Header, Header, Header, JoinRef, Ref, Topic, Status],
        ),
        (client, b"\x02\x01\x01te", &[Header, Header, Topic, Event]),
    ];
    for ((side, name), whole, fields) in table {
        assert!(side.decode(Frame::binary(whole)).is_ok());
        assert_eq!(whole.len(), fields.len() + 1);
        for (index, field) in fields.iter().enumerate() {
            let cut = Frame::binary(&whole[..=index]);
            let error = side.decode(cut.clone()).unwrap_err();
            let kind = whole[0];
            assert_eq!(error.reason, DecodeCause::Truncated(*field), "{name} {kind} {index}");
            assert_eq!(error.frame, cut);
        }
        let error = side.decode(Frame::binary("")).unwrap_err();
        assert_eq!(error.reason, DecodeCause::Empty);
    }
}

#[test]
fn names_that_are_not_utf8_are_named() {
    let table: [(&dyn Serializer, &[u8], Field); 5] = [
        (&V2Server, b"\x00\x01\x01\x01\x01\xffrte", Field::JoinRef),
        (&V2Server, b"\x00\x01\x01\x01\x01j\xffte", Field::Ref),
        (&V2, b"\x02\x01\x01\xffe", Field::Topic),
        // The second half of a character is in the payload.
        (&V2, b"\x02\x01\x01t\xc3\xa9", Field::Event),
        (&V2, b"\x01\x00\x00\x01\x01t\x80", Field::Status),
    ];
    for (side, bytes, field) in table {
        let error = side.decode(Frame::binary(bytes)).unwrap_err();
        assert_eq!(error.reason, DecodeCause::Utf8(field), "{}", bytes.escape_ascii());
    }
}

#[test]
fn other_kinds_are_unknown() {
    for kind in 0..=255_u8 {
        let frame = Frame::binary(vec![kind, 0, 0, 0, 0]);
        let unknown = Err(DecodeCause::UnknownKind(kind));
        let client = V2.decode(frame.clone()).map(|_| ()).map_err(|error| error.reason);
        let server = V2Server.decode(frame).map(|_| ()).map_err(|error| error.reason);
        assert_eq!(client, if kind <= 2 { Ok(()) } else { unknown.clone() });
        assert_eq!(server, if kind == 0 { Ok(()) } else { unknown });
    }
}

#[test]
fn names_have_room_for_255_bytes() {
    // Bytes, not characters.
    let fits = format!("{}x", "\u{e9}".repeat(127));
    let too_long = "\u{e9}".repeat(128);
    let refs = |reference: &str| Some(Ref::from(reference));
    let whole = Message::new(fits.as_str(), fits.as_str(), Payload::binary("x"))
        .with_join_ref(refs(&fits))
        .with_reference(refs(&fits));
    assert_eq!(V2Server.decode(V2.encode(&whole).unwrap()), Ok(whole.clone()));

    let refused = |side: &dyn Serializer, message: &Message, name: Field| {
        let error = side.encode(message).unwrap_err();
        let EncodeError::TooLong { field, len: 256, .. } = error else { panic!("{error:?}") };
        assert_eq!(field, name);
    };
    let with = |change: &dyn Fn(&mut Message)| {
        let mut message = whole.clone();
        change(&mut message);
        message
    };
    let long_topic = with(&|message| message.topic = too_long.as_str().into());
    let long_event = with(&|message| message.event = too_long.as_str().into());
    let long_join_ref = with(&|message| message.join_ref = refs(&too_long));
    let long_ref = with(&|message| message.reference = refs(&too_long));
    let long_status = with(&|message| message.status = Some(Status::from(too_long.as_str())));
    refused(&V2, &long_topic, Field::Topic);
    refused(&V2, &long_event, Field::Event);
    refused(&V2, &long_join_ref, Field::JoinRef);
    refused(&V2, &long_ref, Field::Ref);
    refused(&V2Server, &long_topic, Field::Topic);
    refused(&V2Server, &long_event, Field::Event);
    refused(&V2Server, &long_join_ref, Field::JoinRef);
    refused(&V2Server, &long_status, Field::Status);
    // Text frames have no such limit.
    let text = with(&|message| {
        message.topic = too_long.as_str().into();
        message.payload = Payload::empty();
    });
    assert_eq!(V2Server.decode(V2.encode(&text).unwrap()), Ok(text));
}

#[test]
fn a_client_sends_neither_binary_joins_nor_binary_replies() {
    let join = Message::new("t", events::JOIN, Payload::binary("x"));
    assert_eq!(V2.encode(&join), Err(EncodeError::BinaryJoin));
    let reply = Message::reply("t", number(1), Status::Ok, Payload::binary("x"));
    assert_eq!(V2.encode(&reply), Err(EncodeError::BinaryReply));
}
