//! permessage-deflate: streams in step, limits, and what servers make of the client's messages.
#![cfg(feature = "deflate")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use phx_websocket::{Agreed, Codec, Error, Event, Masks, Message, Offer};
use proptest::prelude::*;

const MAX: usize = 1 << 20;
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

fn agreed(takeover: bool, bits: u8) -> Agreed {
    let offer = Offer::new().context_takeover(takeover).window_bits(bits);
    let header = offer.header();
    // A server that grants what is asked for.
    let answer = header.replace("client_max_window_bits", "client_max_window_bits=15");
    let answer = if bits == 15 { answer } else { header };
    offer.check([answer.as_str()]).unwrap().unwrap()
}

fn codec(takeover: bool, bits: u8, threshold: usize) -> Codec<impl Masks> {
    Codec::new(MAX, || [0; 4]).with_deflate(agreed(takeover, bits), threshold)
}

fn binary(data: &[u8]) -> Message {
    Message::Binary(Bytes::copy_from_slice(data))
}

/// The server's end, as the libraries of servers do it: one stream per connection, or one per message.
struct Server {
    inflate: Decompress,
    deflate: Compress,
    keeps_context: bool,
}

impl Server {
    fn new(keeps_context: bool, bits: u8) -> Self {
        Server {
            inflate: Decompress::new_with_window_bits(false, bits),
            deflate: Compress::new_with_window_bits(Compression::default(), false, bits),
            keeps_context,
        }
    }

    /// Inflates a message.
    fn inflate(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut output = Vec::with_capacity(MAX + 100);
        let input = [payload, &TAIL].concat();
        let taken = self.inflate.total_in();
        let status =
            self.inflate.decompress_vec(&input, &mut output, FlushDecompress::Sync).unwrap();
        assert_eq!(status, Status::Ok, "no final block");
        assert_eq!(self.inflate.total_in() - taken, input.len() as u64);
        if !self.keeps_context {
            self.inflate.reset(false);
        }
        output
    }

    /// A compressed message, without its tail.
    fn deflate(&mut self, data: &[u8]) -> Vec<u8> {
        let mut output = Vec::with_capacity(data.len() + 1_000);
        self.deflate.compress_vec(data, &mut output, FlushCompress::Sync).unwrap();
        if !self.keeps_context {
            self.deflate.reset();
        }
        if output.is_empty() {
            // zlib flushes only once for the same input. RFC 7692, section 7.2.3.6, has this for an empty message.
            return vec![0];
        }
        assert!(output.ends_with(&TAIL));
        output.truncate(output.len() - TAIL.len());
        output
    }
}

/// The frames that a codec has to send: first byte and payload.
fn sent(codec: &mut Codec<impl Masks>) -> Vec<(u8, Vec<u8>)> {
    while !codec.step() {}
    let mut frames = Vec::new();
    let mut rest = codec.output();
    while let [first, len, after @ ..] = rest {
        let (len, after) = match len & 0x7F {
            126 => (u64::from(u16::from_be_bytes(*after.first_chunk().unwrap())), &after[2..]),
            127 => (u64::from_be_bytes(*after.first_chunk().unwrap()), &after[8..]),
            len => (u64::from(len), after),
        };
        let (payload, after) = after[4..].split_at(len as usize);
        frames.push((*first, payload.to_vec()));
        rest = after;
    }
    let len = codec.output().len();
    codec.advance(len);
    frames
}

/// A server's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    match u8::try_from(payload.len()) {
        Ok(len @ ..126) => [&[first, len][..], payload].concat(),
        _ => [&[first, 127][..], &(payload.len() as u64).to_be_bytes(), payload].concat(),
    }
}

/// The binary messages that come of bytes in pieces, with the largest number of bytes that one call inflated.
fn received(codec: &mut Codec<impl Masks>, bytes: &[u8], size: usize) -> Result<Vec<Bytes>, Error> {
    let mut messages = Vec::new();
    for mut piece in bytes.chunks(size) {
        loop {
            match codec.receive(&mut piece)? {
                Some(Event::Message(message)) => messages.push(message.as_bytes().clone()),
                Some(_) => {}
                None if codec.has_more() => {}
                None => break,
            }
        }
    }
    Ok(messages)
}

#[test]
fn answers_are_those_to_the_offer() {
    let plain = Offer::new();
    let takeover = Offer::new().context_takeover(true);
    let small = Offer::new().context_takeover(true).window_bits(10);
    assert_eq!(
        plain.header(),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
    );
    assert_eq!(takeover.header(), "permessage-deflate; client_max_window_bits");
    assert_eq!(
        small.header(),
        "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10"
    );
    assert_eq!(Offer::new().window_bits(3), Offer::new().window_bits(9));
    assert_eq!(Offer::new().window_bits(16), Offer::default());

    // Server's takeover and bits, the client's.
    type Expected = Result<(bool, u8, bool, u8), &'static str>;
    let twice = "it names permessage-deflate or one of its parameters twice";
    let parameter = "it has an unknown or malformed parameter of permessage-deflate";
    let beyond = "it asks for more memory than the offer of permessage-deflate allows";
    let other = "it names an extension that wasn't offered";
    let answers: &[(Offer, &str, Expected)] = &[
        (takeover, "permessage-deflate", Ok((true, 15, true, 15))),
        (takeover, "permessage-deflate;client_max_window_bits=15", Ok((true, 15, true, 15))),
        (takeover, "permessage-deflate ; client_max_window_bits=8", Ok((true, 15, true, 8))),
        (takeover, "Permessage-Deflate; server_max_window_bits=\"9\"", Ok((true, 9, true, 15))),
        (takeover, "permessage-deflate; server_no_context_takeover", Ok((false, 15, true, 15))),
        (takeover, "permessage-deflate; client_no_context_takeover", Ok((true, 15, false, 15))),
        (plain, "permessage-deflate;server_no_context_takeover", Ok((false, 15, false, 15))),
        (plain, "permessage-deflate; client_no_context_takeover", Err(beyond)),
        (plain, "permessage-deflate", Err(beyond)),
        (small, "permessage-deflate; server_max_window_bits=10", Ok((true, 10, true, 10))),
        (
            small,
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
            Ok((true, 9, true, 9)),
        ),
        (small, "permessage-deflate; server_max_window_bits=11", Err(beyond)),
        (small, "permessage-deflate; client_max_window_bits=10", Err(beyond)),
        (takeover, "permessage-deflate; server_max_window_bits=7", Err(parameter)),
        (takeover, "permessage-deflate; server_max_window_bits=16", Err(parameter)),
        (takeover, "permessage-deflate; server_max_window_bits=010", Err(parameter)),
        (takeover, "permessage-deflate; server_max_window_bits=+9", Err(parameter)),
        (takeover, "permessage-deflate; server_max_window_bits", Err(parameter)),
        (takeover, "permessage-deflate; client_max_window_bits", Err(parameter)),
        (takeover, "permessage-deflate; server_no_context_takeover=1", Err(parameter)),
        (takeover, "permessage-deflate; fast", Err(parameter)),
        (takeover, "permessage-deflate;", Err(parameter)),
        (
            takeover,
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            Err(twice),
        ),
        (
            takeover,
            "permessage-deflate; client_max_window_bits=9;client_max_window_bits=9",
            Err(twice),
        ),
        (takeover, "permessage-deflate, permessage-deflate", Err(twice)),
        (takeover, "x-webkit-deflate-frame", Err(other)),
        (takeover, "permessage-bzip2", Err(other)),
    ];
    for (offer, answer, expected) in answers {
        let agreed = offer.check([*answer]);
        let agreed = agreed.map(Option::unwrap).map_err(|error| error.to_string());
        let found = agreed
            .map(|it| (it.server_takeover, it.server_bits, it.client_takeover, it.client_bits));
        assert_eq!(found, expected.map_err(ToOwned::to_owned), "{answer}");
    }
    for none in [&[][..], &[""], &["", " , "]] {
        assert_eq!(takeover.check(none.iter().copied()), Ok(None));
    }
    let lines = ["permessage-deflate", "permessage-deflate"];
    assert!(takeover.check(lines).is_err(), "in two headers");
}

/// What a push of 1 kB looks like.
fn row(number: usize) -> Vec<u8> {
    let body = "the quick brown fox jumps over the lazy dog and runs away from it. ".repeat(15);
    format!(r#"["3","{number}","room:lobby","new_msg",{{"id":{number},"body":"{body}"}}]"#)
        .into_bytes()
}

/// Bytes on the wire of 100 rows, after they were inflated by a server.
fn rows_on_the_wire(takeover: bool) -> (usize, usize) {
    let (mut codec, mut server) = (codec(takeover, 15, 64), Server::new(takeover, 15));
    let (mut plain, mut wire) = (0, 0);
    for number in 0..100 {
        let row = row(number);
        codec.send(Message::Text(Bytes::from(row.clone())), true).unwrap();
        let [(0xC1, payload)] = &sent(&mut codec)[..] else { panic!("one compressed frame") };
        assert!(payload.len() * 20 >= row.len(), "no ratio over 20");
        assert_eq!(server.inflate(payload), row);
        (plain, wire) = (plain + row.len(), wire + payload.len());
    }
    (plain, wire)
}

#[test]
fn rows_take_an_eighteenth_and_no_ratio_is_over_20() {
    let (plain, wire) = rows_on_the_wire(true);
    println!("with takeover {plain} -> {wire}");
    assert!(wire * 18 <= plain, "{wire} of {plain}");
    let (plain, wire) = rows_on_the_wire(false);
    println!("without {plain} -> {wire}");
}

#[test]
fn a_letter_many_times_is_padded_and_the_streams_stay_in_step() {
    for takeover in [false, true] {
        let (mut codec, mut server) = (codec(takeover, 15, 64), Server::new(takeover, 15));
        for data in [vec![b'a'; 200_000], row(1), vec![b'a'; 200_000], vec![b'a'; 64]] {
            codec.send(binary(&data), true).unwrap();
            let [(0xC2, payload)] = &sent(&mut codec)[..] else { panic!("one compressed frame") };
            assert!(
                (data.len()..data.len() + 105 * 20).contains(&(payload.len() * 20))
                    || data.len() < 2_000
            );
            assert_eq!(server.inflate(payload), data);
        }
    }
}

#[test]
fn empty_messages_come_after_others() {
    for takeover in [true, false] {
        let (mut codec, mut server) = (codec(takeover, 15, 1), Server::new(takeover, 15));
        for data in ["some text", "", "", "more text", ""] {
            let bytes = frame(0xC2, &server.deflate(data.as_bytes()));
            assert_eq!(received(&mut codec, &bytes, usize::MAX).unwrap(), [data]);
        }
    }
}

#[test]
fn what_must_not_be_compressed_is_not() {
    let mut codec = codec(true, 15, 64);
    for (data, compress) in [(row(1), false), (vec![b'a'; 63], true), (vec![], true)] {
        codec.send(binary(&data), compress).unwrap();
        assert_eq!(sent(&mut codec), [(0x82, data)]);
    }
    // Nothing of it is in the context: the secret's length shows nothing.
    let mut other = self::codec(true, 15, 64);
    for codec in [&mut codec, &mut other] {
        codec.send(binary(&row(1)), true).unwrap();
    }
    assert_eq!(sent(&mut codec), sent(&mut other));
}

#[test]
fn control_frames_dont_wait_for_a_message_that_is_being_compressed() {
    let (mut codec, mut server) = (codec(true, 15, 64), Server::new(true, 15));
    let data: Vec<u8> =
        (0..200_000_u32).flat_map(|i| i.wrapping_mul(0x9E37_79B9).to_le_bytes()).collect();
    codec.send(binary(&data), true).unwrap();
    assert!(codec.output().is_empty());
    assert_eq!(codec.receive(&mut &*frame(0x89, b"x")), Ok(Some(Event::Ping)));
    let mut steps = 1;
    while !codec.step() {
        steps += 1;
    }
    assert_eq!(steps, 800_000 / (32 << 10), "each call compresses 32 KiB");
    let frames = sent(&mut codec);
    assert_eq!((frames.len(), frames[0].0, frames[1].0), (2, 0x8A, 0xC2));
    assert_eq!(server.inflate(&frames[1].1), data);

    codec.send(binary(&data), true).unwrap();
    codec.close(Some(1000), "");
    assert_eq!(sent(&mut codec), [(0x88, vec![3, 232])], "the close frame gives it up");
}

#[test]
fn pings_between_compressed_fragments_are_answered_at_once() {
    let payload = Server::new(true, 15).deflate(&row(7));
    let (first, rest) = payload.split_at(20);
    let mut codec = codec(true, 15, 64);
    let bytes = [frame(0x42, first), frame(0x89, b"x"), frame(0x80, rest)].concat();
    let mut input = &*bytes;
    assert_eq!(codec.receive(&mut input), Ok(Some(Event::Ping)));
    assert_eq!(codec.receive(&mut input), Ok(Some(Event::Message(binary(&row(7))))));
    let bytes = [frame(0x02, b"a"), frame(0xC0, b"b")].concat();
    assert_eq!(
        received(&mut codec, &bytes, 100),
        Err(Error::ReservedBits),
        "RSV1 at the beginning only"
    );
}

#[test]
fn rsv1_needs_an_agreement() {
    let mut plain = Codec::new(MAX, || [0; 4]);
    let payload = Server::new(true, 15).deflate(b"abc");
    let frame = frame(0xC2, &payload);
    assert_eq!(plain.receive(&mut &*frame), Err(Error::ReservedBits));
    assert_eq!(received(&mut codec(false, 15, 1), &frame, 1).unwrap(), ["abc"]);
}

#[test]
fn a_bomb_is_stopped_while_it_is_inflated() {
    let bomb = frame(0xC2, &Server::new(true, 15).deflate(&vec![0; 1_000_000]));
    assert!(bomb.len() < 1_100, "{} bytes", bomb.len());
    for max in [1, 100, 16_384, 999_999] {
        let mut codec = Codec::new(max, || [0; 4]).with_deflate(agreed(true, 15), 1);
        let result = received(&mut codec, &bomb, 100).map(|_| ());
        assert_eq!(result, Err(Error::TooLarge { max }));
        assert!(codec.output().ends_with(&[3, 241]), "1009");
    }
    let mut codec = Codec::new(1_000_000, || [0; 4]).with_deflate(agreed(true, 15), 1);
    let (mut input, mut calls) = (&*bomb, 1);
    while codec.receive(&mut input).unwrap().is_none() {
        assert!(codec.has_more());
        calls += 1;
    }
    assert!((16..20).contains(&calls), "{calls} calls, each of which inflates 64 KiB");
}

#[test]
fn broken_streams_have_a_cause() {
    let mut server = Server::new(true, 15);
    let payload = server.deflate(&row(1));
    // A distance beyond what has come, a reserved block type, a stored block that ends early.
    let second = server.deflate(&row(1));
    for bytes in [&second[..], &[0b0000_0111], &[0, 9, 0, 0xF6, 0xFF, 1, 2]] {
        let found = received(&mut codec(true, 15, 1), &frame(0xC2, bytes), 7);
        assert_eq!(found, Err(Error::BrokenDeflate));
    }
    let (half, _) = payload.split_at(payload.len() - 30);
    let mut codec = codec(true, 15, 1);
    let result = received(&mut codec, &frame(0xC2, half), 7)
        .and_then(|_| received(&mut codec, &frame(0xC2, &payload), 7));
    assert_eq!(result, Err(Error::BrokenDeflate));
    assert!(codec.output().ends_with(&[3, 239]), "1007");
}

#[test]
fn streams_that_end_are_followed() {
    for takeover in [false, true] {
        let mut codec = codec(takeover, 15, 1);
        for tail in [&[][..], &[0]] {
            let mut deflate = Compress::new(Compression::default(), false);
            let mut payload = Vec::with_capacity(2_000);
            deflate.compress_vec(&row(1), &mut payload, FlushCompress::Finish).unwrap();
            payload.extend(tail);
            for size in [1, 5_000] {
                let found = received(&mut codec, &frame(0xC2, &payload), size).unwrap();
                assert_eq!(found, [row(1)], "with a tail of {tail:?}");
            }
        }
        // What a deflater that has nothing to flush gives.
        assert_eq!(received(&mut codec, &frame(0xC2, &[]), 9).unwrap(), [""]);
        assert_eq!(received(&mut codec, &frame(0xC2, &[0]), 9).unwrap(), [""]);
        let payload = Server::new(false, 15).deflate(&row(2));
        assert_eq!(received(&mut codec, &frame(0xC2, &payload), 9).unwrap(), [row(2)]);
    }
}

#[test]
fn text_is_checked_as_it_is_inflated() {
    let mut server = Server::new(true, 15);
    let text = "é😀".repeat(20_000);
    let mut codec = codec(true, 15, 1);
    let found = received(&mut codec, &frame(0xC1, &server.deflate(text.as_bytes())), 3).unwrap();
    assert_eq!(found, [text]);
    let bad = server.deflate(&[&b"a".repeat(5_000)[..], &[0xFF]].concat());
    assert_eq!(received(&mut codec, &frame(0xC1, &bad), 3), Err(Error::NotUtf8));
}

/// Data of which some repeats earlier data, some is random, and some is one byte many times.
fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..2_000),
        (0..50_usize).prop_map(row),
        (any::<u8>(), 0..100_000_usize).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn settings() -> impl Strategy<Value = (bool, u8)> {
    (any::<bool>(), 9..=15_u8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// The server's inflater is in step after any mix of messages, no ratio is over 20, and no frame is fragmented.
    #[test]
    fn the_servers_inflater_stays_in_step(
        (takeover, bits) in settings(),
        threshold in 0..300_usize,
        messages in prop::collection::vec((data(), any::<bool>()), 1..20),
    ) {
        let (mut codec, mut server) = (codec(takeover, bits, threshold), Server::new(takeover, bits));
        for (data, compress) in messages {
            codec.send(binary(&data), compress).unwrap();
            let frames = sent(&mut codec);
            prop_assert_eq!(frames.len(), 1);
            let (first, payload) = &frames[0];
            if *first == 0xC2 {
                prop_assert!(compress && data.len() >= threshold);
                prop_assert!(payload.len() * 20 >= data.len());
                prop_assert!(payload.len() <= data.len() + data.len() / 12 + 20, "{} of {}", payload.len(), data.len());
                prop_assert_eq!(server.inflate(payload), data);
            } else {
                prop_assert_eq!((*first, payload), (0x82, &data));
            }
        }
    }

    /// The client's inflater is in step after any mix of messages, in any pieces.
    #[test]
    fn the_clients_inflater_stays_in_step(
        (takeover, bits) in settings(),
        messages in prop::collection::vec((data(), any::<bool>(), 0..300_usize), 1..20),
        size in prop_oneof![1..50_usize, Just(usize::MAX)],
    ) {
        let (mut codec, mut server) = (codec(takeover, bits, 1), Server::new(takeover, bits));
        for (data, compress, cut) in messages {
            let payload = if compress { server.deflate(&data) } else { data.clone() };
            let (first, rest) = payload.split_at(cut.min(payload.len()));
            let rsv1 = if compress { 0x40 } else { 0 };
            let bytes = [frame(0x02 | rsv1, first), frame(0x89, b""), frame(0x80, rest)].concat();
            prop_assert_eq!(received(&mut codec, &bytes, size).unwrap(), [data]);
            let pong = codec.output().len();
            codec.advance(pong);
        }
    }

    /// Any bytes as compressed messages: no panic, the limit holds, and the same in any pieces.
    #[test]
    fn any_bytes_as_a_stream(
        (takeover, bits) in settings(),
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6),
        size in 1..50_usize,
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|payload| frame(0xC2, payload)).collect();
        let made = || Codec::new(5_000, || [0; 4]).with_deflate(agreed(takeover, bits), 1);
        let whole = received(&mut made(), &bytes, usize::MAX);
        prop_assert!(whole.iter().flatten().all(|message| message.len() <= 5_000));
        prop_assert_eq!(received(&mut made(), &bytes, size), whole);
    }
}
