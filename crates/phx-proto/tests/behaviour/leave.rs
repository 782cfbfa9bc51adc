//! Leaving resolves on the server's confirmation, on the end of the connection, or in time.

use crate::common::{NOTHING, Script, quiet, quiet_but, secs};
use phx_proto::{CallError, ChannelState, TimeoutReason};

const LEFT: [&str; 2] = ["leave room:a: left", "room:a closed: left"];

#[test]
fn on_the_reply() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.leave(a);
    assert_eq!(s.actions(), ["send phx_leave room:a"]);
    assert_eq!(s.latest("phx_leave room:a").join_ref, s.latest("phx_join room:a").join_ref);
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Leaving));
    s.broadcast("room:a", "news");
    s.server_push("room:a", "news");
    assert_eq!(s.events(), NOTHING, "no messages, and no end before the server confirms it");
    s.reply("phx_leave room:a", "ok", "{}");
    assert_eq!(s.events(), LEFT);
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Closed));
    s.server_push("room:a", "phx_close");
    assert_eq!(s.events(), NOTHING, "once");
}

#[test]
fn on_phx_close_or_phx_error_of_that_join() {
    for event in ["phx_close", "phx_error"] {
        let (mut s, a) = Script::joined(quiet(), "room:a");
        s.leave(a);
        s.server_push("room:a", event);
        assert_eq!(s.events(), LEFT);
        s.reply("phx_leave room:a", "ok", "{}");
        assert_eq!(s.events(), NOTHING);
    }
}

#[test]
fn not_on_messages_of_another_topic_or_join() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.leave(a);
    let mut join = s.latest("phx_join room:a");
    join.topic = "room:b".into();
    s.server_push_for(&join, "phx_close");
    s.server(r#"["4711","4711","room:a","phx_close",{}]"#);
    assert_eq!(s.events(), NOTHING);
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Leaving));
}

#[test]
fn in_time() {
    for (timeout, time) in [(None, 10), (Some(secs(1)), 1)] {
        let (mut s, a) = Script::joined(quiet(), "room:a");
        s.wait(secs(10));
        s.leave_with_timeout(a, timeout);
        assert!(matches!(s.socket.timeout_reason(), Some(TimeoutReason::Push(_))));
        s.wait(secs(time));
        assert_eq!(s.events(), ["leave room:a: timed out", "room:a closed: left"]);
        s.reply("phx_leave room:a", "ok", "{}");
        assert_eq!(s.events(), NOTHING);
    }
}

#[test]
fn one_that_timed_out_before_the_transport_took_it_is_still_sent() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.stuck = true;
    s.push(a, "too_late");
    s.leave_with_timeout(a, Some(secs(1)));
    s.wait(secs(1));
    assert_eq!(
        s.events(),
        ["leave room:a: timed out", "too_late: channel closed", "room:a closed: left"]
    );
    s.stuck = false;
    assert_eq!(
        s.actions(),
        ["send phx_leave room:a"],
        "or the server would keep a channel that nobody wants"
    );
}

#[test]
fn a_join_that_was_sent_is_left_and_its_call_ends() {
    let (mut s, a) = Script::joining(quiet(), "room:a");
    s.push(a, "never_sent");
    s.leave(a);
    assert_eq!(s.actions(), ["send phx_join room:a", "send phx_leave room:a"]);
    assert_eq!(s.events(), ["never_sent: channel closed", "join room:a: channel closed"]);
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Leaving), "nobody wants it any more");
    s.reply("phx_leave room:a", "ok", "{}");
    assert_eq!(s.events(), LEFT);
}

#[test]
fn pushes_before_it_are_sent() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.stuck = true;
    s.push(a, "1");
    s.push(a, "2");
    s.leave(a);
    s.stuck = false;
    assert_eq!(s.actions(), ["send 1 room:a", "send 2 room:a", "send phx_leave room:a"]);
    s.reply("1 room:a", "ok", "{}");
    s.reply("phx_leave room:a", "ok", "{}");
    assert_eq!(
        s.events(),
        ["1: ok {}", "leave room:a: left", "2: channel closed", "room:a closed: left"]
    );
}

#[test]
fn it_cannot_be_cancelled() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    let leave = s.leave(a);
    assert!(!s.cancel(leave));
    s.reply("phx_leave room:a", "ok", "{}");
    assert_eq!(s.events(), LEFT);
}

#[test]
fn its_topic_is_free_at_once_and_both_lives_are_distinguished() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    let old_join = s.latest("phx_join room:a");
    s.leave(a);
    let b = s.channel("room:a");
    s.join(b);
    assert_eq!(s.socket.channel_of("room:a"), Some(b));
    assert_eq!(s.actions(), ["send phx_leave room:a", "send phx_join room:a"]);
    // As a server does: no reply to the leave, and a late close of the old channel.
    s.reply("phx_join room:a", "ok", "{}");
    s.server_push_for(&old_join, "phx_close");
    assert_eq!(
        s.events(),
        ["room:a joined {}", "join room:a: ok {}", "leave room:a: left", "room:a closed: left"]
    );
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Closed));
    assert_eq!(s.socket.channel_state(b), Some(ChannelState::Joined));
}

#[test]
fn the_socket_holds_only_so_many_calls() {
    let (mut s, a) = Script::joined(quiet_but(|config| config.max_pushes = 1), "room:a");
    s.push(a, "msg");
    assert!(matches!(s.socket.leave(s.now, a, None), Err(CallError::TooManyPushes { max: 1, .. })));
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Joined), "nothing was done");
    assert!(s.remove(a), "it can be dropped all the same");
    assert_eq!(s.actions(), ["send msg room:a", "send phx_leave room:a"]);
}
