//! Transports of other kinds than a WebSocket: no heartbeats, a limit on frames, and gaps.

use crate::common::{NOTHING, Script, quiet, secs};
use phx_proto::{Config, Payload, TransportKind, TransportProperties};

/// A transport that takes text frames of 50 bytes and binary frames of 40.
fn narrow() -> TransportProperties {
    let mut properties = TransportProperties::default();
    properties.max_sent_frame = Some(50);
    properties.max_sent_binary_frame = Some(40);
    properties
}

fn open_with(config: Config, properties: TransportProperties) -> Script {
    let mut s = Script::new(config);
    s.connect();
    s.opened_with(properties);
    s.forget_lines();
    s
}

fn text(len: usize) -> Payload {
    Payload::json(&"x".repeat(len)).unwrap()
}

#[test]
fn long_poll_needs_no_heartbeats() {
    let mut s = open_with(Config::phoenix_cr(), TransportKind::LongPoll.properties());
    assert_eq!(s.socket.poll_timeout(), None);
    s.wait(secs(600));
    assert_eq!((s.actions(), s.events()), (vec![], vec![]));
    assert_eq!(s.socket.unanswered_since(), None);
    // The next transport is a WebSocket.
    s.reconnect();
    assert_eq!(s.next_timeout(), Some(secs(10)), "until it proves stable");
    s.wait(secs(30));
    assert_eq!(s.actions(), ["send heartbeat phoenix"]);
}

#[test]
fn a_ping_works_without_heartbeats() {
    let mut s = open_with(Config::phoenix_cr(), TransportKind::LongPoll.properties());
    s.ping().unwrap();
    assert_eq!(s.actions(), ["send heartbeat phoenix"]);
    s.wait(secs(2));
    s.reply("heartbeat phoenix", "ok", "{}");
    assert_eq!(s.events(), ["pong after 2s"]);
    s.ping().unwrap();
    s.wait(secs(10));
    assert_eq!(s.events(), ["no pong"]);
    assert!(s.socket.is_connected());
    assert_eq!(s.socket.poll_timeout(), None);
}

#[test]
fn a_push_that_is_too_large_fails_and_the_others_go() {
    let mut s = open_with(quiet(), narrow());
    let a = s.join_ok("a");
    let overhead = r#"["1","3","a","msg",""]"#.len();
    for len in [1, 50 - overhead, 51 - overhead, 1] {
        s.try_push(a, "msg", text(len), None).unwrap();
    }
    s.drain();
    let longest = format!("send msg a {:?}", "x".repeat(50 - overhead));
    assert_eq!(s.actions(), ["send msg a \"x\"", &longest, "send msg a \"x\""]);
    assert_eq!(s.events(), ["msg: 51 bytes of 50"]);
    assert_eq!(s.socket.counters().frames_sent, 4, "the join and three pushes");
    assert!(s.socket.is_connected());
    // The others still have their outcomes, and nothing is left of the one that failed.
    s.lost();
    assert_eq!(s.events().iter().filter(|line| *line == "msg: disconnected").count(), 3);
}

#[test]
fn a_binary_frame_has_a_limit_for_itself() {
    let mut s = open_with(quiet(), narrow());
    let a = s.join_ok("a");
    let overhead = 5 + "1".len() * 2 + "a".len() + "msg".len();
    for len in [40 - overhead, 41 - overhead] {
        s.try_push(a, "msg", Payload::binary(vec![0; len]), None).unwrap();
    }
    s.drain();
    assert_eq!(s.actions(), ["send msg a binary"]);
    assert_eq!(s.events(), ["msg: 41 bytes of 40"]);
}

#[test]
fn a_push_without_reply_that_is_too_large_was_not_sent() {
    let mut s = open_with(quiet(), narrow());
    let a = s.join_ok("a");
    s.socket.push_without_reply(s.now, a, "msg", text(60), None).unwrap();
    s.drain();
    assert_eq!(s.actions(), NOTHING);
    assert!(matches!(&*s.events(), [line] if line.ends_with("bytes of 50")));
}

#[test]
fn pushes_sent_before_a_disconnect_have_the_limit_too() {
    let mut s = open_with(quiet(), narrow());
    let a = s.join_ok("a");
    s.stuck = true;
    s.try_push(a, "msg", text(60), None).unwrap();
    s.try_push(a, "msg", text(1), None).unwrap();
    s.disconnect();
    s.forget_lines();
    s.stuck = false;
    s.drain();
    assert_eq!(s.actions(), ["send msg a \"x\"", "close 1: 1000 bye"]);
    assert_eq!(s.events(), ["msg: 82 bytes of 50", "msg: disconnected"]);
}

#[test]
fn a_join_that_is_too_large_ends_its_call_and_is_tried_again() {
    let mut s = open_with(quiet(), narrow());
    let a = s.channel_with("a", text(60)).unwrap();
    s.join(a);
    assert_eq!(s.actions(), NOTHING);
    let failed = "a join failed: 87 bytes of 50, retry in 1s";
    assert_eq!(s.events(), [failed, "join a: 87 bytes of 50"]);
    assert_eq!(s.socket.counters().joins_sent, 0);
    // On a WebSocket it goes.
    s.reconnect();
    s.wait(secs(1));
    s.reply("phx_join a", "ok", "{}");
    assert_eq!(s.events(), ["a joined {}"]);
}

#[test]
fn a_frame_waits_only_for_a_transport() {
    let mut s = Script::new(quiet());
    let a = s.channel("a");
    s.join(a);
    assert!(!s.socket.has_unsent_frames(), "a join that waits for a connection is no frame");
    s.stuck = true;
    s.connect();
    assert!(!s.socket.has_unsent_frames());
    s.opened();
    assert!(s.socket.has_unsent_frames());
    s.stuck = false;
    s.drain();
    assert!(!s.socket.has_unsent_frames());
}

#[test]
fn a_gap_is_reported_in_its_place() {
    let (mut s, _) = Script::joined(quiet(), "a");
    s.broadcast("a", "before");
    s.gap_on(s.transport());
    s.broadcast("a", "after");
    assert_eq!(s.events(), ["a before {}", "messages lost on 1", "a after {}"]);
}
