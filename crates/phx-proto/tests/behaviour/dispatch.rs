//! Messages of the server reach their channel in its current life, or no channel.

use crate::common::{NOTHING, Script, quiet, secs, v1};
use phx_proto::{ChannelState, Frame};

#[test]
fn broadcasts_and_server_pushes_of_this_life_are_delivered() {
    let (mut s, _) = Script::joined(quiet(), "room:a");
    s.broadcast("room:a", "broadcast");
    s.server_push("room:a", "pushed");
    s.server(r#"[null,"99","room:a","with_ref",{"n":1}]"#);
    s.frame(Frame::binary(b"\x02\x06\x05room:ashoutdata".to_vec()));
    assert_eq!(
        s.events(),
        [
            "room:a broadcast {}",
            "room:a pushed {}",
            r#"room:a with_ref {"n":1}"#,
            r#"room:a shout b"data""#
        ]
    );
    assert_eq!(s.socket.counters().messages, 4);
}

#[test]
fn messages_of_an_old_life_are_dropped() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    let old = s.latest("phx_join room:a");
    s.reconnect();
    s.reply("phx_join room:a", "ok", "{}");
    s.forget_lines();
    for event in ["news", "phx_error", "phx_close"] {
        s.server_push_for(&old, event);
    }
    s.server(r#"["not a number",null,"room:a","news",{}]"#);
    assert_eq!(s.events(), NOTHING);
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Joined));
    assert_eq!(s.socket.counters().outdated, 4);
}

#[test]
fn messages_are_delivered_only_while_joined() {
    let mut s = Script::open(quiet());
    let a = s.channel("room:a");
    s.broadcast("room:a", "new");
    s.join(a);
    s.broadcast("room:a", "joining");
    s.server_push("room:a", "joining");
    s.reply("phx_join room:a", "ok", "{}");
    s.forget_lines();
    s.broadcast("room:a", "joined");
    s.server_push("room:a", "phx_error");
    s.broadcast("room:a", "errored");
    s.server_push("room:a", "errored");
    assert_eq!(s.events(), ["room:a joined {}", "room:a errored: crashed {}, retry in 1s"]);
    assert_eq!(s.socket.counters().messages, 1);
    assert_eq!(s.socket.counters().outdated, 5);
}

#[test]
fn a_close_is_never_matched_on_its_ref_alone() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    let join = s.latest("phx_join room:a");
    s.push(a, "msg");
    let push = s.latest("msg room:a");
    s.forget_lines();
    // The ref is that of this join or push, but the join_ref is that of another life.
    for reference in [&join.reference, &push.reference] {
        let reference = reference.as_ref().unwrap();
        s.server(&format!(r#"["4711","{reference}","room:a","phx_close",{{}}]"#));
    }
    assert_eq!(s.events(), NOTHING);
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Joined));
    s.reply("msg room:a", "ok", "{}");
    assert_eq!(s.events(), ["msg: ok {}"]);
}

#[test]
fn a_crash_or_close_of_one_topic_is_not_anothers() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.join_ok("room:b");
    s.server_push("room:b", "phx_error");
    assert_eq!(s.events(), ["room:b errored: crashed {}, retry in 1s"]);
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Joined));
}

#[test]
fn broadcasts_on_topics_without_a_channel_are_reported() {
    let (mut s, _) = Script::joined(quiet(), "room:a");
    s.server(r#"[null,null,"__absinthe__:doc:7","subscription:data",{"n":1}]"#);
    s.frame(Frame::binary(b"\x02\x06\x05room:bshoutdata".to_vec()));
    // A message with a join ref was for a removed channel, and events of the protocol are no messages.
    s.server(r#"["4",null,"room:b","late",{}]"#);
    for event in ["phx_close", "phx_error", "phx_join"] {
        s.broadcast("room:b", event);
    }
    assert_eq!(
        s.events(),
        [
            r#"unjoined __absinthe__:doc:7 subscription:data {"n":1}"#,
            r#"unjoined room:b shout b"data""#,
        ]
    );
    assert_eq!(s.socket.counters().unknown_topic, 6);
}

#[test]
fn a_reply_without_a_ref_is_nobodys() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.push(a, "msg");
    s.server(r#"[null,null,"room:a","phx_reply",{"status":"ok","response":{}}]"#);
    s.server(r#"[null,"x","room:a","phx_reply",{"status":"ok","response":{}}]"#);
    assert_eq!(s.events(), NOTHING);
    assert_eq!(s.socket.counters().unmatched_replies, 2);
}

#[test]
fn v1_sends_and_needs_no_join_ref() {
    let (mut s, a) = Script::joining(v1(), "room:a");
    assert_eq!(s.latest("phx_join room:a").join_ref, None);
    s.reply("phx_join room:a", "ok", "{}");
    s.push(a, "msg");
    assert_eq!(s.latest("msg room:a").join_ref, None);
    s.reply("msg room:a", "ok", "{}");
    s.broadcast("room:a", "news");
    s.broadcast("room:a", "phx_error");
    assert_eq!(
        s.events(),
        [
            "room:a joined {}",
            "join room:a: ok {}",
            "msg: ok {}",
            "room:a news {}",
            "room:a errored: crashed {}, retry in 1s"
        ]
    );
    s.wait(secs(1));
    s.reply("phx_join room:a", "ok", "{}");
    s.broadcast("room:a", "phx_close");
    assert_eq!(s.events(), ["room:a rejoined {}", "room:a closed: by server {}"]);
}

#[test]
fn v1_leaves_on_the_reply() {
    let (mut s, a) = Script::joined(v1(), "room:a");
    s.leave(a);
    s.reply("phx_leave room:a", "ok", "{}");
    s.broadcast("room:a", "phx_close");
    assert_eq!(s.events(), ["leave room:a: left", "room:a closed: left"]);
}

#[test]
fn v1_takes_an_unnamed_close_while_joining_for_the_life_before() {
    let (mut s, a) = Script::joining(v1(), "room:a");
    for event in ["phx_close", "phx_error"] {
        s.broadcast("room:a", event);
        assert_eq!(s.socket.channel_state(a), Some(ChannelState::Joining), "{event}");
    }
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.events(), ["room:a joined {}", "join room:a: ok {}"]);
}
