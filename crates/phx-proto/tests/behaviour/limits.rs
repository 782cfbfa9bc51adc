//! Events and actions that wait for polls are bounded, and malformed frames are harmless.

use crate::common::{Script, quiet, quiet_but, secs};
use phx_proto::{CallError, ChannelState, Event, Frame, Outcome, Payload};

/// Polls all events.
fn poll_all(s: &mut Script) -> Vec<Event> {
    std::iter::from_fn(|| s.socket.poll_event()).collect()
}

#[test]
fn outcomes_are_never_lost() {
    let mut config = quiet();
    config.max_events = 0;
    config.max_pushes = 100;
    let (mut s, a) = Script::joined(config, "room:a");
    for _ in 0..100 {
        s.socket.push(s.now, a, "msg", Payload::empty(), None).unwrap();
    }
    let transport = s.transport();
    s.socket.handle_closed(s.now, transport, phx_proto::CloseCause::io(""));
    s.socket.remove(s.now, a);
    let outcomes = poll_all(&mut s)
        .iter()
        .filter(|event| matches!(event, Event::RequestDone { outcome: Outcome::ChannelClosed, .. }))
        .count();
    assert_eq!(outcomes, 100);
}

#[test]
fn malformed_frames_are_reported_and_counted_and_the_socket_lives() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    let frames = [
        Frame::text(""),
        Frame::text("garbage"),
        Frame::text("[]"),
        Frame::text(r#"[null,null,"room:a","news"]"#),
        Frame::text(r#"[1,2,3,4,5]"#),
        Frame::text(r#"[null,null,"room:a","news",nonsense]"#),
        Frame::text(r#"[{"a":1},"9","room:a","phx_reply",{"response":{},"status":"ok"}]"#),
        Frame::text(r#"{"topic":"room:a"}"#),
        Frame::text(vec![0xff, 0xfe]),
        Frame::text(r#"[null,"1","room:a","phx_reply",{}]"#),
        Frame::binary(""),
        Frame::binary(vec![9]),
        Frame::binary(vec![2, 200, 200]),
    ];
    let count = frames.len();
    for frame in frames {
        s.socket.handle_frame(s.now, s.transport(), frame.clone());
        match s.socket.poll_event() {
            Some(Event::Malformed { transport, error, .. }) => {
                assert_eq!(transport, s.transport());
                assert_eq!(error.frame, frame, "it is handed over");
            }
            other => panic!("{frame:?} gave {other:?}"),
        }
    }
    assert_eq!(s.socket.counters().malformed, count as u64);
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Joined));
    s.broadcast("room:a", "news");
    assert_eq!(s.events(), ["room:a news {}"]);
}

#[test]
fn frames_over_the_limit_are_not_decoded() {
    let (mut s, _) = Script::joined(quiet_but(|config| config.max_frame_size = 80), "room:a");
    let frame = |len: usize| {
        let rest = r#"[null,null,"room:a","news",""]"#.len();
        format!(r#"[null,null,"room:a","news","{}"]"#, "x".repeat(len - rest))
    };
    s.server(&frame(80));
    s.server(&frame(81));
    let events = s.events();
    assert!(events[0].starts_with("room:a news"), "{events:?}");
    assert_eq!(events[1], "malformed: 81 bytes are more than the 80 allowed");
}

#[test]
fn only_what_has_an_outcome_counts_as_a_push() {
    let mut config = quiet();
    config.max_pushes = 2;
    config.heartbeat_interval = Some(secs(30));
    let mut s = Script::open(config);
    s.wait(secs(30));
    s.ping().unwrap();
    // A heartbeat, a ping and a request for params are under way.
    let b = s.asking_channel("b");
    s.join(b);
    let a = s.channel("a");
    s.join(a);
    let refused = s.try_push(a, "msg", Payload::empty(), None).unwrap_err().reason;
    assert!(matches!(refused, CallError::TooManyPushes { max: 2, .. }), "{refused:?}");
}
