//! Attacks on attempts to connect: a server's answers to the upgrade, and a proxy's to CONNECT.

use std::io;
use std::time::Duration;

use phx_client::{Backoff, SocketBuilder};

use crate::hostile::case::{Case, Ends};
use crate::hostile::peer::Peer;
use crate::hostile::users::User;
use crate::hostile::wire::{self, FINAL, TEXT};

const TIMED_OUT: Ends = Ends::Fails(&["connect timed out"]);
const REFUSED: Ends = Ends::Fails(&["refused"]);
const LOST: Ends = Ends::Fails(&["lost"]);
/// The attempt may end by a limit or by its timeout.
const EITHER: Ends = Ends::Fails(&["lost", "connect timed out", "proxy"]);
const PROXY: Ends = Ends::Fails(&["proxy"]);

pub(super) const CASES: &[Case] = &[
    Case::new("no_answer", |peer| peer.be_silent(), TIMED_OUT),
    Case::new("head_a_byte_at_a_time", slow_head, TIMED_OUT),
    Case::new("head_without_an_end", |peer| answer(peer, b"HTTP/1.1 101 a\r\n", b"a: b\r\n"), LOST),
    Case::new("header_without_an_end", |peer| answer(peer, b"HTTP/1.1 101 a\r\na: ", b"a"), LOST),
    Case::new("empty_lines_before_the_head", |peer| answer(peer, b"", b"\r\n"), EITHER),
    Case::new("interim_answers", |peer| answer(peer, b"", INTERIM), EITHER),
    Case::new("interim_answers_slowly", slow_interims, TIMED_OUT),
    Case::new(
        "upgrade_in_http_1_0",
        |peer| upgrade(peer, "HTTP/1.0 101 Switching Protocols"),
        LOST,
    ),
    Case::new("upgrade_without_a_key", |peer| answer(peer, KEYLESS, b""), LOST),
    Case::new("body_without_an_end", |peer| answer(peer, b"HTTP/1.1 503 a\r\n\r\n", b"a"), REFUSED),
    Case::new("body_of_2_to_64", |peer| answer(peer, LONG_BODY, b"a"), REFUSED),
    Case::new("body_a_byte_at_a_time", |peer| slow(peer, LONG_BODY), REFUSED),
    Case::new("body_until_the_end_slowly", |peer| slow(peer, b"HTTP/1.1 503 a\r\n\r\na"), REFUSED),
    Case::new("chunks_without_an_end", |peer| answer(peer, CHUNKED, b"1\r\na\r\n"), REFUSED),
    Case::new("chunk_of_2_to_64", |peer| answer(peer, HUGE_CHUNK, b"a"), REFUSED),
    Case::new("chunk_line_without_an_end", |peer| answer(peer, CHUNKED, b"0"), REFUSED),
    Case::new("chunks_a_byte_at_a_time", |peer| slow(peer, HUGE_CHUNK), REFUSED),
    Case::new("proxy_without_an_answer", |peer| peer.be_silent(), TIMED_OUT).proxy(),
    Case::new("proxy_head_a_byte_at_a_time", slow_head, TIMED_OUT).proxy(),
    Case::new(
        "proxy_head_without_an_end",
        |peer| answer(peer, b"HTTP/1.1 200 a\r\n", b"a: b\r\n"),
        EITHER,
    )
    .proxy(),
    Case::new("proxy_interim_answers", |peer| answer(peer, b"", INTERIM), EITHER).proxy(),
    Case::new("proxy_interim_answers_slowly", slow_interims, TIMED_OUT).proxy(),
    Case::new(
        "proxy_body_without_an_end",
        |peer| answer(peer, b"HTTP/1.1 407 a\r\n\r\n", b"a"),
        PROXY,
    )
    .proxy(),
    Case::new(
        "proxy_that_speaks_first",
        |peer| answer(peer, b"HTTP/1.1 200 a\r\n\r\n", b"a"),
        EITHER,
    )
    .proxy(),
    Case::new("close_right_after_accept", |_| Ok(()), Ends::Repeats).tune(soon),
    Case::new("close_right_after_the_upgrade", close_at_once, Ends::Repeats).tune(soon),
    Case::new("end_right_after_the_upgrade", |peer| peer.upgrade(), Ends::Repeats)
        .tune(soon)
        .user(User::JoinsManyChannels),
];

const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const KEYLESS: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n";
const LONG_BODY: &[u8] = b"HTTP/1.1 503 a\r\ncontent-length: 18446744073709551615\r\n\r\na";
const CHUNKED: &[u8] = b"HTTP/1.1 503 a\r\ntransfer-encoding: chunked\r\n\r\n";
const HUGE_CHUNK: &[u8] =
    b"HTTP/1.1 503 a\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\na";

/// Sends `bytes`, and then `more` without end.
fn answer(peer: &mut Peer, bytes: &[u8], more: &[u8]) -> io::Result<()> {
    peer.request()?;
    peer.send_only(bytes)?;
    if more.is_empty() { peer.be_silent() } else { peer.flood_only(more) }
}

/// Sends `bytes`, then a byte at a time without end.
fn slow(peer: &mut Peer, bytes: &[u8]) -> io::Result<()> {
    peer.request()?;
    peer.send_only(bytes)?;
    peer.drip(b"a")
}

fn slow_head(peer: &mut Peer) -> io::Result<()> {
    peer.request()?;
    peer.drip(b"HTTP/1.1 200 a\r\na: a")
}

fn slow_interims(peer: &mut Peer) -> io::Result<()> {
    peer.request()?;
    loop {
        for byte in INTERIM {
            peer.drip_one(*byte)?;
        }
    }
}

fn upgrade(peer: &mut Peer, status: &str) -> io::Result<()> {
    peer.upgrade_with(status)?;
    peer.be_silent()
}

fn close_at_once(peer: &mut Peer) -> io::Result<()> {
    peer.upgrade()?;
    // The client may speak before it reads that.
    peer.send_only(&[wire::frame(FINAL | TEXT, b"[]"), wire::close(1001)].concat())
}

/// Sets short delays between attempts.
fn soon(builder: SocketBuilder) -> SocketBuilder {
    builder.reconnect(Backoff::steps([Duration::from_millis(10)]))
}
