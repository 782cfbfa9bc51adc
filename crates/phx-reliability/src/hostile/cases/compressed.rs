//! Attacks on compressed messages: bombs, broken streams, and streams that never give anything.

use std::io;

use flate2::{Compress, Compression, FlushCompress};

use crate::hostile::case::{Case, Ends};
use crate::hostile::peer::Peer;
use crate::hostile::wire::{CONTINUATION, FINAL, TEXT, frame};

/// First reserved bit: a compressed message begins.
const RSV1: u8 = 0x40;

/// An empty block of stored bytes: nothing comes of it.
const EMPTY_BLOCK: &[u8] = &[0, 0, 0, 0xFF, 0xFF];

/// A final block of no bytes, which ends the stream: the next one begins anew.
const FINAL_BLOCK: &[u8] = &[0x03, 0x00];

const LOST: Ends = Ends::AtOnce(&["lost"]);
const BROKEN: Ends = Ends::AtOnce(&["compression"]);
const DEAD: Ends = Ends::Dies(&["heartbeat timed out"]);

pub(super) const CASES: &[Case] = &[
    Case::new("bomb_over_the_limit", |peer| bomb(peer, (8 << 20) + 1), LOST)
        .tune(|builder| builder.max_frame_size(8 << 20))
        .frame_mib(8)
        // Memory of the message doubles as it grows, up to the limit.
        .kept_kib(17 << 10)
        .compressed(),
    Case::new("bombs_within_the_limit", bombs, Ends::Stays).kept_kib(4 << 10).compressed(),
    Case::new("empty_blocks_amid_a_message", |peer| amid(peer, EMPTY_BLOCK), DEAD).compressed(),
    Case::new("final_blocks_amid_a_message", |peer| amid(peer, FINAL_BLOCK), DEAD).compressed(),
    Case::new("reserved_block", |peer| say(peer, FINAL | RSV1 | TEXT, &[0x07]), BROKEN)
        .compressed(),
    Case::new("stored_block_cut_short", cut_short, BROKEN).compressed(),
    Case::new("compressed_continuation", compressed_continuation, LOST).compressed(),
];

/// Returns `data` as the payload of a compressed message.
fn deflated(data: &[u8]) -> Vec<u8> {
    let mut stream = Compress::new(Compression::best(), false);
    let mut payload = Vec::with_capacity(data.len() / 100 + 100);
    let _infallible = stream.compress_vec(data, &mut payload, FlushCompress::Sync);
    payload.truncate(payload.len().saturating_sub(4));
    payload
}

fn say(peer: &mut Peer, first: u8, payload: &[u8]) -> io::Result<()> {
    peer.upgraded()?.send_only(&frame(first, payload))?;
    peer.idle()
}

fn bomb(peer: &mut Peer, len: usize) -> io::Result<()> {
    peer.upgraded()?.send_large(|| frame(FINAL | RSV1 | TEXT, &deflated(&vec![b'a'; len])))?;
    peer.idle()
}

/// Messages of 1 MiB each, which are none of Phoenix.
fn bombs(peer: &mut Peer) -> io::Result<()> {
    let bomb = frame(FINAL | RSV1 | TEXT, &deflated(&vec![b'a'; 1 << 20]));
    peer.upgraded()?.flood_in_parts(&bomb)
}

/// Sends a payload again and again as fragments of a compressed message.
fn amid(peer: &mut Peer, payload: &[u8]) -> io::Result<()> {
    peer.upgraded()?.send_only(&frame(RSV1 | TEXT, payload))?;
    peer.flood_only(&frame(CONTINUATION, payload))
}

/// A block that announces 9 bytes and has 2.
fn cut_short(peer: &mut Peer) -> io::Result<()> {
    say(peer, FINAL | RSV1 | TEXT, &[0, 9, 0, 0xF6, 0xFF, 1, 2])
}

fn compressed_continuation(peer: &mut Peer) -> io::Result<()> {
    peer.upgraded()?.send_only(&frame(RSV1 | TEXT, EMPTY_BLOCK))?;
    peer.send_only(&frame(FINAL | RSV1 | CONTINUATION, EMPTY_BLOCK))?;
    peer.idle()
}
