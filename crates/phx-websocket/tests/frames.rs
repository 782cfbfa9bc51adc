//! Frames in both directions, without compression.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::Bytes;
use phx_websocket::{Codec, Error, Event, Masks, Message, SendError};
use proptest::prelude::*;

const MAX: usize = 1_000;

fn codec() -> Codec<impl Masks> {
    Codec::new(MAX, || [0; 4])
}

fn text(text: &str) -> Event {
    Event::Message(Message::Text(Bytes::copy_from_slice(text.as_bytes())))
}

/// A server's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(len as u8),
        len @ 126..=65_535 => {
            frame.push(126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// Everything that comes of bytes in pieces of `size`.
fn received(bytes: &[u8], size: usize) -> (Vec<Event>, Option<Error>, Vec<u8>) {
    let mut codec = codec();
    let mut events = Vec::new();
    for mut piece in bytes.chunks(size) {
        loop {
            match codec.receive(&mut piece) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(codec.receive(&mut piece), Err(error), "it stays");
                    return (events, Some(error), codec.output().to_vec());
                }
            }
        }
        assert!(piece.is_empty() || codec.is_congested());
    }
    (events, None, codec.output().to_vec())
}

#[track_caller]
fn assert_received(bytes: &[u8], expected: &[Event]) {
    for size in [1, 2, 3, 7, usize::MAX] {
        let (events, error, _) = received(bytes, size);
        assert_eq!((events.as_slice(), error), (expected, None), "in pieces of {size}");
    }
}

#[track_caller]
fn assert_error(bytes: &[u8], expected: Error) {
    for size in [1, 2, 7, usize::MAX] {
        let (_, error, output) = received(bytes, size);
        assert_eq!(error, Some(expected), "in pieces of {size}");
        let [high, low] = expected.close_code().to_be_bytes();
        assert!(output.ends_with(&[0x88, 0x82, 0, 0, 0, 0, high, low]), "it is reported");
    }
}

#[test]
fn messages_whole_and_in_fragments() {
    assert_received(&frame(0x81, b"abc"), &[text("abc")]);
    assert_received(&[], &[]);
    assert_received(&frame(0x81, b""), &[text("")]);
    let binary = Event::Message(Message::Binary(Bytes::from(vec![7; 300])));
    assert_received(&frame(0x82, &[7; 300]), &[binary]);
    let fragments = [frame(0x01, b"a"), frame(0x00, b""), frame(0x80, b"b"), frame(0x81, b"c")];
    assert_received(&fragments.concat(), &[text("ab"), text("c")]);
}

#[test]
fn control_frames_come_between_fragments() {
    let bytes = [frame(0x01, b"a"), frame(0x89, b"x"), frame(0x8A, b""), frame(0x80, b"b")];
    assert_received(&bytes.concat(), &[Event::Ping, Event::Pong, text("ab")]);
    let (_, _, output) = received(&bytes.concat(), 1);
    assert_eq!(output, [0x8A, 0x81, 0, 0, 0, 0, b'x'], "the pong has the ping's payload");
}

#[test]
fn lengths_that_are_longer_than_they_need_be() {
    let bytes = [&[0x81, 127, 0, 0, 0, 0, 0, 0, 0, 1][..], b"a"].concat();
    assert_received(&bytes, &[text("a")]);
}

#[test]
fn every_mistake_has_its_error() {
    for (bytes, error) in [
        (frame(0xC1, b"a"), Error::ReservedBits),
        (frame(0xA1, b"a"), Error::ReservedBits),
        (frame(0x91, b"a"), Error::ReservedBits),
        (frame(0x83, b"a"), Error::UnknownOpcode(3)),
        (frame(0x8B, b""), Error::UnknownOpcode(11)),
        (vec![0x81, 0x81, 0, 0, 0, 0, b'a'], Error::Masked),
        (frame(0x09, b""), Error::MalformedControl),
        (frame(0x89, &[0; 126]), Error::MalformedControl),
        (frame(0x80, b"a"), Error::UnexpectedContinuation),
        ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), Error::UnfinishedMessage),
        (frame(0x88, &[3]), Error::MalformedClose),
        (frame(0x88, &[3, 232, 0xFF]), Error::NotUtf8),
        (frame(0x81, &[0xFF]), Error::NotUtf8),
        (frame(0x81, "é".as_bytes().split_at(1).0), Error::NotUtf8),
        ([frame(0x01, "é".as_bytes().split_at(1).0), frame(0x80, b"a")].concat(), Error::NotUtf8),
        ([frame(0x01, &[0xFF]), frame(0x89, b"")].concat(), Error::NotUtf8),
    ] {
        assert_error(&bytes, error);
    }
}

#[test]
fn characters_may_be_split_anywhere() {
    let bytes = "aé😀".as_bytes();
    for cut in 0..=bytes.len() {
        let (first, rest) = bytes.split_at(cut);
        assert_received(&[frame(0x01, first), frame(0x80, rest)].concat(), &[text("aé😀")]);
    }
}

#[test]
fn a_length_over_the_limit_is_refused_before_its_bytes() {
    let too_large = Err(Error::TooLarge { max: MAX });
    let head = |len: u64| [&[0x82, 127][..], &len.to_be_bytes()].concat();
    for len in [MAX as u64 + 1, u64::MAX] {
        assert_eq!(codec().receive(&mut &*head(len)).map(|_| ()), too_large.map(|_: ()| ()));
    }
    assert_eq!(codec().receive(&mut &*head(MAX as u64)), Ok(None));
    let fragments = [frame(0x02, &[0; MAX]), frame(0x00, b""), frame(0x80, &[0])].concat();
    assert_error(&fragments, Error::TooLarge { max: MAX });
    let fragments = [frame(0x02, &[0; MAX - 1]), frame(0x00, b""), frame(0x80, &[0])].concat();
    assert_eq!(received(&fragments, 5).0.len(), 1);
}

#[test]
fn a_close_frame_is_answered_once_and_ends_everything() {
    let bytes = [frame(0x88, b"\x0F\xA1bye"), frame(0x89, b"late"), vec![0xFF]].concat();
    for size in [1, usize::MAX] {
        let (events, error, output) = received(&bytes, size);
        let [Event::Close(close)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((close.code, &*close.reason, error), (Some(4001), "bye", None));
        assert_eq!(output, [0x88, 0x82, 0, 0, 0, 0, 0x0F, 0xA1]);
    }
    // A code that must not be sent.
    let (events, ..) = received(&frame(0x88, &[3, 237]), 9);
    assert!(matches!(&*events, [Event::Close(close)] if close.code == Some(1002)), "{events:?}");
    let (events, _, output) = received(&frame(0x88, b""), 9);
    assert!(matches!(&*events, [Event::Close(close)] if close.code.is_none()), "{events:?}");
    assert_eq!(output, [0x88, 0x80, 0, 0, 0, 0]);
}

#[test]
fn nothing_follows_our_close_frame() {
    let mut codec = codec();
    codec.close(Some(1000), &"é".repeat(100));
    let message = || Message::Text(Bytes::from_static(b"a"));
    assert_eq!(codec.send(message(), true), Err(SendError::Closing));
    codec.close(Some(1001), "");
    let bytes = [frame(0x89, b"x"), frame(0x81, b"a"), frame(0x88, &[3, 232])].concat();
    let mut input = &*bytes;
    assert_eq!(codec.receive(&mut input), Ok(Some(Event::Ping)));
    assert_eq!(codec.receive(&mut input), Ok(Some(text("a"))), "the server's messages still come");
    assert!(matches!(codec.receive(&mut input), Ok(Some(Event::Close(_)))));
    let output = codec.output();
    assert_eq!(output.split_at(8).0, [0x88, 0x80 | 124, 0, 0, 0, 0, 3, 232]);
    assert_eq!(
        output.len(),
        6 + 124,
        "the reason is cut at a character, and no other frame follows"
    );

    for code in [None, Some(1005), Some(1006)] {
        let mut codec = self::codec();
        codec.close(code, "reason");
        assert_eq!(codec.output(), [0x88, 0x80, 0, 0, 0, 0]);
    }
}

#[test]
fn pongs_dont_pile_up() {
    let mut codec = codec();
    let pings = frame(0x89, b"x").repeat(100);
    let mut input = &*pings;
    let mut count = 0;
    while codec.receive(&mut input).unwrap().is_some() {
        count += 1;
    }
    assert_eq!((count, codec.is_congested(), input.len()), (64, true, 36 * 3));
    codec.advance(10);
    assert_eq!(codec.receive(&mut input), Ok(None), "some of it is still to be written");
    let left = codec.output().len();
    codec.advance(left);
    assert_eq!(codec.receive(&mut input), Ok(Some(Event::Ping)));
}

#[test]
fn messages_are_masked() {
    let mut masks = [[1, 2, 3, 4], [5, 6, 7, 8]].into_iter();
    let mut codec = Codec::new(MAX, move || masks.next().unwrap());
    codec.send(Message::Text(Bytes::from_static(b"hello")), true).unwrap();
    codec.send(Message::Binary(Bytes::from_static(b"\0\0")), false).unwrap();
    let hello = [0x81, 0x85, 1, 2, 3, 4, b'h' ^ 1, b'e' ^ 2, b'l' ^ 3, b'l' ^ 4, b'o' ^ 1];
    assert_eq!(codec.output(), [&hello[..], &[0x82, 0x82, 5, 6, 7, 8, 5, 6]].concat());
    codec.advance(hello.len());
    assert_eq!(codec.output(), [0x82, 0x82, 5, 6, 7, 8, 5, 6]);
    let message = Message::Text(Bytes::from_static(&[0xFF]));
    assert_eq!(codec.send(message, false), Err(SendError::NotUtf8));
}

#[test]
fn keys_are_those_of_the_standard() {
    assert_eq!(phx_websocket::key(*b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
}

#[test]
fn debug_shows_no_contents() {
    let mut codec = codec();
    codec.send(Message::Text(Bytes::from_static(b"hunter2")), false).unwrap();
    let event = text("hunter2");
    let shown = format!("{codec:?} {event:?}");
    assert!(!shown.contains("hunter") && shown.contains("13 bytes"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any bytes give the same in any pieces, and answers are limited.
    #[test]
    fn pieces_change_nothing(
        frames in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..200)), 0..12),
        size in 1_usize..40,
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(*first & 0x8F, payload)).collect();
        let whole = received(&bytes, usize::MAX);
        prop_assert!(whole.2.len() <= 3 * bytes.len() + 8);
        prop_assert_eq!(received(&bytes, size), whole);
    }
}
