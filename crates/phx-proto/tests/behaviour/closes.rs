//! Channels that the server closes (`phx_close`: an expired token, a stopped process; recording `server_stop`), and
//! channels that are joined again after their end.

use crate::common::{NOTHING, Script, json, quiet, quiet_but, secs};
use phx_proto::{
    CallError, ChannelState, ClosePolicy, Config, Message, Payload, Rejoin, RejoinPolicy,
};

fn rejoining(policy: ClosePolicy) -> Config {
    quiet_but(|config| config.close_policy = policy)
}

fn close_with(s: &mut Script, payload: &str) {
    let join = s.latest("phx_join room:a");
    let close = Message::new("room:a", "phx_close", json(payload)).with_join_ref(join.join_ref);
    s.says(&close);
}

/// In phoenix.js the timer of a join continues, and rejoins a channel that was closed while it joined.
#[test]
fn by_default_a_close_is_final() {
    let payload = Payload::empty();
    assert_eq!(ClosePolicy::default().decide("room:a", &payload), Rejoin::Stop);
    assert_eq!(ClosePolicy::never().decide("room:a", &payload), Rejoin::Stop);
    for joined in [true, false] {
        let mut s = Script::open(quiet());
        let a = if joined { s.join_ok("room:a") } else { s.channel("room:a") };
        if !joined {
            s.join(a);
        }
        s.server_push("room:a", "phx_close");
        assert_eq!(s.events().last().unwrap(), "room:a closed: by server {}");
        assert_eq!(s.socket.channel_state(a), Some(ChannelState::Closed));
        assert_eq!(s.socket.poll_timeout(), None);
        assert_eq!(s.socket.channel_of("room:a"), None, "its topic is free");
        s.forget_lines();
        s.reconnect();
        assert_eq!(s.actions(), NOTHING);
    }
}

#[test]
fn a_policy_joins_again_by_the_schedule() {
    let (mut s, a) = Script::joined(rejoining(ClosePolicy::always()), "room:a");
    s.push(a, "sent");
    s.server_push("room:a", "phx_close");
    assert_eq!(
        s.events(),
        ["sent: channel closed", "room:a errored: closed {}, retry in 1s"],
        "no end"
    );
    s.push(a, "waiting");
    s.wait(secs(1));
    assert_eq!(s.actions(), ["send sent room:a", "send phx_join room:a"]);
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.events(), ["room:a rejoined {}"]);
    assert_eq!(s.actions(), ["send waiting room:a"]);
    s.server_push("room:a", "phx_close");
    assert_eq!(s.next_timeout(), Some(secs(2)), "it wasn't stable");
}

#[test]
fn a_policy_decides_by_the_payload() {
    let policy = ClosePolicy::function(|payload| match payload.reason().as_deref() {
        Some("expired") => Rejoin::After(secs(3)),
        Some("moved") => Rejoin::Backoff,
        _ => Rejoin::Stop,
    });
    for (payload, lines) in [
        (r#"{"reason":"expired"}"#, r#"room:a errored: closed {"reason":"expired"}, retry in 3s"#),
        (r#"{"reason":"moved"}"#, r#"room:a errored: closed {"reason":"moved"}, retry in 1s"#),
        ("{}", "room:a closed: by server {}"),
    ] {
        let (mut s, _) = Script::joined(rejoining(policy.clone()), "room:a");
        close_with(&mut s, payload);
        assert_eq!(s.events(), [lines]);
    }
}

#[test]
fn a_policy_decides_by_the_topic() {
    let close = ClosePolicy::by_topic(|topic, _| match topic {
        "room:a" => Rejoin::After(secs(3)),
        _ => Rejoin::Stop,
    });
    let rejoin = RejoinPolicy::by_topic(|topic, rejection| match topic {
        "room:a" if rejection.reason().is_some() => Rejoin::After(secs(4)),
        _ => Rejoin::Stop,
    });
    let config = quiet_but(|config| {
        config.close_policy = close;
        config.rejoin_policy = rejoin;
    });
    let mut s = Script::open(config);
    s.join_ok("room:a");
    s.join_ok("room:b");
    s.forget_lines();
    s.server_push("room:a", "phx_close");
    s.server_push("room:b", "phx_close");
    assert_eq!(
        s.events(),
        ["room:a errored: closed {}, retry in 3s", "room:b closed: by server {}"]
    );
    s.wait(secs(3));
    s.reply("phx_join room:a", "error", r#"{"reason":"full"}"#);
    assert_eq!(
        s.events(),
        [r#"room:a join failed: rejected error {"reason":"full"}, retry in 4s"#]
    );
}

/// A join after any close starts a new life.
#[test]
fn a_closed_channel_can_be_joined_again() {
    let ends: [fn(&mut Script, phx_proto::ChannelId); 3] = [
        |s, _| s.server_push("room:a", "phx_close"),
        |s, a| {
            s.leave(a);
            s.reply("phx_leave room:a", "ok", "{}");
        },
        |s, a| {
            s.lost();
            s.leave(a);
            s.wait(secs(1));
            s.opened();
        },
    ];
    for end in ends {
        let (mut s, a) = Script::joined(quiet(), "room:a");
        end(&mut s, a);
        assert_eq!(s.socket.channel_state(a), Some(ChannelState::Closed));
        s.forget_lines();
        s.join(a);
        assert_eq!(s.socket.channel_of("room:a"), Some(a), "it has its topic again");
        assert_eq!(s.actions(), ["send phx_join room:a"]);
        s.push(a, "waiting");
        s.reply("phx_join room:a", "ok", "{}");
        assert_eq!(s.actions(), ["send waiting room:a"]);
        assert_eq!(s.events(), ["room:a joined {}", "join room:a: ok {}"], "no rejoin");
        s.broadcast("room:a", "news");
        assert_eq!(s.events(), ["room:a news {}"]);
        assert_eq!(s.try_join(a, None), Err(CallError::AlreadyJoined));
    }
}

#[test]
fn a_rejected_channel_can_be_joined_again_and_its_next_rejection_is_a_first_one() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.server_push("room:a", "phx_close");
    s.join(a);
    s.forget_lines();
    for _ in 0..2 {
        s.reply("phx_join room:a", "error", "{}");
        assert_eq!(s.events(), ["join room:a: error {}", "room:a closed: rejected error {}"]);
        s.join(a);
    }
}

#[test]
fn a_new_life_asks_for_its_params_and_its_schedule_starts_over() {
    let (mut s, a) = Script::asking(quiet(), "room:a");
    s.make_params("room:a", Some(json("1")));
    s.reply("phx_join room:a", "ok", "{}");
    for _ in 0..3 {
        s.server_push("room:a", "phx_error");
        s.wait_for_timeout();
        s.make_params("room:a", Some(json("1")));
        s.reply("phx_join room:a", "ok", "{}");
    }
    s.server_push("room:a", "phx_close");
    s.forget_lines();
    s.join(a);
    assert_eq!(s.actions(), ["params room:a"]);
    s.make_params("room:a", Some(json("2")));
    assert_eq!(s.actions(), ["send phx_join room:a 2"]);
    s.reply("phx_join room:a", "ok", "{}");
    s.server_push("room:a", "phx_error");
    assert_eq!(s.next_timeout(), Some(secs(1)));
}

#[test]
fn what_belongs_to_the_life_before_is_outdated() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    let first = s.latest("phx_join room:a");
    s.leave_with_timeout(a, Some(secs(1)));
    s.wait(secs(1));
    s.join(a);
    s.forget_lines();
    s.server_push_for(&first, "phx_close");
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Joining));
    s.reply("phx_join room:a", "ok", "{}");
    for event in ["phx_close", "phx_error", "news"] {
        s.server_push_for(&first, event);
    }
    assert_eq!(s.events(), ["room:a joined {}", "join room:a: ok {}"]);
}

#[test]
fn a_topic_that_another_channel_has_by_now_is_taken() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.server_push("room:a", "phx_close");
    let b = s.channel("room:a");
    let taken = s.try_join(a, None);
    assert!(matches!(taken, Err(CallError::TopicTaken { owner, .. }) if owner == b), "{taken:?}");
    s.remove(b);
    s.join(a);
    assert_eq!(s.socket.channel_of("room:a"), Some(a));
}

#[test]
fn all_lives_of_a_channel_count_once() {
    let (mut s, a) = Script::joined(quiet_but(|config| config.max_channels = 1), "room:a");
    for _ in 0..3 {
        s.server_push("room:a", "phx_close");
        s.join(a);
        s.reply("phx_join room:a", "ok", "{}");
    }
    let second = s.channel_with("room:b", Payload::empty());
    assert!(matches!(second, Err(CallError::TooManyChannels { max: 1, .. })));
    s.server_push("room:a", "phx_close");
    s.remove(a);
    s.channel("room:b");
}

#[test]
fn a_channel_that_was_never_joined_can_be_joined_after_it_was_left() {
    let mut s = Script::open(quiet());
    let a = s.channel("room:a");
    s.leave(a);
    s.forget_lines();
    s.join(a);
    assert_eq!(s.actions(), ["send phx_join room:a"]);
    assert_eq!(s.events(), NOTHING);
}
