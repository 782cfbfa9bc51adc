//! What this client does better than phoenix.js: one test for each of the numbered deviations in
//! `DESIGN.md` and, from 19, docs/CONFORMANCE.md. Number 6 is about presence, in
//! `deviations_presence.rs`.

mod common;

use allocation_counter::measure;
use common::{Script, json, ms, quiet, secs};
use phx_proto::{
    Action, ChannelState, CloseCause, CloseCode, Config, ConnectionState, Frame, Message,
    NewChannelError, Payload, PushErrorKind, Reconnect, ReconnectPolicy, Refusal, RejoinPolicy,
    SendReason, Serializer as _, V2, V2Server, events,
};

const NOTHING: [&str; 0] = [];

#[test]
fn deviation_01_one_join_per_channel_per_connection() {
    let mut s = Script::new(quiet());
    let a = s.channel("room:a");
    s.join(a);
    s.connect();
    s.lost();
    s.wait(secs(1));
    s.opened();
    s.wait(secs(9));
    let joins = s.actions().iter().filter(|line| line.contains("phx_join")).count();
    assert_eq!(joins, 1);
    // The same for a leave and a heartbeat: nothing of an old connection is sent on the next.
    let mut s = Script::open(Config::phoenix_cr());
    let a = s.join_ok("room:a");
    s.stuck = true;
    s.leave(a);
    s.wait(secs(30));
    s.lost();
    s.stuck = false;
    s.wait(secs(2));
    s.opened();
    assert_eq!(s.actions(), ["connect 2, attempt 2"]);
}

#[test]
fn deviation_02_connect_always_acts_and_resets_the_backoff() {
    let mut s = Script::new(quiet());
    s.connect();
    for _ in 0..4 {
        s.lost();
        s.wait(secs(5));
    }
    s.wait(secs(10));
    s.lost();
    s.forget_lines();
    s.connect();
    assert_eq!(s.actions(), ["connect 6, attempt 1"], "during the backoff");
    s.opened();
    s.closed(CloseCause::frame(CloseCode::NORMAL, ""));
    s.connect();
    assert_eq!(s.actions(), ["connect 7, attempt 1"], "after a close 1000 by the server");
    s.lost();
    assert_eq!(s.next_timeout(), Some(secs(1)));
}

#[test]
fn deviation_03_leave_resolves_on_the_servers_word_or_in_time() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.leave(a);
    assert_eq!(s.events(), NOTHING);
    s.reply("phx_leave room:a", "ok", "{}");
    assert_eq!(s.events(), ["leave room:a: left", "room:a closed: left"]);
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.leave(a);
    s.server_push("room:a", "phx_close");
    assert_eq!(s.events(), ["leave room:a: left", "room:a closed: left"]);
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.leave(a);
    s.wait(secs(10));
    assert_eq!(s.events(), ["leave room:a: timed out", "room:a closed: left"]);
}

#[test]
fn deviation_04_closed_is_reported_once_and_reconnecting_starts_at_once() {
    let mut s = Script::open(Config::phoenix_cr());
    s.wait(secs(30));
    // The link is dead: no reply to the heartbeat, none to the close.
    s.wait(secs(10));
    assert_eq!(s.events(), ["closed 1: the heartbeat had no reply in time, retry in 1s"]);
    s.wait(secs(1));
    s.closed_on(s.transport_number(1), CloseCause::lost("at long last"));
    assert_eq!(s.events(), NOTHING);
    assert_eq!(
        s.actions(),
        ["send heartbeat phoenix", "close 1: 1000 heartbeat timeout", "connect 2, attempt 2"]
    );
}

#[test]
fn deviation_05_disconnect_on_a_dead_link_wins_over_the_heartbeat() {
    let mut s = Script::open(Config::phoenix_cr());
    s.wait(secs(35));
    s.disconnect();
    s.wait(secs(3600));
    assert_eq!(s.actions(), ["send heartbeat phoenix", "close 1: 1000 bye"]);
    assert_eq!(s.events(), ["closed 1: disconnected"]);
    assert_eq!(s.socket.poll_timeout(), None);
}

#[test]
fn deviation_07_pushes_in_flight_fail_at_once_on_a_drop() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.push(a, "msg");
    s.lost();
    assert_eq!(s.events().first().map(String::as_str), Some("msg: disconnected"));
    s.wait(secs(60));
    assert!(!s.events().iter().any(|line| line.starts_with("msg")), "exactly one outcome");
}

#[test]
fn deviation_08_the_backoff_resets_only_after_stability_and_has_jitter() {
    let mut s = Script::new(Config::default());
    s.connect();
    let mut connections = 0;
    while s.now < phx_proto::Instant::EPOCH + secs(60) {
        s.opened();
        connections += 1;
        s.lost();
        let delay = s.next_timeout().unwrap();
        assert!(!delay.is_zero());
        s.wait(delay);
    }
    assert!(
        (6..=10).contains(&connections),
        "{connections} connections that died at once in 1 min"
    );
    s.opened();
    s.wait(secs(10));
    s.lost();
    let delay = s.next_timeout().unwrap();
    assert!((ms(750)..=ms(1250)).contains(&delay), "{delay:?} after a stable one");
    let first_delay = |seed| {
        let mut s = Script::with_seed(Config::default(), seed);
        s.connect();
        s.lost();
        s.next_timeout()
    };
    assert_ne!(first_delay(1), first_delay(2), "seeded");
}

#[test]
fn deviation_09_a_buffered_push_has_one_deadline_from_the_call() {
    let mut s = Script::open(quiet());
    let a = s.channel("room:a");
    s.join(a);
    s.push(a, "msg");
    s.wait(secs(9));
    s.reply("phx_join room:a", "ok", "{}");
    s.wait(secs(1));
    assert_eq!(s.events().last().map(String::as_str), Some("msg: timed out"));
}

#[test]
fn deviation_10_buffers_are_bounded_and_a_closed_channel_hands_the_payload_back() {
    let mut config = quiet();
    config.max_buffered_pushes = 3;
    let mut s = Script::open(config);
    let a = s.channel("room:a");
    s.join(a);
    for _ in 0..3 {
        s.push(a, "msg");
    }
    let payload = json(r#"{"dear":"words"}"#);
    let error = s.try_push(a, "msg", payload.clone(), None).unwrap_err();
    assert!(matches!(error.reason, PushErrorKind::BufferFull { max: 3, .. }));
    assert_eq!(error.payload, payload);
    s.reply("phx_join room:a", "ok", "{}");
    s.server_push("room:a", "phx_close");
    let error = s.try_push(a, "msg", payload.clone(), None).unwrap_err();
    assert_eq!(error.reason, PushErrorKind::Closed);
    assert_eq!(error.payload, payload);
}

#[test]
fn deviation_11_messages_are_delivered_only_while_joined() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.server_push("room:a", "phx_error");
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Errored));
    s.forget_lines();
    s.broadcast("room:a", "news");
    s.wait(secs(1));
    s.broadcast("room:a", "news");
    assert_eq!(s.events(), NOTHING);
    s.reply("phx_join room:a", "ok", "{}");
    s.broadcast("room:a", "news");
    assert_eq!(s.events(), ["room:a rejoined {}", "room:a news {}"]);
}

/// What the core has to do with it: control events never reach a user as messages, and no user can
/// push them or bind to them. That handlers are isolated from each other is the client's part.
#[test]
fn deviation_12_control_events_are_not_the_users() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    for event in [events::JOIN, events::LEAVE, events::REPLY, events::CLOSE, events::ERROR] {
        let error = s.try_push(a, &event, Payload::empty(), None).unwrap_err();
        assert_eq!(error.reason, PushErrorKind::ReservedEvent);
    }
    s.push(a, "msg");
    s.reply("msg room:a", "ok", "{}");
    s.server_push("room:a", "phx_error");
    s.wait(secs(1));
    s.reply("phx_join room:a", "ok", "{}");
    s.server_push("room:a", "phx_close");
    assert_eq!(
        s.events(),
        [
            "msg: ok {}",
            "room:a errored: crashed {}, retry in 1s",
            "room:a rejoined {}",
            "room:a closed: by server {}"
        ]
    );
    assert_eq!(s.socket.counters().messages, 0);
}

/// What a look-up costs is measured in `guarantee_6_constant_work.rs`.
#[test]
fn deviation_13_a_message_finds_its_channel_without_a_scan() {
    let mut s = Script::open(quiet());
    for number in 0..1_000 {
        s.join_ok(&format!("room:{number}"));
    }
    let transport = s.transport();
    let news = || Frame::text(r#"[null,null,"room:500","news",{}]"#);
    s.socket.handle_frame(s.now, transport, news());
    assert_eq!(s.events(), ["room:500 news {}"]);
    let frame = news();
    let cost = measure(|| s.socket.handle_frame(s.now, transport, frame));
    assert_eq!(cost.count_total, 0);
}

#[test]
fn deviation_14_the_heartbeat_timeout_is_its_own_setting() {
    let mut config = Config::phoenix_cr();
    assert_eq!(config.heartbeat_timeout, secs(10));
    config.heartbeat_timeout = secs(3);
    let mut s = Script::open(config);
    s.wait(ms(32_999));
    assert_eq!(s.socket.connection_state(), ConnectionState::Open);
    s.wait(ms(1));
    assert_eq!(s.socket.connection_state(), ConnectionState::Waiting);
}

#[test]
fn deviation_15_any_close_is_retried_unless_a_policy_says_otherwise() {
    for code in [1000, 1001, 1012] {
        let mut s = Script::open(quiet());
        s.closed(CloseCause::frame(CloseCode::from_u16(code), ""));
        s.wait(secs(1));
        assert_eq!(s.actions(), ["connect 2, attempt 2"], "{code}");
    }
    let mut config = quiet();
    config.reconnect_policy = ReconnectPolicy::function(|cause, _| match cause {
        CloseCause::Frame { code, .. } if code.as_u16() == 4001 => Reconnect::Stop,
        CloseCause::Refused(refusal) if refusal.status == 402 => Reconnect::Stop,
        _ => Reconnect::Backoff,
    });
    for cause in
        [CloseCause::frame(CloseCode::from_u16(4001), ""), CloseCause::Refused(Refusal::new(402))]
    {
        let mut s = Script::new(config.clone());
        s.connect();
        s.closed(cause);
        assert_eq!(s.socket.connection_state(), ConnectionState::Closed);
    }
}

#[test]
fn deviation_16_a_first_rejection_is_final_a_rejected_rejoin_is_retried() {
    let mut s = Script::open(quiet());
    let a = s.channel("room:a");
    s.join(a);
    s.reply("phx_join room:a", "error", "{}");
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Closed));
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.reconnect();
    s.reply("phx_join room:a", "error", "{}");
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Errored));
    // Both can be changed.
    let mut config = quiet();
    config.rejoin_policy = RejoinPolicy::always();
    let mut s = Script::open(config.clone());
    let a = s.channel("room:a");
    s.join(a);
    s.reply("phx_join room:a", "error", "{}");
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Errored));
    config.rejoin_policy = RejoinPolicy::never();
    let (mut s, a) = Script::joined(config, "room:a");
    s.reconnect();
    s.reply("phx_join room:a", "error", "{}");
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Closed));
}

#[test]
fn deviation_17_a_join_says_whether_messages_may_have_been_missed() {
    let mut s = Script::open(quiet());
    let a = s.channel("room:a");
    s.join(a);
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.events(), ["room:a joined {}", "join room:a: ok {}"]);
    s.reconnect();
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.events(), ["room:a rejoined {}"], "after a lost connection");
    s.server_push("room:a", "phx_error");
    s.wait(secs(2));
    s.forget_lines();
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.events(), ["room:a rejoined {}"], "after a crash");
}

#[test]
fn deviation_18_a_topic_has_one_owner_and_replacing_it_must_be_asked_for() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    let second = s.channel_with("room:a", Payload::empty());
    assert!(matches!(second, Err(NewChannelError::TopicTaken { owner, .. }) if owner == a));
    assert_eq!(s.actions(), NOTHING);
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Joined), "nothing happened to it");
    let b = s.socket.replace(s.now, "room:a", Payload::empty()).unwrap();
    s.socket.join(s.now, b, None).unwrap();
    let reasons: Vec<_> = std::iter::from_fn(|| s.socket.poll_action())
        .map(|action| match action {
            Action::Send { why, .. } => why,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(reasons, [SendReason::Leave(a), SendReason::Join(b)], "leave, then join");
}

/// phoenix.js sends `phx_leave` whatever the server knows.
#[test]
fn deviation_19_a_leave_of_what_the_server_does_not_know_sends_nothing() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.server_push("room:a", "phx_error");
    s.forget_lines();
    s.leave(a);
    assert_eq!(s.actions(), NOTHING);
    assert_eq!(s.events(), ["leave room:a: left", "room:a closed: left"]);
}

/// In phoenix.js the join's timer goes on, and brings the channel back: it leaves, and joins again.
#[test]
fn deviation_20_a_channel_that_is_closed_while_it_joins_stays_closed() {
    let mut s = Script::open(quiet());
    let a = s.channel("room:a");
    s.join(a);
    s.server_push("room:a", "phx_close");
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Closed));
    s.forget_lines();
    s.wait(secs(60));
    assert_eq!(s.actions(), NOTHING);
    assert_eq!(s.socket.poll_timeout(), None);
}

/// phoenix.js closes a healthy connection whose heartbeat is answered late because of a backlog.
#[test]
fn deviation_22_while_frames_come_a_heartbeat_waits_up_to_its_limit() {
    let (mut s, _) = Script::joined(Config::phoenix_cr(), "room:a");
    s.wait(secs(30));
    for _ in 0..29 {
        s.wait(secs(1));
        s.broadcast("room:a", "news");
    }
    assert!(s.socket.is_connected());
    s.wait(secs(1));
    assert_eq!(s.socket.connection_state(), ConnectionState::Waiting);
}

/// phoenix.js sends all joins at once, and all again when they are rejected.
#[test]
fn deviation_23_joins_take_turns_and_are_spread_after_rejections() {
    let mut config = quiet();
    config.rejoin_policy = RejoinPolicy::always();
    let mut s = Script::open(config);
    for number in 0..101 {
        let channel = s.channel(&format!("room:{number}"));
        s.join(channel);
    }
    assert_eq!(s.actions().len(), 100);
    for number in 0..100 {
        s.reply(&format!("phx_join room:{number}"), "error", "{}");
    }
    s.forget_lines();
    s.wait(secs(1));
    assert_eq!(s.actions().len(), 1);
    s.wait(secs(1));
    assert_eq!(s.actions().len(), 10);
}

/// phoenix.js compares it with the channel's, and drops the message as one of another join. The
/// connection and the channel go on in both.
#[test]
fn deviation_24_a_join_ref_of_another_type_is_reported_as_malformed() {
    let (mut s, _) = Script::joined(quiet(), "room:a");
    for join_ref in [r#"{"a":1}"#, "[1]", "{}"] {
        let reply = r#"{"response":{},"status":"ok"}"#;
        s.frame(Frame::text(format!(r#"[{join_ref},"9","room:a","phx_reply",{reply}]"#)));
        let malformed = "malformed: the join_ref is missing or of the wrong type";
        assert_eq!(s.events(), [malformed], "{join_ref}");
    }
    s.broadcast("room:a", "news");
    assert_eq!(s.events().len(), 1);
    assert!(s.socket.is_connected());
}

/// phoenix.js decodes the names of a binary frame as a browser decodes a file, and drops the mark.
#[test]
fn deviation_21_a_byte_order_mark_is_a_part_of_a_name() {
    let topic = "\u{feff}room:a";
    let sent = Message::new(topic, "news", Payload::binary(vec![1]));
    let received = V2.decode(V2Server.encode(&sent).unwrap()).unwrap();
    assert_eq!(received.topic, topic);
}

#[test]
fn deviation_25_a_joins_call_waits_for_an_attempt_that_does_not_crash() {
    let mut s = Script::open(quiet());
    let a = s.channel("room:a");
    s.try_join(a, Some(ms(1_500))).unwrap();
    let crashed = r#"{"reason":"join crashed"}"#;
    s.reply("phx_join room:a", "error", crashed);
    s.wait(secs(1));
    s.reply("phx_join room:a", "error", crashed);
    assert!(!s.events().iter().any(|line| line.starts_with("join room:a")));
    s.wait(ms(500));
    assert_eq!(s.events(), ["join room:a: crashed"]);
}

#[test]
fn deviation_26_a_channel_that_the_server_has_forgotten_rejoins() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.push(a, "msg");
    let mut sent = s.latest("msg room:a");
    sent.join_ref = None;
    s.reply_to(&sent, "error", r#"{"reason":"unmatched topic"}"#);
    s.forget_lines();
    s.wait(secs(1));
    assert_eq!(s.actions(), ["send phx_join room:a"]);
}

#[test]
fn deviation_27_a_closed_channel_can_be_joined_again() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.server_push("room:a", "phx_close");
    s.forget_lines();
    s.join(a);
    assert_eq!(s.actions(), ["send phx_join room:a"]);
}
