//! A peer that takes a byte at a time, and is always ready for the next.

use std::future::poll_fn;
use std::pin::pin;

use phx_client::websocket::{self, WebSocketConfig};
use phx_client::{CloseCode, Frame, Transport};

use crate::peer::{Peer, SWITCHING, attempt};

const SIZE: usize = 10_000;

#[tokio::test(start_paused = true)]
async fn the_request_is_written_in_many_turns() {
    let (peer, attempt) = (Peer::new("", "", 1), attempt());
    let config = WebSocketConfig::default();
    let mut upgrading = pin!(websocket::upgrade(peer.stream(), &attempt, &config));
    let mut polls = 0;
    while !peer.heard().ends_with(b"\r\n\r\n") {
        let _ = peer.turn(|cx| upgrading.as_mut().poll(cx));
        polls += 1;
    }
    assert!(polls >= peer.heard().len() / 16, "{polls} polls");
}

#[tokio::test(start_paused = true)]
async fn frames_are_written_in_many_turns() {
    let peer = Peer::new(SWITCHING, "", 1);
    let mut client = pin!(peer.upgraded(&WebSocketConfig::default()));
    client.as_mut().start_send(Frame::text("x".repeat(SIZE))).unwrap();
    let (flushed, polls) = peer.in_turns(SIZE, poll_fn(|cx| client.as_mut().poll_flush(cx)));
    assert_eq!(flushed, Some(Ok(())));
    assert!(polls > SIZE / 16, "{polls} polls");
}

#[tokio::test(start_paused = true)]
async fn a_frame_beyond_the_buffer_is_written_in_many_turns() {
    let mut config = WebSocketConfig::default();
    config.write_buffer_size = 100;
    let peer = Peer::new(SWITCHING, "", 1);
    let mut client = pin!(peer.upgraded(&config));
    client.as_mut().start_send(Frame::text("x".repeat(SIZE))).unwrap();
    let (ready, polls) = peer.in_turns(SIZE, poll_fn(|cx| client.as_mut().poll_ready(cx)));
    assert_eq!(ready, Some(Ok(())));
    assert!(polls > (SIZE - 100) / 16 - 1, "{polls} polls");
}

#[tokio::test(start_paused = true)]
async fn a_close_behind_frames_is_written_in_many_turns() {
    let peer = Peer::new(SWITCHING, [0x00, 0x00], 1);
    let mut client = pin!(peer.upgraded(&WebSocketConfig::default()));
    client.as_mut().start_send(Frame::text("x".repeat(SIZE))).unwrap();
    let closing = poll_fn(|cx| client.as_mut().poll_close(cx, CloseCode::NORMAL, "bye"));
    // The peer breaks the protocol, which ends it.
    assert!(peer.in_turns(SIZE, closing).0.is_some());
}
