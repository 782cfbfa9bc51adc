//! An input about an old connection changes nothing.

use crate::common::{NOTHING, Script, quiet, secs};
use phx_proto::{CloseCause, ConnectionState, Frame};

#[test]
fn whatever_an_old_transport_says_is_counted_and_dropped() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.reconnect();
    s.reply("phx_join room:a", "ok", "{}");
    s.push(a, "msg");
    let push = s.latest("msg room:a").reference.unwrap();
    s.forget_lines();
    let timeout = s.socket.poll_timeout();
    let old = s.transport_number(1);
    s.opened_on(old);
    s.frame_on(old, Frame::text(r#"[null,null,"room:a","news",{}]"#));
    s.frame_on(old, Frame::text("garbage"));
    let reply =
        format!(r#"[null,"{push}","room:a","phx_reply",{{"status":"ok","response":{{}}}}]"#);
    s.frame_on(old, Frame::text(reply));
    s.gap_on(old);
    s.closed_on(old, CloseCause::io(""));
    assert_eq!(s.events(), NOTHING);
    assert_eq!(s.actions(), NOTHING);
    assert_eq!(s.socket.connection_state(), ConnectionState::Open);
    assert_eq!(s.socket.poll_timeout(), timeout);
    assert_eq!(s.socket.counters().stale_inputs, 6);
    assert_eq!(s.socket.counters().malformed, 0);
}

#[test]
fn frames_before_the_open_and_after_the_disconnect_are_dropped() {
    let mut s = Script::new(quiet());
    s.connect();
    s.forget_lines();
    s.server(r#"[null,null,"room:a","news",{}]"#);
    s.opened();
    s.disconnect();
    s.server("garbage");
    assert_eq!(s.events(), ["opened 1"]);
    assert_eq!(s.socket.counters().stale_inputs, 2);
}

#[test]
fn an_attempt_that_was_given_up_cannot_open_in_its_successors_place() {
    let mut s = Script::new(quiet());
    s.connect();
    s.reconnect_now();
    s.forget_lines();
    s.opened_on(s.transport_number(1));
    assert_eq!(s.socket.connection_state(), ConnectionState::Connecting);
    s.closed_on(s.transport_number(1), CloseCause::io(""));
    assert_eq!(s.socket.connection_state(), ConnectionState::Connecting);
    assert_eq!(s.events(), NOTHING);
    s.opened();
    assert_eq!(s.events(), ["opened 2"]);
}

#[test]
fn a_transport_that_nobody_has_asked_for_yet_cannot_open() {
    let mut s = Script::new(quiet());
    s.connect();
    let first = s.transport();
    // A second attempt whose action was not polled.
    s.socket.reconnect_now(s.now);
    s.socket.handle_opened(s.now, first);
    assert_eq!(s.socket.connection_state(), ConnectionState::Connecting);
    s.drain();
    s.lost();
    s.wait(secs(1));
    assert_eq!(s.socket.counters().attempts, 3);
}
