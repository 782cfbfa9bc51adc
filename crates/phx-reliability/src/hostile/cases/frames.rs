//! Attacks on WebSocket's frames: lengths, fragments, protocol violations, and ends.

use std::io;

use crate::hostile::case::{Case, Ends};
use crate::hostile::peer::Peer;
use crate::hostile::users::User;
use crate::hostile::wire::{
    self, BINARY, CLOSE, CONTINUATION, FINAL, PING, PONG, TEXT, frame, header, message, text,
};

const MIB: u64 = 1 << 20;

const LOST: Ends = Ends::AtOnce(&["lost"]);
const CLOSED: Ends = Ends::AtOnce(&["frame"]);
const DEAD: Ends = Ends::Dies(&["heartbeat timed out"]);

pub(super) const CASES: &[Case] = &[
    Case::new("announces_a_byte_too_much", |peer| announce(peer, TEXT, 64 * MIB + 1), LOST),
    Case::new("announces_2_to_32", |peer| announce(peer, TEXT, 1 << 32), LOST),
    Case::new("announces_2_to_40", |peer| announce(peer, BINARY, 1 << 40), LOST),
    Case::new("announces_2_to_63", |peer| announce(peer, TEXT, 1 << 63), LOST),
    Case::new("announces_all_there_is", |peer| announce(peer, BINARY, u64::MAX), LOST),
    Case::new("announces_a_ping_of_2_to_63", |peer| announce(peer, PING, 1 << 63), LOST),
    Case::new("announces_60_mib_a_byte_at_a_time", slow_frame, DEAD).kept_kib(64 << 10),
    Case::new("empty_continuations", |peer| amid(peer, &frame(CONTINUATION, b"")), DEAD),
    Case::new(
        "fragments_of_a_byte",
        |peer| amid(peer, &frame(CONTINUATION, b"a")),
        Ends::Dies(&["heartbeat timed out", "lost"]),
    )
    // A message of fragments doubles its memory as it grows, up to the limit.
    .kept_kib(128 << 10),
    Case::new(
        "fragments_over_the_limit",
        |peer| amid(peer, &frame(CONTINUATION, &[b'a'; 64 << 10])),
        LOST,
    )
    .tune(|builder| builder.max_frame_size(1 << 20))
    .kept_kib(2 << 10),
    // The client answers each of them, but no heartbeat can be answered.
    Case::new(
        "pings_amid_fragments",
        |peer| amid(peer, &[frame(CONTINUATION, b""), frame(FINAL | PING, b"")].concat()),
        DEAD,
    ),
    Case::new("invalid_utf8", |peer| say(peer, &frame(FINAL | TEXT, &[0xFF])), LOST),
    // With compression the bit has a meaning, and the text is no compressed one.
    Case::new(
        "reserved_bits",
        |peer| say(peer, &frame(FINAL | 0x40 | TEXT, b"a")),
        Ends::AtOnce(&["lost", "compression"]),
    ),
    Case::new("reserved_opcode", |peer| say(peer, &frame(FINAL | 0x03, b"a")), LOST),
    Case::new("reserved_control_opcode", |peer| say(peer, &frame(FINAL | 0x0B, b"a")), LOST),
    Case::new("masked_frame", |peer| say(peer, &[FINAL | TEXT, 0x81, 0, 0, 0, 0, b'a']), LOST),
    Case::new("ping_in_fragments", |peer| say(peer, &frame(PING, b"a")), LOST),
    Case::new("ping_of_126_bytes", |peer| say(peer, &frame(FINAL | PING, &[0; 126])), LOST),
    Case::new("pong_of_60_mib", large_pong, Ends::Dies(&["lost"])).frame_mib(60).kept_kib(64 << 10),
    Case::new(
        "continuation_of_nothing",
        |peer| say(peer, &frame(FINAL | CONTINUATION, b"a")),
        LOST,
    ),
    Case::new(
        "message_amid_fragments",
        |peer| say(peer, &[frame(TEXT, b"a"), text("b")].concat()),
        LOST,
    ),
    Case::new("close_of_one_byte", |peer| say(peer, &frame(FINAL | CLOSE, &[3])), LOST),
    Case::new(
        "close_reason_not_utf8",
        |peer| say(peer, &frame(FINAL | CLOSE, &[3, 232, 0xFF])),
        LOST,
    ),
    Case::new("close_with_999", |peer| say(peer, &wire::close(999)), CLOSED),
    Case::new(
        "http_instead_of_frames",
        |peer| say(peer, &b"HTTP/1.1 200 OK\r\n\r\n".repeat(999)),
        LOST,
    ),
    Case::new(
        "end_amid_a_frame",
        |peer| break_off(peer, &[header(FINAL | TEXT, 1_000), vec![b'a']].concat()),
        LOST,
    ),
    Case::new("end_amid_fragments", |peer| break_off(peer, &frame(TEXT, b"a")), LOST),
    Case::new("flood_after_close", flood_after_close, CLOSED),
    Case::new("close_unanswered", close_unanswered, DEAD),
    Case::new("stops_reading", stops_reading, DEAD)
        .user(User::PushesAlways)
        .tune(|builder| builder.max_buffered_pushes(1_024))
        .deaf()
        // A channel's pushes, and what the transport has taken of them.
        .kept_kib(4 << 10),
];

fn say(peer: &mut Peer, bytes: &[u8]) -> io::Result<()> {
    peer.upgraded()?.send_only(bytes)?;
    peer.idle()
}

fn large_pong(peer: &mut Peer) -> io::Result<()> {
    peer.upgraded()?.send_large(|| frame(FINAL | PONG, &vec![0; 60 << 20]))?;
    peer.idle()
}

fn announce(peer: &mut Peer, opcode: u8, length: u64) -> io::Result<()> {
    say(peer, &header(FINAL | opcode, length))
}

fn slow_frame(peer: &mut Peer) -> io::Result<()> {
    peer.upgraded()?.send_only(&header(FINAL | TEXT, 60 * MIB))?;
    peer.drip(b"a")
}

/// Sends `bytes` again and again amid a message of fragments.
fn amid(peer: &mut Peer, bytes: &[u8]) -> io::Result<()> {
    peer.upgraded()?.send_only(&frame(TEXT, b"a"))?;
    peer.flood_only(bytes)
}

fn break_off(peer: &mut Peer, bytes: &[u8]) -> io::Result<()> {
    peer.upgraded()?.send_only(bytes)?;
    peer.end()?;
    peer.idle()
}

fn flood_after_close(peer: &mut Peer) -> io::Result<()> {
    peer.upgraded()?.send_only(&wire::close(1000))?;
    peer.flood_only(&message("x", "{}"))
}

/// Answers nothing, close frames included.
fn close_unanswered(peer: &mut Peer) -> io::Result<()> {
    peer.upgraded()?.be_silent()
}

fn stops_reading(peer: &mut Peer) -> io::Result<()> {
    peer.join()?;
    peer.stop_reading();
    peer.be_silent()
}
