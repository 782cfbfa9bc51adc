//! A disconnect sends what was accepted, then a close frame, and ends in time.

use crate::common::{NOTHING, Script, quiet, quiet_but, secs};
use phx_proto::{CloseCode, TimeoutReason};

#[test]
fn what_was_accepted_is_sent_before_the_close() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.stuck = true;
    s.push(a, "first");
    s.push(a, "second");
    s.disconnect();
    assert_eq!(s.actions(), [""; 0], "the close waits for the frames before it");
    s.stuck = false;
    assert_eq!(s.actions(), ["send first room:a", "send second room:a", "close 1: 1000 bye"]);
    assert_eq!(
        s.events(),
        ["room:a errored: disconnected", "first: disconnected", "second: disconnected"],
        "no reply will be listened to"
    );
}

#[test]
fn joins_and_heartbeats_are_not_sent_before_the_close() {
    let mut s = Script::open(quiet_but(|config| config.heartbeat_interval = Some(secs(30))));
    let a = s.channel("room:a");
    s.stuck = true;
    s.join(a);
    s.ping().unwrap();
    s.wait(secs(30));
    s.forget_lines();
    s.disconnect();
    s.stuck = false;
    assert_eq!(s.actions(), ["close 1: 1000 bye"]);
}

#[test]
fn a_push_after_the_disconnect_waits_for_the_next_connection() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.stuck = true;
    s.push(a, "before");
    s.disconnect();
    s.push(a, "after");
    s.stuck = false;
    assert_eq!(s.actions(), ["send before room:a", "close 1: 1000 bye"]);
    s.lost();
    s.connect();
    s.opened();
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.actions(), ["connect 2, attempt 1", "send phx_join room:a", "send after room:a"]);
}

#[test]
fn a_transport_that_takes_nothing_more_is_closed_in_time_all_the_same() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.stuck = true;
    s.push(a, "never_sent");
    s.disconnect();
    assert_eq!(s.socket.timeout_reason(), Some(TimeoutReason::Close));
    s.wait(secs(4));
    assert_eq!(s.actions(), [""; 0]);
    s.wait(secs(1));
    assert_eq!(s.actions(), ["close 1: 1000 bye"]);
    assert_eq!(s.events(), ["room:a errored: disconnected", "closed 1: disconnected"]);
    s.lost();
    assert_eq!(s.events(), [""; 0], "exactly once");
    s.stuck = false;
    s.wait(secs(5));
    assert_eq!(s.actions(), [""; 0]);
    assert_eq!(s.events(), ["never_sent: not sent in time"], "its own deadline");
    assert_eq!(s.socket.poll_timeout(), None);
}

#[test]
fn a_leave_that_no_call_waits_for_does_not_delay_the_close() {
    // Of a join that timed out: the server forgets it with the connection.
    let mut s = Script::open(quiet());
    let a = s.channel("room:a");
    s.join(a);
    s.stuck = true;
    s.wait(secs(10));
    s.forget_lines();
    s.disconnect();
    assert_eq!(s.actions(), ["close 1: 1000 bye"]);

    // Of a leave whose time is over while pushes wait: those are sent, and what is before them.
    for is_late in [false, true] {
        let (mut s, a) = Script::joined(quiet(), "room:a");
        let (b, c) = (s.channel("room:b"), s.channel("room:c"));
        for channel in [b, c] {
            s.join(channel);
        }
        s.reply("phx_join room:b", "ok", "{}");
        s.reply("phx_join room:c", "ok", "{}");
        s.stuck = true;
        for channel in [b, a, c] {
            match channel == a {
                true => _ = s.push(a, "before"),
                false => _ = s.socket.leave(s.now, channel, Some(secs(1))).unwrap(),
            }
        }
        if !is_late {
            s.wait(secs(1));
        }
        s.disconnect();
        if is_late {
            s.wait(secs(1));
        }
        s.forget_lines();
        assert_eq!(s.actions(), NOTHING, "the push is sent first");
        s.stuck = false;
        let sent = ["send phx_leave room:b", "send before room:a", "close 1: 1000 bye"];
        assert_eq!(s.actions(), sent);
        s.lost();
        assert_eq!(s.events(), ["before: disconnected", "closed 1: disconnected"]);
        assert_eq!(s.socket.poll_timeout(), None);
    }
}

#[test]
fn channels_stay_known_and_rejoin_on_a_later_connect() {
    let (mut s, _) = Script::joined(quiet(), "room:a");
    s.disconnect();
    s.lost();
    s.wait(secs(3600));
    assert_eq!(s.actions(), ["close 1: 1000 bye"], "no reconnect by itself");
    s.connect();
    s.opened();
    assert_eq!(s.actions(), ["connect 2, attempt 1", "send phx_join room:a"]);
    s.forget_lines();
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.events(), ["room:a rejoined {}"]);
}

#[test]
fn a_connect_overtakes_a_disconnect_that_has_not_been_polled() {
    let mut s = Script::open(quiet());
    s.socket.disconnect(s.now, CloseCode::from_u16(4000), "later").unwrap();
    s.socket.connect(s.now);
    assert_eq!(s.actions(), ["close 1: 4000 later", "connect 2, attempt 1"]);
    assert_eq!(s.events(), ["closed 1: disconnected, retry in 0ns"]);
}

#[test]
fn the_longest_reason_is_sent_whole() {
    let mut s = Script::open(quiet());
    let reason = "x".repeat(123);
    s.socket.disconnect(s.now, CloseCode::from_u16(4000), &reason).unwrap();
    assert_eq!(s.actions(), [format!("close 1: 4000 {reason}")]);
}
