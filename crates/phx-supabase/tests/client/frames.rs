//! The codec: the frames of the recordings, round trips, and frames that aren't whole.

use std::path::Path;

use phx_client::{
    ByteString, DecodeCause, Field, Frame, Message, Payload, Ref, Serializer, events,
};
use phx_conformance::recordings::{self, Side};
use phx_supabase::{Broadcast, USER_BROADCAST, V2};
use proptest::prelude::*;

/// A frame of kind 4, made without the crate.
fn kind_4(topic: &str, event: &str, meta: &str, encoding: u8, payload: &[u8]) -> Frame {
    let mut frame = vec![4];
    frame.extend([topic, event, meta].map(|name| u8::try_from(name.len()).unwrap()));
    frame.push(encoding);
    for part in [topic.as_bytes(), event.as_bytes(), meta.as_bytes(), payload] {
        frame.extend_from_slice(part);
    }
    Frame::binary(frame)
}

fn read(message: &Message) -> Broadcast {
    assert_eq!(message.event, USER_BROADCAST);
    Broadcast::read(&message.payload).unwrap()
}

#[test]
fn a_push_is_byte_for_byte_that_of_the_official_client() {
    // js_broadcast_send: `{"x":1}` as `cursor` on `realtime:send1`, join ref 6, ref 7.
    let broadcast = Broadcast::new("cursor", Payload::from_json_text(r#"{"x":1}"#).unwrap());
    let message = Message::new("realtime:send1", USER_BROADCAST, broadcast.to_payload().unwrap())
        .with_join_ref(Some(Ref::from(6)))
        .with_reference(Some(Ref::from(7)));
    let wanted = b"\x03\x01\x01\x0e\x06\x00\x0167realtime:send1cursor{\"x\":1}";
    assert_eq!(V2.encode(&message).unwrap(), Frame::binary(&wanted[..]));
    assert!(V2.check(&message).is_ok());

    let broadcast = Broadcast::new("cursor", Payload::binary(&b"\x01\x02\xff"[..]))
        .with_meta(Payload::from_json_text(r#"{"persist":true}"#).unwrap());
    let message = Message::new("realtime:send1", USER_BROADCAST, broadcast.to_payload().unwrap());
    let wanted = b"\x03\x00\x00\x0e\x06\x10\x00realtime:send1cursor{\"persist\":true}\x01\x02\xff";
    assert_eq!(V2.encode(&message).unwrap(), Frame::binary(&wanted[..]));
}

#[test]
fn frames_that_are_not_whole_are_errors_with_the_frame() {
    let whole = kind_4("realtime:a", "cursor", "{}", 1, b"");
    for len in 1..whole.len() {
        let cut = Frame::binary(whole.as_bytes().slice(..len));
        let error = V2.decode(cut.clone()).unwrap_err();
        let DecodeCause::Truncated(field) = error.reason else { panic!("{error}") };
        let wanted = match len {
            ..5 => Field::Header,
            5..15 => Field::Topic,
            15..21 => Field::Event,
            _ => Field::Custom(&"metadata"),
        };
        assert_eq!((field, error.frame), (wanted, cut.clone()));
        assert_eq!(V2.topic(&cut).is_some(), len >= 15);
    }
    let error = V2.decode(kind_4("a", "b", "", 2, b"")).unwrap_err();
    assert_eq!(error.reason, DecodeCause::Field(Field::Custom(&"encoding")));
    for (frame, field) in [
        (&b"\x04\x01\x01\x00\x00\xffb"[..], Field::Topic),
        (b"\x04\x01\x01\x00\x00a\xff", Field::Event),
    ] {
        assert_eq!(V2.decode(Frame::binary(frame)).unwrap_err().reason, DecodeCause::Utf8(field));
    }
    assert_eq!(
        V2.decode(Frame::binary(&b"\x03"[..])).unwrap_err().reason,
        DecodeCause::UnknownKind(3)
    );
}

#[test]
fn a_broadcast_is_decoded_and_read_without_an_allocation() {
    for frame in [
        kind_4("realtime:room", "cursor", "", 0, &[7; 76]),
        kind_4("realtime:room", "cursor", r#"{"id":"a"}"#, 1, br#"{"x":1}"#),
    ] {
        // The buffer's first clone makes its counter.
        let _shared = frame.clone();
        let mut event = None;
        let counts = allocation_counter::measure(|| {
            event = Some(read(&V2.decode(frame.clone()).unwrap()).event);
        });
        assert_eq!((counts.count_total, event.as_deref()), (0, Some("cursor")));
    }
}

#[test]
fn other_frames_are_phoenixs() {
    let join = Message::new("realtime:a", events::JOIN, Payload::empty());
    let text = V2.encode(&join).unwrap();
    assert_eq!(text, Frame::text(r#"[null,null,"realtime:a","phx_join",{}]"#));
    assert_eq!(V2.decode(text).unwrap(), join);
    let raw = Message::new("realtime:a", "raw", Payload::binary("b"));
    assert_eq!(V2.decode(Frame::binary(&b"\x02\x0a\x03realtime:arawb"[..])).unwrap(), raw);
}

proptest! {
    #[test]
    fn what_is_sent_comes_back(
        topic in "\\PC{0,60}", event in "\\PC{0,60}", meta in proptest::option::of("[a-z]{1,200}"),
        refs in proptest::option::of((any::<u64>(), any::<u64>())),
        data in proptest::collection::vec(any::<u8>(), 0..300), is_json in any::<bool>(),
    ) {
        let payload = if is_json { Payload::json(&data).unwrap() } else { Payload::binary(data) };
        let mut broadcast = Broadcast::new(event, payload);
        broadcast.meta = meta.map(|meta| Payload::json(&meta).unwrap());
        let message = Message::new(topic.clone(), USER_BROADCAST, broadcast.to_payload().unwrap())
            .with_join_ref(refs.map(|refs| Ref::from(refs.0)))
            .with_reference(refs.map(|refs| Ref::from(refs.1)));
        // What the server makes of a push: the refs go, and the rest is a frame of kind 4.
        let frame = V2.encode(&message).unwrap().into_bytes();
        let [3, join_ref, reference, lengths @ .., encoding] = *frame.first_chunk::<7>().unwrap() else {
            panic!()
        };
        let names = 7 + usize::from(join_ref) + usize::from(reference);
        let mut echo = vec![4];
        echo.extend(lengths);
        echo.push(encoding);
        echo.extend_from_slice(&frame[names..]);
        let back = V2.decode(Frame::binary(echo)).unwrap();
        prop_assert_eq!(&*back.topic, &*topic);
        prop_assert_eq!(read(&back), broadcast);
    }

    #[test]
    fn no_frame_panics(mut data in proptest::collection::vec(any::<u8>(), 0..64), kind in 0_u8..6) {
        if let Some(first) = data.first_mut() {
            *first = kind;
        }
        let frame = Frame::binary(data);
        let topic = V2.topic(&frame);
        if let Ok(message) = V2.decode(frame.clone()) {
            if message.event == USER_BROADCAST {
                read(&message);
            }
            prop_assert_eq!(topic.unwrap_or_default(), message.topic);
        }
        let _ = Broadcast::read(&Payload::binary(frame.into_bytes()));
    }
}

/// The event, the payload and the metadata that the client of a recording showed its user.
#[test]
fn every_broadcast_of_the_recordings_is_read_and_every_push_made_again() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/transcripts"));
    let (mut read_ones, mut made, mut texts) = (0, 0, 0);
    for name in recordings::Recording::names_in(folder).unwrap() {
        for line in recordings::Recording::open_in(folder, &name).unwrap().lines {
            let Some(frame) = line.frame() else { continue };
            let bytes = frame.as_bytes().clone();
            match (line.from, bytes.first()) {
                (Side::Server, Some(4)) if !frame.is_text() => {
                    let message = V2.decode(frame.clone()).unwrap();
                    let broadcast = read(&message);
                    let meta = broadcast.meta.as_ref().map(|meta| meta.as_json().unwrap());
                    let encoding = u8::from(!broadcast.payload.is_binary());
                    let payload = broadcast.payload.as_bytes();
                    let meta = meta.unwrap_or_default();
                    let again = kind_4(&message.topic, &broadcast.event, meta, encoding, payload);
                    assert_eq!(again, frame, "{name}");
                    read_ones += 1;
                }
                (Side::Client, Some(3)) if !frame.is_text() => {
                    let [_, join_ref, reference, topic, event, meta, encoding] =
                        *bytes.first_chunk::<7>().unwrap();
                    let mut at = 7;
                    let mut part = |len: u8| {
                        let part = bytes.slice(at..at + usize::from(len));
                        at += usize::from(len);
                        ByteString::try_from(part).unwrap()
                    };
                    let [join_ref, reference, topic, event, meta] =
                        [join_ref, reference, topic, event, meta].map(&mut part);
                    let payload = match encoding {
                        1 => Payload::from_json_text(bytes.slice(at..)).unwrap(),
                        _ => Payload::binary(bytes.slice(at..)),
                    };
                    let mut broadcast = Broadcast::new(event, payload);
                    broadcast.meta = (!meta.is_empty())
                        .then(|| Payload::from_json_text(meta.into_bytes()).unwrap());
                    let message =
                        Message::new(topic, USER_BROADCAST, broadcast.to_payload().unwrap())
                            .with_join_ref(Some(Ref::from(join_ref)))
                            .with_reference(Some(Ref::from(reference)));
                    assert_eq!(V2.encode(&message).unwrap(), frame, "{name}");
                    made += 1;
                }
                (Side::Server, _) if frame.is_text() => {
                    let Ok(message) = V2.decode(frame) else { continue };
                    if message.event == "broadcast" {
                        assert!(Broadcast::read(&message.payload).is_some(), "{name}");
                        texts += 1;
                    }
                }
                _ => {}
            }
        }
    }
    println!("{read_ones} broadcasts read, {made} pushes made again, {texts} in text");
    assert!(read_ones >= 10 && made >= 7 && texts >= 4, "{read_ones} {made} {texts}");
}
