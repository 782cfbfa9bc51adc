//! Compressed messages, and answers to the offer.

use std::pin::pin;

use flate2::{Compress, Compression as Level, Decompress, FlushCompress, FlushDecompress};
use phx_client::websocket::{self, Compression, WebSocketConfig, WebSocketTransport};
use phx_client::{CloseCause, CompressionCause, Frame, Received, Transport};

use crate::SWITCHING;
use crate::peer::{Peer, Stream, attempt};

const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

const MAX_FRAME: usize = 10_000_000;

fn upgraded(peer: &Peer) -> WebSocketTransport<Stream> {
    let (mut attempt, config) = (attempt(), WebSocketConfig::default());
    attempt.compression = Some(Compression::new());
    attempt.max_frame_size = MAX_FRAME;
    let (upgraded, _) = peer.in_turns(1_000, websocket::upgrade(peer.stream(), &attempt, &config));
    upgraded.expect("it is answered").unwrap()
}

/// A compressed binary message.
fn compressed(data: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(data.len() + 100);
    let mut stream = Compress::new(Level::default(), false);
    stream.compress_vec(data, &mut payload, FlushCompress::Sync).unwrap();
    let payload = payload.strip_suffix(&TAIL).unwrap();
    [&[0xC2, 127][..], &(payload.len() as u64).to_be_bytes(), payload].concat()
}

/// The message of a client's frame, the rest, and whether it was compressed.
fn message(frame: &[u8]) -> (Vec<u8>, &[u8], bool) {
    let (len, rest) = match frame[1] & 0x7F {
        126 => (usize::from(u16::from_be_bytes([frame[2], frame[3]])), &frame[4..]),
        len @ ..126 => (usize::from(len), &frame[2..]),
        _ => panic!("a long frame"),
    };
    let (mask, rest) = rest.split_at(4);
    let (payload, rest) = rest.split_at(len);
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    if frame[0] & 0x40 == 0 {
        return (payload.collect(), rest, false);
    }
    let (payload, mut message) =
        (payload.chain(TAIL).collect::<Vec<_>>(), Vec::with_capacity(10_000));
    let mut stream = Decompress::new(false);
    stream.decompress_vec(&payload, &mut message, FlushDecompress::Sync).unwrap();
    (message, rest, true)
}

#[tokio::test(start_paused = true)]
async fn compressed_and_plain_messages_come() {
    let letters = vec![b'a'; 1_000];
    let said = [compressed(&letters), vec![0x82, 1, b'b'], compressed(&letters)].concat();
    for piece in [1, 3, usize::MAX] {
        let peer = Peer::websocket(&said, b"", piece);
        let mut client = pin!(upgraded(&peer));
        for expected in [&letters[..], b"b", &letters] {
            let receiving = std::future::poll_fn(|cx| client.as_mut().poll_receive(cx));
            let (received, _) = peer.in_turns(100, receiving);
            assert_eq!(received, Some(Ok(Received::Frame(Frame::binary(expected.to_vec())))));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_message_is_inflated_in_many_turns() {
    let peer = Peer::websocket(&compressed(&vec![0; MAX_FRAME]), b"", usize::MAX);
    let mut client = pin!(upgraded(&peer));
    let receiving = std::future::poll_fn(|cx| client.as_mut().poll_receive(cx));
    let (received, polls) = peer.in_turns(1_000, receiving);
    let Some(Ok(Received::Frame(frame))) = received else { panic!("{received:?}") };
    assert_eq!(frame.len(), MAX_FRAME);
    assert!(polls > MAX_FRAME / (128 << 10), "{polls} polls");
}

/// Each read of 1 KiB gives less than a call may inflate, so it is the turn that bounds a poll.
#[tokio::test(start_paused = true)]
async fn a_poll_inflates_no_more_than_a_turn_reads() {
    // Runs of letters and bytes of chance: about 50 KiB for each KiB.
    let mut rng = 7_u32;
    let mut data = Vec::new();
    while data.len() < 4 << 20 {
        data.resize(data.len() + 30_000, b'a');
        data.extend((0..450).map(|_| {
            rng = rng.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            rng.to_be_bytes()[0]
        }));
    }
    let said = compressed(&data);
    assert!((30..60).contains(&(data.len() / said.len())), "{}", data.len() / said.len());
    let peer = Peer::websocket(&said, b"", 1 << 10);
    let mut client = pin!(upgraded(&peer));
    let receiving = std::future::poll_fn(|cx| client.as_mut().poll_receive(cx));
    let (received, polls) = peer.in_turns(1_000, receiving);
    assert_eq!(received, Some(Ok(Received::Frame(Frame::binary(data.clone())))));
    // A turn of 16 KiB, and the call that spends it.
    assert!(polls >= data.len() / (96 << 10), "{polls} polls");
}

#[tokio::test(start_paused = true)]
async fn a_bomb_ends_the_connection() {
    let peer = Peer::websocket(&compressed(&vec![0; MAX_FRAME + 1]), b"", usize::MAX);
    let mut client = pin!(upgraded(&peer));
    let receiving = std::future::poll_fn(|cx| client.as_mut().poll_receive(cx));
    let (received, _) = peer.in_turns(1_000, receiving);
    let Some(Err(CloseCause::Io { error, .. })) = received else { panic!("{received:?}") };
    assert_eq!(error, "a message was larger than the limit of 10000000 bytes");
    let heard = peer.heard();
    let (code, _, _) = message(&heard[heard.len() - 8..]);
    assert_eq!(code, 1009_u16.to_be_bytes());
}

#[tokio::test(start_paused = true)]
async fn a_broken_message_has_its_cause() {
    let peer = Peer::websocket(&[0xC2, 2, 0xFF, 0xFF], b"", usize::MAX);
    let mut client = pin!(upgraded(&peer));
    let receiving = std::future::poll_fn(|cx| client.as_mut().poll_receive(cx));
    let (received, _) = peer.in_turns(10, receiving);
    let cause = CloseCause::Compression(CompressionCause::BrokenMessage);
    assert_eq!(received, Some(Err(cause)));
}

#[tokio::test(start_paused = true)]
async fn messages_are_compressed_unless_they_must_not_be() {
    let peer = Peer::websocket(b"", b"", usize::MAX);
    let mut client = pin!(upgraded(&peer));
    let asked = peer.heard().len();
    let letters = vec![b'a'; 1_000];
    let frames =
        [(true, &letters[..], true), (true, &letters[..127], false), (false, &letters, false)];
    for (may_compress, data, _) in frames {
        let frame = Frame::binary(data.to_vec());
        if may_compress {
            client.as_mut().start_send(frame).unwrap();
        } else {
            client.as_mut().start_send_uncompressed(frame).unwrap();
        }
    }
    let flushing = std::future::poll_fn(|cx| client.as_mut().poll_flush(cx));
    assert_eq!(peer.in_turns(10, flushing).0, Some(Ok(())));
    let heard = peer.heard();
    let mut rest = &heard[asked..];
    for (_, data, is_compressed) in frames {
        let found;
        (found, rest) = {
            let (message, rest, compressed) = message(rest);
            ((message, compressed), rest)
        };
        assert_eq!(found, (data.to_vec(), is_compressed));
    }
    assert_eq!(rest, b"");
}

/// A message that is compressed in steps: each poll does one, and pongs come first.
#[tokio::test(start_paused = true)]
async fn a_large_message_is_compressed_in_many_turns() {
    let peer = Peer::websocket(&[0x89, 0], b"", usize::MAX);
    let mut client = pin!(upgraded(&peer));
    let asked = peer.heard().len();
    client.as_mut().start_send(Frame::binary(vec![0; 1 << 20])).unwrap();
    let received = peer.turn(|cx| client.as_mut().poll_receive(cx));
    assert!(
        matches!(received, crate::peer::Turn::Woken | crate::peer::Turn::Waits),
        "{received:?}"
    );
    assert_eq!(peer.heard()[asked], 0x8A, "the pong is there, the message isn't");
    let flushing = std::future::poll_fn(|cx| client.as_mut().poll_flush(cx));
    let (flushed, polls) = peer.in_turns(100, flushing);
    assert_eq!(flushed, Some(Ok(())));
    assert!(polls >= 30, "{polls} polls");
    let ready = std::future::poll_fn(|cx| client.as_mut().poll_ready(cx));
    assert_eq!(peer.in_turns(10, ready).0, Some(Ok(())));
}

/// Attempts to connect, with another value of the answer's header.
fn answered(value: &str, offer: Compression) -> Result<(), CloseCause> {
    let offered = "permessage-deflate; server_no_context_takeover";
    let peer = Peer::new(SWITCHING.replace(offered, value), "", usize::MAX);
    let mut attempt = attempt();
    attempt.compression = Some(offer);
    let config = WebSocketConfig::default();
    let upgrading = websocket::upgrade::<Stream>(peer.stream(), &attempt, &config);
    let (upgraded, _) = peer.in_turns(100, upgrading);
    upgraded.unwrap().map(|_| ())
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_none_to_the_offer_ends_the_attempt() {
    let plain = Compression::new();
    let takeover = plain.context_takeover(true);
    for (answer, offer, expected) in [
        ("", plain, None),
        ("permessage-deflate; server_no_context_takeover; client_max_window_bits=15", plain, None),
        ("permessage-deflate", takeover, None),
        ("permessage-deflate", plain, Some(CompressionCause::BeyondOffer)),
        ("permessage-deflate", takeover.window_bits(9), Some(CompressionCause::BeyondOffer)),
        ("x-webkit-deflate-frame", plain, Some(CompressionCause::OtherExtension)),
        ("permessage-deflate; speed=9", takeover, Some(CompressionCause::MalformedAnswer)),
        (
            "permessage-deflate, permessage-deflate",
            takeover,
            Some(CompressionCause::MalformedAnswer),
        ),
    ] {
        let found = answered(answer, offer);
        assert_eq!(
            found,
            expected.map_or(Ok(()), |it| Err(CloseCause::Compression(it))),
            "{answer}"
        );
    }
}
