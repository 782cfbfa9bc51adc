//! Connect attempts and their timeout.

use crate::common::{Script, quiet, secs};
use phx_proto::{ConnectionState, TimeoutReason};

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
    assert_eq!(s.socket.counters().stale_inputs, 2);
}

#[test]
fn the_time_to_connect_counts_from_the_wish_not_from_the_poll() {
    let mut s = Script::new(quiet());
    s.socket.connect(s.now);
    s.oversleep(secs(15));
    s.drain();
    assert_eq!(s.next_timeout(), Some(secs(5)));
    assert_eq!(s.socket.timeout_reason(), Some(TimeoutReason::Connect));
}

#[test]
fn connecting_again_while_connected_keeps_the_connection_and_its_channels() {
    let (mut s, channel) = Script::joined(quiet(), "room:a");
    s.connect();
    assert_eq!(s.actions(), [""; 0]);
    s.push(channel, "still_here");
    assert_eq!(s.actions(), ["send still_here room:a"]);
}
