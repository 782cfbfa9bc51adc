//! A push that expects no reply has no ref, and its outcome is that the transport took it.

use core::time::Duration;
use std::sync::Arc;

use crate::common::quiet;
use phx_proto::{
    Action, ChannelId, CloseCode, Config, Event, Frame, Instant, Outcome, Payload, PushOverflow,
    RequestId, Socket, TransportId, V1,
};

const NOW: Instant = Instant::EPOCH;

/// A connected socket with a channel that joins; its join has been sent.
struct Joining {
    socket: Socket,
    transport: TransportId,
    room: ChannelId,
}

impl Joining {
    fn new(config: Config) -> Self {
        let mut socket = Socket::new(config, 1);
        let room = socket.channel("room:a", Payload::empty()).unwrap();
        socket.join(NOW, room, None).unwrap();
        socket.connect(NOW);
        let Some(Action::Connect { transport, .. }) = socket.poll_action() else { panic!() };
        socket.handle_opened(NOW, transport);
        assert!(matches!(socket.poll_action(), Some(Action::Send { .. })));
        Joining { socket, transport, room }
    }

    fn joined(config: Config) -> Self {
        let mut joining = Joining::new(config);
        joining.accept();
        while joining.socket.poll_event().is_some() {}
        joining
    }

    fn accept(&mut self) {
        let text = r#"["2","2","room:a","phx_reply",{"response":{},"status":"ok"}]"#;
        self.socket.handle_frame(NOW, self.transport, Frame::text(text));
    }

    fn cast(&mut self, event: &str) -> RequestId {
        self.socket.push_without_reply(NOW, self.room, event, Payload::empty(), None).unwrap()
    }

    fn frames(&mut self) -> Vec<String> {
        let mut frames = Vec::new();
        while let Some(action) = self.socket.poll_action() {
            if let Action::Send { frame, .. } = action {
                frames.push(String::from_utf8_lossy(frame.as_bytes()).into_owned());
            }
        }
        frames
    }

    /// Returns the outcomes since the last call.
    fn outcomes(&mut self) -> Vec<(RequestId, Outcome)> {
        let mut outcomes = Vec::new();
        while let Some(event) = self.socket.poll_event() {
            if let Event::RequestDone { push, outcome, .. } = event {
                outcomes.push((push, outcome));
            }
        }
        outcomes
    }
}

#[test]
fn it_is_sent_without_a_ref_and_has_one_outcome() {
    let mut s = Joining::joined(quiet());
    let cast = s.cast("moved");
    assert_eq!(s.outcomes(), [], "not taken by the transport yet");
    assert_eq!(s.frames(), [r#"["2",null,"room:a","moved",{}]"#]);
    assert_eq!(s.outcomes(), [(cast, Outcome::Sent)]);
    assert_eq!(s.socket.poll_timeout(), None, "its deadline is gone with it");
    assert!(!s.socket.cancel(cast));
    let reply = format!(r#"["2","{}","room:a","phx_reply",{{"status":"ok"}}]"#, cast.as_u64());
    s.socket.handle_frame(NOW, s.transport, Frame::text(reply));
    assert_eq!(s.outcomes(), [], "nothing can answer it");
    assert_eq!(s.socket.counters().unmatched_replies, 1);
}

#[test]
fn it_waits_for_the_join_in_order_with_other_pushes() {
    let mut s = Joining::new(quiet());
    let first = s.socket.push(NOW, s.room, "first", Payload::empty(), None).unwrap();
    let cast = s.cast("second");
    assert_eq!(s.frames(), [""; 0]);
    s.accept();
    let expected = [
        format!(r#"["2","{}","room:a","first",{{}}]"#, first.as_u64()),
        r#"["2",null,"room:a","second",{}]"#.to_owned(),
    ];
    assert_eq!(s.frames(), expected);
    assert_eq!(s.outcomes().last(), Some(&(cast, Outcome::Sent)));
}

#[test]
fn unsent_it_ends_as_other_pushes_do() {
    let mut s = Joining::new(quiet());
    let late = s.socket.push_without_reply(
        NOW,
        s.room,
        "late",
        Payload::empty(),
        Some(Duration::from_secs(1)),
    );
    let cancelled = s.cast("cancelled");
    assert!(s.socket.cancel(cancelled));
    s.socket.handle_timeout(NOW + Duration::from_secs(1));
    let left = s.cast("left");
    s.socket.leave(NOW, s.room, None).unwrap();
    let expected = [
        (cancelled, Outcome::Cancelled),
        (late.unwrap(), Outcome::NotSent),
        (left, Outcome::ChannelClosed),
    ];
    let outcomes = s.outcomes();
    assert!(expected.iter().all(|expected| outcomes.contains(expected)), "{outcomes:?}");
}

#[test]
fn accepted_before_a_disconnect_it_is_sent_before_the_close() {
    let mut s = Joining::joined(quiet());
    let cast = s.cast("last");
    s.socket.disconnect(NOW, CloseCode::NORMAL, "bye").unwrap();
    assert_eq!(s.frames(), [r#"["2",null,"room:a","last",{}]"#]);
    assert_eq!(s.outcomes(), [(cast, Outcome::Sent)]);
}

#[test]
fn it_counts_in_the_limits() {
    let mut config = quiet();
    config.max_buffered_pushes = 1;
    config.push_overflow = PushOverflow::Reject;
    config.max_buffered_bytes = 10;
    let mut s = Joining::joined(config);
    let push = |s: &mut Joining, event| {
        let pushed = s.socket.push_without_reply(NOW, s.room, event, Payload::empty(), None);
        pushed.map(drop).map_err(|error| error.reason.to_string())
    };
    let refusal = |pushed: Result<(), String>, setting: &str| {
        assert!(pushed.as_ref().is_err_and(|error| error.contains(setting)), "{pushed:?}");
    };
    refusal(push(&mut s, "over_eight"), "max_buffered_bytes");
    assert_eq!(push(&mut s, "1"), Ok(()));
    refusal(push(&mut s, "2"), "max_buffered_pushes");
    s.frames();
    assert_eq!(push(&mut s, "3"), Ok(()), "what is sent takes no space");

    let mut config = quiet();
    config.max_pushes = 1;
    let mut s = Joining::joined(config);
    assert_eq!(push(&mut s, "1"), Ok(()));
    s.frames();
    refusal(push(&mut s, "2"), "max_pushes");
    s.outcomes();
    assert_eq!(push(&mut s, "3"), Ok(()), "the outcome before was polled");
}

#[test]
fn v1_writes_null_for_the_ref() {
    let mut config = quiet();
    config.serializer = Arc::new(V1);
    let mut s = Joining::new(config);
    let text = r#"{"topic":"room:a","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"2"}"#;
    s.socket.handle_frame(NOW, s.transport, Frame::text(text));
    s.cast("moved");
    assert_eq!(s.frames(), [r#"{"topic":"room:a","event":"moved","payload":{},"ref":null}"#]);
}
