//! Connecting takes its time, and no more than that.

use crate::common::{Script, quiet, secs};
use phx_proto::{ConnectionState, TimeoutReason};

#[test]
fn an_attempt_that_takes_too_long_is_closed_and_tried_again() {
    let mut s = Script::new(quiet());
    s.connect();
    assert_eq!(s.socket.timeout_reason(), Some(TimeoutReason::Connect));
    assert_eq!(s.next_timeout(), Some(secs(20)));
    s.wait(secs(20));
    assert_eq!(s.actions(), ["connect 1, attempt 1", "close 1: 1000 connect timeout"]);
    assert_eq!(s.events(), ["unopened 1: the connection took too long to open, retry in 1s"]);
    s.wait(secs(1));
    assert_eq!(s.actions(), ["connect 2, attempt 2"]);
}

#[test]
fn a_connection_that_opens_in_time_is_not_timed_out() {
    let mut s = Script::new(quiet());
    s.connect();
    s.wait(secs(19));
    s.opened();
    s.wait(secs(60));
    assert_eq!(s.socket.connection_state(), ConnectionState::Open);
    assert_eq!(s.events(), ["opened 1"]);
}

#[test]
fn a_connection_that_opens_after_its_timeout_is_not_taken() {
    let mut s = Script::new(quiet());
    s.connect();
    s.wait(secs(20));
    s.forget_lines();
    s.opened();
    s.lost();
    assert_eq!(s.events(), [""; 0]);
    assert_eq!(s.socket.connection_state(), ConnectionState::Waiting);
    assert_eq!(s.socket.counters().stale_facts, 2);
}

#[test]
fn the_time_to_connect_counts_from_the_wish_not_from_the_poll() {
    let mut s = Script::new(quiet());
    s.socket.connect(s.now);
    s.oversleep(secs(15));
    s.drain();
    assert_eq!(s.next_timeout(), Some(secs(5)));
}

#[test]
fn connecting_again_while_connected_keeps_the_connection_and_its_channels() {
    let (mut s, channel) = Script::joined(quiet(), "room:a");
    s.connect();
    assert_eq!(s.actions(), [""; 0]);
    s.push(channel, "still_here");
    assert_eq!(s.actions(), ["send still_here room:a"]);
}
