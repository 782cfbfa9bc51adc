//! Guarantee 6: a received message costs one look-up, whatever the number of channels and pushes; a
//! broadcast allocates nothing.

use std::time::{Duration, Instant};

use crate::common::{Script, quiet};
use allocation_counter::measure;
use bytes::{BufMut as _, BytesMut};
use phx_proto::{ChannelId, Config, Event, Frame, Payload};

fn config() -> Config {
    let mut config = quiet();
    config.max_buffered_pushes = 100_000;
    config.max_joins_in_flight = usize::MAX;
    config
}

/// Creates a socket with this number of joined channels, and as many sent pushes that wait for a reply.
fn with_channels(count: usize) -> (Script, ChannelId) {
    let mut s = Script::open(config());
    let lobby = s.join_ok("room:lobby");
    for number in 1..count {
        let channel = s.channel(&format!("room:{number}"));
        s.join(channel);
    }
    for number in 1..count {
        let join_ref = 2 * number + 2;
        s.server(&format!(
            r#"["{join_ref}","{join_ref}","room:{number}","phx_reply",{{"status":"ok","response":{{}}}}]"#
        ));
    }
    assert_eq!(s.events().iter().filter(|line| line.contains("joined")).count(), count - 1);
    for _ in 1..count {
        s.push(lobby, "unanswered");
    }
    s.forget_lines();
    (s, lobby)
}

/// Makes a frame as a WebSocket library does: a slice of its read buffer, which is shared.
fn received(text: &str) -> Frame {
    let mut buffer = BytesMut::with_capacity(2 * text.len());
    buffer.put_slice(text.as_bytes());
    Frame::text(buffer.split())
}

const BROADCAST: &str = r#"[null,null,"room:lobby","new_msg",{"body":"hello"}]"#;

#[test]
fn a_broadcast_allocates_nothing() {
    for count in [1, 10_000] {
        let (mut s, lobby) = with_channels(count);
        let transport = s.transport();
        let frames: Vec<Frame> = (0..100).map(|_| received(BROADCAST)).collect();
        // The queue of events has grown to its size.
        s.socket.handle_frame(s.now, transport, received(BROADCAST));
        assert!(s.socket.poll_event().is_some());
        let cost = measure(|| {
            for frame in frames {
                s.socket.handle_frame(s.now, transport, frame);
                match s.socket.poll_event() {
                    Some(Event::Message { channel, payload, .. }) => {
                        assert_eq!(channel, lobby);
                        assert_eq!(payload.len(), 16);
                    }
                    other => panic!("{other:?}"),
                }
            }
        });
        assert_eq!(cost.count_total, 0, "with {count} channels");
    }
}

/// Returns the time for 200 messages of each kind, the best of several tries.
fn time(s: &mut Script) -> Duration {
    let texts = [
        BROADCAST,
        r#"["2","2","room:lobby","new_msg",{}]"#,
        r#"["4711",null,"room:lobby","outdated",{}]"#,
        r#"[null,null,"unknown","new_msg",{}]"#,
        r#"["2","99999999","room:lobby","phx_reply",{"status":"ok","response":{}}]"#,
        r#"["4711","4711","room:lobby","phx_close",{}]"#,
        "garbage",
    ];
    let transport = s.transport();
    let once = |s: &mut Script| {
        let start = Instant::now();
        for _ in 0..200 {
            for text in texts {
                s.socket.handle_frame(s.now, transport, Frame::text(text));
                let _ = s.socket.poll_event();
            }
        }
        start.elapsed()
    };
    (0..10).map(|_| once(s)).fold(Duration::MAX, Duration::min)
}

/// A scan over the channels or pushes would cost thousands of times as much, so the margin suffices for any machine.
#[test]
fn work_does_not_grow_with_channels_and_pushes() {
    let (mut few, _) = with_channels(1);
    let (mut many, _) = with_channels(10_000);
    let (few, many) = (time(&mut few), time(&mut many));
    assert!(many < few * 20 + Duration::from_millis(1), "{few:?} with one, {many:?} with 10,000");
}

#[test]
fn a_reply_finds_its_push_among_thousands() {
    let (mut s, lobby) = with_channels(1);
    let pushes: Vec<_> =
        (0..10_000).map(|_| s.try_push(lobby, "msg", Payload::empty(), None).unwrap()).collect();
    let meant = s.latest("msg room:lobby");
    s.reply_to(&meant, "ok", "{}");
    assert_eq!(s.events(), ["msg: ok {}"]);
    assert!(!s.cancel(*pushes.last().unwrap()), "that one");
    assert!(s.cancel(pushes[0]), "and no other");
}
