//! A topic has one channel at a time: a second one is refused, unless it is asked to replace the first.

use crate::common::{NOTHING, Script, quiet};
use phx_proto::{Action, CallError, ChannelState, Payload, SendReason};

#[test]
fn a_second_channel_is_refused_with_the_first() {
    let mut s = Script::open(quiet());
    let a = s.channel("room:a");
    for step in ["new", "joining", "joined", "errored"] {
        let second = s.channel_with("room:a", Payload::empty());
        assert!(
            matches!(second, Err(CallError::TopicTaken { owner, .. }) if owner == a),
            "{step}: {second:?}"
        );
        match step {
            "new" => {
                s.join(a);
            }
            "joining" => s.reply("phx_join room:a", "ok", "{}"),
            _ => s.lost(),
        }
    }
    assert_eq!(s.socket.channel_of("room:a"), Some(a));
    assert_eq!(s.socket.topic(a).map(|topic| &**topic), Some("room:a"));
}

#[test]
fn a_replacement_leaves_the_first_and_then_joins() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    let first_join = s.latest("phx_join room:a");
    s.push(a, "msg");
    let b = s.replace("room:a");
    assert_eq!(s.socket.channel_of("room:a"), Some(b));
    s.join(b);
    assert_eq!(s.actions(), ["send msg room:a", "send phx_leave room:a", "send phx_join room:a"]);
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.events(), ["room:a joined {}", "join room:a: ok {}"]);
    s.server_push_for(&first_join, "phx_close");
    assert_eq!(
        s.events(),
        ["msg: channel closed", "room:a closed: replaced"],
        "nobody asked for the outcome of that leave"
    );
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Closed));
    assert_eq!(s.try_join(a, None), Err(CallError::Replaced));
    assert_eq!(s.socket.channel_state(b), Some(ChannelState::Joined));
}

#[test]
fn a_replacement_of_nothing_is_a_new_channel() {
    let mut s = Script::open(quiet());
    let a = s.replace("room:a");
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::New));
    assert_eq!(s.events(), NOTHING);
}

#[test]
fn a_replacement_that_cannot_be_leaves_the_first_alone() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    let binary = s.socket.replace(s.now, "room:a", Payload::binary("x"));
    assert!(matches!(binary, Err(CallError::Encode(_))), "{binary:?}");
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Joined));
    assert_eq!(s.actions(), NOTHING);
}

#[test]
fn replacing_again_and_again_keeps_all_lives_apart() {
    let (mut s, mut channel) = Script::joined(quiet(), "room:a");
    let mut joins = vec![s.latest("phx_join room:a")];
    for _ in 0..3 {
        channel = s.replace("room:a");
        s.join(channel);
        joins.push(s.latest("phx_join room:a"));
    }
    let last = joins.pop().unwrap();
    s.reply_to(&last, "ok", "{}");
    s.forget_lines();
    for join in joins {
        s.server_push_for(&join, "phx_close");
        assert_eq!(s.events(), ["room:a closed: replaced"]);
    }
    assert_eq!(s.socket.channel_state(channel), Some(ChannelState::Joined));
}

#[test]
fn the_id_of_a_removed_channel_never_means_another() {
    let mut s = Script::open(quiet());
    let a = s.channel("room:a");
    s.remove(a);
    let b = s.channel("room:a");
    assert_ne!(a, b);
    assert_eq!(s.socket.channel_state(a), None);
    assert_eq!(s.socket.channel_state(b), Some(ChannelState::New));
}

#[test]
fn an_end_that_names_the_new_channel_is_not_the_old_ones() {
    for (event, reported) in [
        ("phx_close", "room:a closed: by server {}"),
        ("phx_error", "room:a errored: crashed {}, retry in 1s"),
    ] {
        let (mut s, _) = Script::joined(quiet(), "room:a");
        let old_join = s.latest("phx_join room:a");
        s.replace("room:a");
        let new = s.socket.channel_of("room:a").unwrap();
        s.join(new);
        s.reply("phx_join room:a", "ok", "{}");
        s.forget_lines();
        s.server_push("room:a", event);
        assert_eq!(s.events(), [reported], "the old one is being left");
        s.server_push_for(&old_join, "phx_close");
        assert_eq!(s.events(), ["room:a closed: replaced"]);
    }
}

#[test]
fn what_is_sent_for_a_replacement_names_its_channels() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.forget_lines();
    let b = s.socket.replace(s.now, "room:a", Payload::empty()).unwrap();
    s.socket.join(s.now, b, None).unwrap();
    let reasons: Vec<_> = std::iter::from_fn(|| s.socket.poll_action())
        .map(|action| match action {
            Action::Send { why, .. } => why,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(reasons, [SendReason::Leave(a), SendReason::Join(b)]);
}
