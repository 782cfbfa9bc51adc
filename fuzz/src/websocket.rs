//! A server's bytes after the upgrade, in pieces, through phx-websocket; each message is sent back.
//!
//! The first digit is `0` for no compression, `1` for compression without context takeover, `2` with it. The second one is the
//! size of the pieces. The rest are the server's bytes.
//!
//! Checks: no message over the limit, also inflated; answers no longer than pongs and a close frame; the same messages, the
//! same end and the same answers with any pieces; a server's inflater reads what is sent back.

use flate2::{Decompress, FlushDecompress};
use phx_websocket::{Codec, Error, Event, Masks, Message, Offer};

const MAX_MESSAGE: usize = 2_000;

/// Messages that are sent back: an input can hold thousands.
const MAX_ECHOES: usize = 50;

/// The end of each flush, which doesn't go over the wire.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// Panics if the input shows a fault.
pub fn check(input: &[u8]) {
    let [kind, size, said @ ..] = input else {
        return;
    };
    let takeover = match kind.wrapping_sub(b'0') {
        1 => Some(false),
        2 => Some(true),
        _ => None,
    };
    let size = usize::from(size.wrapping_sub(b'0')).max(1);
    let whole = received(said, usize::MAX, takeover);
    assert_eq!(received(said, size, takeover), whole, "in pieces of {size}");
    let answers = 2 * said.len() + 131;
    assert!(whole.2.len() <= answers, "{} bytes in answer to {}", whole.2.len(), said.len());
    echo(&whole.0, takeover);
}

fn codec(takeover: Option<bool>) -> Codec<impl Masks> {
    let codec = Codec::new(MAX_MESSAGE, || [0; 4]);
    let Some(takeover) = takeover else {
        return codec;
    };
    let offer = Offer::new().context_takeover(takeover);
    let answer = if takeover {
        "permessage-deflate"
    } else {
        "permessage-deflate; server_no_context_takeover"
    };
    codec.with_deflate(offer.check([answer]).unwrap().unwrap(), 1)
}

/// Returns the events, the error if there is one, and the answers.
fn received(
    said: &[u8],
    size: usize,
    takeover: Option<bool>,
) -> (Vec<Event>, Option<Error>, Vec<u8>) {
    let mut codec = codec(takeover);
    let (mut events, mut answers, mut calls) = (Vec::new(), Vec::new(), 0);
    for mut piece in said.chunks(size) {
        loop {
            calls += 1;
            assert!(calls <= 4 * said.len() + 100, "{calls} calls");
            let result = codec.receive(&mut piece);
            answers.extend_from_slice(codec.output());
            let written = codec.output().len();
            codec.advance(written);
            match result {
                Ok(Some(event)) => {
                    if let Event::Message(message) = &event {
                        assert!(message.as_bytes().len() <= MAX_MESSAGE);
                    }
                    events.push(event);
                }
                Ok(None) if codec.has_more() => {}
                Ok(None) => break,
                Err(error) => return (events, Some(error), answers),
            }
        }
        assert!(piece.is_empty(), "{} bytes weren't taken", piece.len());
    }
    (events, None, answers)
}

/// Sends the messages to a server and reads them there.
fn echo(events: &[Event], takeover: Option<bool>) {
    let mut codec = codec(takeover);
    let mut stream = Decompress::new(false);
    let messages = events.iter().filter_map(|event| match event {
        Event::Message(message) => Some(message),
        _ => None,
    });
    for message in messages.take(MAX_ECHOES) {
        codec.send(message.clone(), true).unwrap();
        while !codec.step() {}
        let (first, payload) = frame(codec.output());
        let kind = if matches!(message, Message::Text(_)) { 0x81 } else { 0x82 };
        assert_eq!(first & !0x40, kind, "a frame of its kind, whole");
        if first & 0x40 == 0 {
            assert_eq!(payload, message.as_bytes());
        } else {
            let data = message.as_bytes();
            assert!(payload.len() * 20 >= data.len(), "{} of {}", payload.len(), data.len());
            let mut inflated = Vec::with_capacity(MAX_MESSAGE + 100);
            let payload = [payload, &TAIL].concat();
            stream.decompress_vec(&payload, &mut inflated, FlushDecompress::Sync).unwrap();
            assert_eq!(inflated, *data);
            if takeover != Some(true) {
                stream.reset(false);
            }
        }
        let written = codec.output().len();
        codec.advance(written);
    }
}

/// Returns the first byte and the payload of a client's frame whose mask is zero.
fn frame(bytes: &[u8]) -> (u8, &[u8]) {
    match bytes {
        [first, 0xFE, _, _, _, _, _, _, payload @ ..] => (*first, payload),
        [first, _, _, _, _, _, payload @ ..] => (*first, payload),
        _ => panic!("no frame: {bytes:?}"),
    }
}
