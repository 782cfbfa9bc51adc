//! Frames without end, of which none or few are messages.

use std::pin::pin;

use phx_client::websocket::WebSocketConfig;
use phx_client::{CloseCause, CloseCode, Frame, Received, Transport};

use crate::peer::{Peer, Turn};

/// The beginning of a message, and an empty continuation of it.
const BEGINNING: &[u8] = &[0x01, 0x00];
const EMPTY: &[u8] = &[0x00, 0x00];

/// Bytes that never make a message: the name, the bytes that arrive once, and those that repeat.
const WASTE: [(&str, &[u8], &[u8]); 5] = [
    ("empty fragments", BEGINNING, EMPTY),
    ("fragments of a byte", &[0x02, 0x01, 7], &[0x00, 0x01, 7]),
    ("pings", b"", &[0x89, 0x01, 7]),
    ("empty pings", b"", &[0x89, 0x00]),
    ("pongs", b"", &[0x8a, 0x00]),
];

const PIECES: [usize; 3] = [1, 700, usize::MAX];

#[tokio::test(start_paused = true)]
async fn a_poll_reads_so_much_and_lets_others_run() {
    for (name, first, again) in WASTE {
        for piece in PIECES {
            let peer = Peer::websocket(first, again, piece);
            let mut client = pin!(peer.upgraded(&WebSocketConfig::default()));
            for _ in 0..20 {
                let turn = peer.turn(|cx| client.as_mut().poll_receive(cx));
                assert!(matches!(turn, Turn::Woken), "{name} in pieces of {piece}: {turn:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_read_buffer_does_not_make_it_more() {
    let mut config = WebSocketConfig::default();
    config.read_buffer_size = 1 << 20;
    let peer = Peer::websocket(BEGINNING, EMPTY, usize::MAX);
    let mut client = pin!(peer.upgraded(&config));
    for _ in 0..20 {
        let turn = peer.turn(|cx| client.as_mut().poll_receive(cx));
        assert!(matches!(turn, Turn::Woken), "{turn:?}");
    }
}

/// The caller takes frames until there are none: all these polls together are one turn.
#[tokio::test(start_paused = true)]
async fn messages_between_do_not_make_it_more() {
    for waste in [&EMPTY.repeat(500), &[0x89, 0x00].repeat(20), &[0x00, 0x01, b'x'].repeat(500)] {
        let again = [BEGINNING, waste, &[0x80, 0x00]].concat();
        for piece in PIECES {
            let peer = Peer::websocket(b"", &again, piece);
            let mut client = pin!(peer.upgraded(&WebSocketConfig::default()));
            for _ in 0..20 {
                let mut messages = 0;
                let turn = peer.turn(|cx| {
                    loop {
                        let received = std::task::ready!(client.as_mut().poll_receive(cx));
                        assert!(received.is_ok() && messages < 1_000, "{received:?}");
                        messages += 1;
                    }
                });
                assert!(matches!(turn, Turn::<()>::Woken), "{turn:?}");
            }
        }
    }
}

/// The caller limits the number of messages; they cost no further turns.
#[tokio::test(start_paused = true)]
async fn messages_are_given_as_long_as_they_are_taken() {
    let message = [&[0x82, 80][..], &[7; 80]].concat();
    let peer = Peer::websocket(b"", &message, usize::MAX);
    let mut client = pin!(peer.upgraded(&WebSocketConfig::default()));
    for _ in 0..1_000 {
        let turn = peer.turn(|cx| client.as_mut().poll_receive(cx));
        assert!(matches!(turn, Turn::Ready(Ok(Received::Frame(Frame::Binary(_))))), "{turn:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_message_comes_in_many_turns() {
    let head = [&[0x82, 127][..], &(1_u64 << 20).to_be_bytes()].concat();
    let peer = Peer::websocket(&[&head[..], &[7; 1 << 20]].concat(), b"", usize::MAX);
    let mut client = pin!(peer.upgraded(&WebSocketConfig::default()));
    let receiving = std::future::poll_fn(|cx| client.as_mut().poll_receive(cx));
    let (received, polls) = peer.in_turns(1_000, receiving);
    let Some(Ok(Received::Frame(frame))) = received else { panic!("{received:?}") };
    assert_eq!(frame.len(), 1 << 20);
    assert!((64..70).contains(&polls), "{polls} polls");
}

#[tokio::test(start_paused = true)]
async fn closing_reads_so_much_and_lets_others_run() {
    let message = [&[0x82, 80][..], &[7; 80]].concat();
    for (name, first, again) in WASTE.into_iter().chain([("messages", &b""[..], &message[..])]) {
        for piece in PIECES {
            let peer = Peer::websocket(first, again, piece);
            let mut client = pin!(peer.upgraded(&WebSocketConfig::default()));
            for _ in 0..20 {
                let turn = peer.turn(|cx| client.as_mut().poll_close(cx, CloseCode::NORMAL, "bye"));
                assert!(matches!(turn, Turn::Woken), "{name} in pieces of {piece}: {turn:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_behind_many_pings_is_found_and_answered() {
    let said = [&[0x89, 0x00].repeat(100)[..], &[0x88, 0x02, 0x03, 0xe8]].concat();
    let peer = Peer::websocket(&said, b"", usize::MAX);
    let mut client = pin!(peer.upgraded(&WebSocketConfig::default()));
    let receiving = std::future::poll_fn(|cx| client.as_mut().poll_receive(cx));
    let (received, polls) = peer.in_turns(100, receiving);
    assert_eq!(received, Some(Err(CloseCause::frame(CloseCode::NORMAL, ""))));
    assert!(polls >= 100 / 32, "{polls} polls");
    // A pong has six bytes, the answer to the close eight.
    let heard = peer.heard();
    assert_eq!(heard[heard.len() - 8], 0x88);
}

#[tokio::test(start_paused = true)]
async fn a_close_behind_much_is_found_though_nothing_can_be_written_any_more() {
    let said = [BEGINNING, &EMPTY.repeat(50_000), &[0x88, 0x02, 0x03, 0xe8]].concat();
    let peer = Peer::websocket(&said, b"", usize::MAX);
    let mut client = pin!(peer.upgraded(&WebSocketConfig::default()));
    peer.takes_nothing_more();
    client.as_mut().start_send(Frame::text("in vain")).unwrap();
    let flushed = peer.turn(|cx| client.as_mut().poll_flush(cx));
    assert!(!matches!(flushed, Turn::Ready(_)), "{flushed:?}");
    let receiving = std::future::poll_fn(|cx| client.as_mut().poll_receive(cx));
    let (received, _) = peer.in_turns(100, receiving);
    assert_eq!(received, Some(Err(CloseCause::frame(CloseCode::NORMAL, ""))));
}
