//! What was accepted before a disconnect is still sent, also if its channel is left or let go before
//! the transport has taken it: a program that pushes, disconnects and drops everything loses nothing.

use crate::common::{Script, quiet};
use phx_proto::{ChannelId, ChannelState};

/// A joined channel with a push that waits for the transport, on a socket that disconnects.
fn disconnecting() -> (Script, ChannelId) {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.stuck = true;
    s.push(a, "before");
    s.disconnect();
    s.push(a, "after");
    s.forget_lines();
    (s, a)
}

#[test]
fn a_leave_goes_after_the_pushes_and_before_the_close() {
    for leave_first in [true, false] {
        let (mut s, a) = Script::joined(quiet(), "room:a");
        s.stuck = true;
        s.push(a, "before");
        if leave_first {
            s.leave(a);
            s.disconnect();
        } else {
            s.disconnect();
            s.push(a, "after");
            s.forget_lines();
            s.leave(a);
            let why = "it waited for a rejoin that won't come";
            assert_eq!(s.events(), ["after: channel closed"], "{why}");
        }
        s.stuck = false;
        let sent = ["send before room:a", "send phx_leave room:a", "close 1: 1000 bye"];
        assert_eq!(s.actions(), sent);
        s.lost();
        assert_eq!(
            s.events(),
            [
                "before: disconnected",
                "leave room:a: left",
                "room:a closed: left",
                "closed 1: disconnected"
            ]
        );
        assert_eq!(s.socket.poll_timeout(), None);
    }
}

#[test]
fn a_channel_that_is_removed_sends_what_it_had() {
    let (mut s, a) = disconnecting();
    s.remove(a);
    s.stuck = false;
    assert_eq!(s.actions(), ["send before room:a", "send phx_leave room:a", "close 1: 1000 bye"]);
    s.lost();
    assert_eq!(
        s.events(),
        ["after: channel closed", "before: disconnected", "closed 1: disconnected"]
    );
    assert_eq!(s.socket.channel_state(a), None);
    assert_eq!(s.socket.poll_timeout(), None);
}

#[test]
fn with_nothing_left_to_send_there_is_nothing_to_leave() {
    let (mut s, a) = disconnecting();
    s.stuck = false;
    assert_eq!(s.actions(), ["send before room:a", "close 1: 1000 bye"]);
    s.leave(a);
    assert_eq!(
        s.events(),
        [
            "before: disconnected",
            "leave room:a: left",
            "after: channel closed",
            "room:a closed: left"
        ]
    );
    assert_eq!(s.actions(), [""; 0]);
}

#[test]
fn a_connect_overtakes_it() {
    let (mut s, a) = disconnecting();
    s.leave(a);
    s.connect();
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Closed));
    assert_eq!(
        s.events(),
        [
            "after: channel closed",
            "leave room:a: left",
            "before: channel closed",
            "room:a closed: left",
            "closed 1: disconnected, retry in 0ns"
        ]
    );
}
