//! A custom serializer whose `check` passes at the call and whose `encode` fails later.

use std::sync::Arc;

use crate::common::{Script, quiet, secs};
use phx_proto::{
    Action, DecodeError, EncodeError, Event, Frame, Instant, Message, Payload, Serializer, Socket,
    V2,
};

/// V2, but fails to encode one event.
#[derive(Debug)]
struct Without(&'static str);

impl Serializer for Without {
    fn vsn(&self) -> &str {
        V2.vsn()
    }

    fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
        if message.event == self.0 {
            return Err(EncodeError::Custom("changed my mind".to_owned()));
        }
        V2.encode(message)
    }

    fn check(&self, _: &Message) -> Result<(), EncodeError> {
        Ok(())
    }

    fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
        V2.decode(frame)
    }
}

fn open_without(event: &'static str) -> Script {
    let mut config = quiet();
    config.heartbeat_interval = Some(secs(30));
    config.serializer = Arc::new(Without(event));
    Script::open(config)
}

#[test]
fn a_join_is_tried_again() {
    let mut s = open_without("phx_join");
    let a = s.channel("a");
    s.join(a);
    assert_eq!(s.events(), ["a join failed: unsendable, changed my mind, retry in 1s"]);
    s.wait(secs(1));
    assert_eq!(s.events(), ["a join failed: unsendable, changed my mind, retry in 2s"]);
    assert_eq!(s.actions(), [""; 0]);
}

#[test]
fn a_join_gives_its_turn_to_the_next() {
    let mut config = quiet();
    config.max_joins_in_flight = 1;
    config.serializer = Arc::new(Without("phx_join"));
    let (mut socket, now) = (Socket::new(config, 1), Instant::EPOCH);
    for topic in ["a", "b", "c"] {
        let channel = socket.channel(topic, Payload::empty()).unwrap();
        socket.join(now, channel, None).unwrap();
    }
    socket.connect(now);
    let Some(Action::Connect { transport, .. }) = socket.poll_action() else { panic!() };
    socket.handle_opened(now, transport);
    assert_eq!(socket.poll_action(), None);
    let events: Vec<_> = std::iter::from_fn(|| socket.poll_event()).collect();
    let failed = events.iter().filter(|event| matches!(event, Event::JoinFailed { .. }));
    assert_eq!(failed.count(), 3);
}

#[test]
fn a_leave_ends_when_its_time_is_up() {
    let mut s = open_without("phx_leave");
    let a = s.join_ok("a");
    s.leave(a);
    assert_eq!(s.events(), [""; 0]);
    s.wait(secs(10));
    assert_eq!(s.events(), ["leave a: timed out", "a closed: left"]);
}

#[test]
fn a_heartbeat_that_was_not_sent_has_no_reply() {
    let mut s = open_without("heartbeat");
    s.wait(secs(40));
    assert_eq!(s.events(), ["closed 1: the heartbeat had no reply in time, retry in 1s"]);
}

#[test]
fn a_push_has_that_outcome_and_the_next_is_sent() {
    let mut s = open_without("msg");
    let a = s.join_ok("a");
    s.push(a, "msg");
    s.push(a, "next");
    assert_eq!(s.events(), ["msg: unsendable, changed my mind"]);
    assert_eq!(s.actions(), ["send next a"]);
}
