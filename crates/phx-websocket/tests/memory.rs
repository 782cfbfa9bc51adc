//! Memory of compressed connections: what an idle one holds, and the peak of a bomb.
#![cfg(feature = "deflate")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, which prints its table")]

use allocation_counter::measure;
use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use phx_websocket::{Agreed, Codec, Event, Masks, Message, Offer};

const KIB: usize = 1 << 10;

/// What a thread keeps between messages for all its connections: a buffer, an inflater and a deflater.
const SPARE: usize = 400 * KIB;

fn agreed(takeover: bool, bits: u8) -> Agreed {
    let offer = Offer::new().context_takeover(takeover).window_bits(bits);
    let no_takeover = "; server_no_context_takeover; client_no_context_takeover";
    let no_takeover = if takeover { "" } else { no_takeover };
    let answer = format!(
        "permessage-deflate; server_max_window_bits={bits}; client_max_window_bits={bits}{no_takeover}"
    );
    offer.check([answer.as_str()]).unwrap().unwrap()
}

fn data() -> Vec<u8> {
    (0..20_000_u32).flat_map(|i| [i as u8, b'a', (i >> 8) as u8, b'b']).collect()
}

/// A server's compressed frame.
fn frame(data: &[u8], bits: u8) -> Vec<u8> {
    let mut payload = Vec::with_capacity(data.len() + 1_000);
    let mut stream = Compress::new_with_window_bits(Compression::default(), false, bits);
    stream.compress_vec(data, &mut payload, FlushCompress::Sync).unwrap();
    payload.truncate(payload.len() - 4);
    [&[0xC2, 127][..], &(payload.len() as u64).to_be_bytes(), &payload].concat()
}

fn receive(codec: &mut Codec<impl Masks>, frame: &[u8]) -> Message {
    let mut input = frame;
    loop {
        match codec.receive(&mut input).unwrap() {
            Some(Event::Message(message)) => return message,
            other => assert_eq!(other, None),
        }
    }
}

/// Receives a message and sends it back.
fn echo(codec: &mut Codec<impl Masks>, frame: &[u8]) {
    let message = receive(codec, frame);
    codec.send(message, true).unwrap();
    while !codec.step() {}
    let written = codec.output().len();
    codec.advance(written);
}

/// Bytes that an idle connection holds after a message from the server, which was sent back or not.
fn idle(agreed: Option<Agreed>, frame: &[u8], sends: bool) -> usize {
    let mut kept = None;
    let held = measure(|| {
        let codec = Codec::new(1 << 20, || [0; 4]);
        let mut codec = Box::new(match agreed {
            Some(agreed) => codec.with_deflate(agreed, 1),
            None => codec,
        });
        match agreed {
            Some(_) if sends => echo(&mut codec, frame),
            Some(_) => drop(receive(&mut codec, frame)),
            None => {}
        }
        kept = Some(codec);
    });
    drop(kept);
    usize::try_from(held.bytes_current).unwrap()
}

#[test]
fn an_idle_connection_holds_no_stream_without_context_takeover() {
    println!("| takeover | bits | bytes after receiving | and sending |\n|---|---|---|---|");
    println!("| no compression | | {} | |", idle(None, &[], false));
    for takeover in [false, true] {
        for bits in 9..=15 {
            let (frame, agreed) = (frame(&data(), bits), agreed(takeover, bits));
            // The first connection of a thread makes what all of them share.
            idle(Some(agreed), &frame, true);
            let received = idle(Some(agreed), &frame, false);
            let held = idle(Some(agreed), &frame, true);
            println!("| {takeover} | {bits} | {received} | {held} |");
            let limit = if takeover { 512 * KIB } else { 2 * KIB };
            assert!(held <= limit, "{held} bytes with takeover {takeover} and {bits} bits");
        }
    }
}

#[test]
fn the_peak_of_a_bomb_stays_within_the_limit() {
    const MAX: usize = 256 * KIB;
    for takeover in [false, true] {
        let bomb = frame(&vec![0; 4 << 20], 15);
        let peak = measure(|| {
            let mut codec = Codec::new(MAX, || [0; 4]).with_deflate(agreed(takeover, 15), 1);
            let mut input = &*bomb;
            while codec.receive(&mut input).is_ok() {}
        });
        let peak = usize::try_from(peak.bytes_max).unwrap();
        println!("takeover {takeover}: {peak} bytes at a limit of {MAX}");
        assert!(peak <= 2 * MAX + 96 * KIB, "{peak} bytes");
    }
}

#[test]
fn a_message_is_kept_in_no_more_than_an_eighth_beyond_its_size() {
    let frame = frame(&data(), 15);
    let mut kept: Option<Bytes> = None;
    let mut codec = Codec::new(1 << 20, || [0; 4]).with_deflate(agreed(false, 15), 1);
    echo(&mut codec, &frame);
    let held = measure(|| {
        let mut input = &*frame;
        while kept.is_none() {
            if let Some(Event::Message(Message::Binary(data))) = codec.receive(&mut input).unwrap()
            {
                kept = Some(data);
            }
        }
    });
    let (held, len) = (usize::try_from(held.bytes_current).unwrap(), data().len());
    assert!(held <= len + len / 8 + SPARE / 100, "{held} bytes for {len}");
}
