//! Heartbeats detect a dead peer.

use crate::common::{Script, ms, quiet, quiet_but, secs};
use phx_proto::{CallError, CloseCause, Config, ConnectionState, Event, TimeoutReason};

fn beating() -> Config {
    Config::phoenix_cr()
}

#[test]
fn the_first_comes_an_interval_after_the_open() {
    let mut s = Script::open(beating());
    s.wait(ms(29_999));
    assert_eq!(s.actions(), [""; 0]);
    s.wait(ms(1));
    assert_eq!(s.actions(), ["send heartbeat phoenix"]);
    let heartbeat = s.latest("heartbeat phoenix");
    assert_eq!(heartbeat.join_ref, None);
    assert!(heartbeat.reference.is_some());
}

#[test]
fn the_next_comes_an_interval_after_the_reply() {
    let mut s = Script::open(beating());
    s.wait(secs(30));
    s.wait(secs(4));
    s.forget_lines();
    s.reply("heartbeat phoenix", "ok", "{}");
    assert_eq!(s.events(), ["heartbeat answered after 4s"]);
    assert_eq!(s.socket.timeout_reason(), Some(TimeoutReason::Heartbeat));
    assert_eq!(s.next_timeout(), Some(secs(30)));
    s.wait(secs(30));
    assert_eq!(s.actions(), ["send heartbeat phoenix"]);
}

#[test]
fn no_reply_in_time_drops_the_connection() {
    let mut s = Script::open(beating());
    s.wait(secs(30));
    assert_eq!(s.next_timeout(), Some(secs(10)));
    assert_eq!(s.socket.timeout_reason(), Some(TimeoutReason::HeartbeatReply));
    s.wait(secs(10));
    assert_eq!(s.actions(), ["send heartbeat phoenix", "close 1: 1000 heartbeat timeout"]);
    assert_eq!(s.events(), ["closed 1: the heartbeat had no reply in time, retry in 1s"]);
    assert_eq!(s.socket.counters().heartbeats_missed, 1);
    s.wait(secs(1));
    assert_eq!(s.actions(), ["connect 2, attempt 2"]);
    s.closed_on(s.transport_number(1), CloseCause::io("at long last"));
    assert_eq!(s.events(), [""; 0], "the end is reported once");
}

#[test]
fn the_time_for_its_reply_is_a_setting_of_its_own() {
    let mut config = beating();
    config.heartbeat_timeout = secs(3);
    let mut s = Script::open(config);
    s.wait(secs(30));
    assert_eq!(s.next_timeout(), Some(secs(3)));
}

#[test]
fn other_traffic_does_not_delay_it() {
    let (mut s, a) = Script::joined(beating(), "room:a");
    for _ in 0..5 {
        s.wait(secs(5));
        s.broadcast("room:a", "news");
        s.push(a, "chatter");
        s.reply("chatter room:a", "ok", "{}");
    }
    assert_eq!(s.next_timeout(), Some(secs(5)));
    s.wait(secs(5));
    assert_eq!(s.actions().last().map(String::as_str), Some("send heartbeat phoenix"));
}

#[test]
fn while_frames_come_the_peer_is_alive() {
    let (mut s, _) = Script::joined(beating(), "room:a");
    s.wait(secs(30));
    for _ in 0..2 {
        s.wait(secs(9));
        s.broadcast("room:a", "news");
    }
    s.wait(ms(9_999));
    assert!(s.socket.is_connected());
    s.reply("heartbeat phoenix", "ok", "{}");
    assert_eq!(s.events().last().map(String::as_str), Some("heartbeat answered after 27.999s"));
    assert_eq!(s.next_timeout(), Some(secs(30)), "the next comes an interval after the reply");
}

/// A silent connection is noticed after an interval and a timeout at the latest; frames before the heartbeat don't
/// count.
#[test]
fn silence_is_noticed_within_an_interval_and_a_timeout() {
    for last_frame in [0, 15, 29] {
        let (mut s, _) = Script::joined(beating(), "room:a");
        s.wait(secs(last_frame));
        s.broadcast("room:a", "news");
        s.wait(secs(40 - last_frame) - ms(1));
        assert!(s.socket.is_connected());
        s.wait(ms(1));
        assert_eq!(s.socket.connection_state(), ConnectionState::Waiting);
    }
}

#[test]
fn it_never_waits_longer_than_its_limit() {
    let (mut s, _) = Script::joined(beating(), "room:a");
    s.wait(secs(30));
    for _ in 0..29 {
        s.wait(secs(1));
        s.broadcast("room:a", "news");
    }
    s.wait(ms(999));
    assert!(s.socket.is_connected());
    s.wait(ms(1));
    assert_eq!(s.socket.connection_state(), ConnectionState::Waiting);
    let events = s.events();
    assert_eq!(
        events[events.len() - 2..],
        [
            "room:a errored: disconnected",
            "closed 1: the heartbeat had no reply in time, retry in 1s"
        ]
    );
}

#[test]
fn a_limit_below_the_timeout_counts_as_that() {
    let mut strict = beating();
    strict.heartbeat_limit = secs(0);
    for (config, timeout) in [(strict, 10), (Config::phoenix_js(), 30)] {
        let (mut s, _) = Script::joined(config, "room:a");
        s.wait(secs(30));
        s.wait(secs(timeout) - ms(1));
        s.broadcast("room:a", "news");
        assert!(s.socket.is_connected());
        s.wait(ms(1));
        assert!(!s.socket.is_connected(), "only the reply counts");
    }
}

#[test]
fn a_frame_that_is_no_message_counts_and_one_of_an_older_connection_does_not() {
    let mut s = Script::open(beating());
    s.reconnect();
    s.wait(secs(30));
    s.wait(secs(7));
    s.server("garbage");
    s.wait(secs(7));
    s.frame_on(s.transport_number(1), phx_proto::Frame::text("garbage"));
    s.socket.handle_unread(s.now, s.transport_number(1));
    assert_eq!(s.socket.counters().stale_inputs, 2);
    assert_eq!(s.next_timeout(), Some(secs(3)));
    s.wait(secs(3));
    assert_eq!(s.socket.connection_state(), ConnectionState::Waiting);
}

/// Unread frames don't count against the peer.
#[test]
fn time_in_which_nothing_is_read_does_not_count_but_for_the_limit() {
    let mut s = Script::open(beating());
    assert_eq!(s.socket.unanswered_since(), None);
    s.wait(secs(30));
    let sent = s.now;
    assert_eq!(s.socket.unanswered_since(), Some(sent));
    s.oversleep(secs(12));
    s.socket.handle_unread(s.now, s.transport());
    s.wait(ms(9_999));
    assert!(s.socket.is_connected(), "reading went on 10 s ago");
    s.socket.handle_unread(s.now, s.transport());
    s.wait(secs(8));
    assert!(s.socket.is_connected());
    s.socket.handle_unread(s.now, s.transport());
    s.wait(ms(1));
    assert_eq!(s.now, sent + secs(30));
    assert!(!s.socket.is_connected(), "the limit holds whatever is read");
    assert_eq!(s.socket.unanswered_since(), None);
}

#[test]
fn frames_arm_no_timer() {
    let (mut s, _) = Script::joined(beating(), "room:a");
    s.wait(secs(30));
    for _ in 0..9 {
        s.wait(secs(1));
        s.broadcast("room:a", "news");
    }
    assert_eq!(s.next_timeout(), Some(secs(1)), "the first timer, still");
    s.wait(secs(1));
    assert_eq!(s.next_timeout(), Some(secs(9)));
}

#[test]
fn only_a_reply_with_its_own_ref_clears_it() {
    let mut s = Script::open(beating());
    s.wait(secs(30));
    let first = s.latest("heartbeat phoenix");
    s.reply("heartbeat phoenix", "ok", "{}");
    s.wait(secs(30));
    s.reply_to(&first, "ok", "{}");
    s.server(r#"[null,"4711","phoenix","phx_reply",{"status":"ok","response":{}}]"#);
    s.server(r#"[null,null,"phoenix","phx_reply",{"status":"ok","response":{}}]"#);
    s.wait(secs(10));
    assert_eq!(s.socket.connection_state(), ConnectionState::Waiting);
    assert_eq!(s.socket.counters().unmatched_replies, 3);
}

#[test]
fn a_reply_to_a_ping_is_no_reply_to_the_heartbeat() {
    let mut s = Script::open(beating());
    s.wait(secs(30));
    s.ping().unwrap();
    s.reply("heartbeat phoenix", "ok", "{}");
    s.wait(secs(10));
    assert_eq!(s.socket.connection_state(), ConnectionState::Waiting);
}

#[test]
fn it_goes_before_pushes_that_wait() {
    let (mut s, a) = Script::joined(beating(), "room:a");
    s.wait(secs(25));
    s.stuck = true;
    s.push(a, "first");
    s.push(a, "second");
    s.wait(secs(5));
    s.stuck = false;
    assert_eq!(s.actions(), ["send heartbeat phoenix", "send first room:a", "send second room:a"]);
}

#[test]
fn a_transport_that_takes_no_heartbeat_is_dead_too() {
    let mut s = Script::open(beating());
    s.stuck = true;
    s.wait(secs(40));
    assert_eq!(s.actions(), ["close 1: 1000 heartbeat timeout"]);
    s.stuck = false;
    assert_eq!(s.actions(), [""; 0]);
}

#[test]
fn it_begins_anew_with_every_connection() {
    let mut s = Script::open(beating());
    s.wait(secs(29));
    s.reconnect();
    assert_eq!(s.socket.timeout_reason(), Some(TimeoutReason::Stable));
    s.wait(secs(29));
    assert_eq!(s.actions(), [""; 0]);
    s.wait(secs(1));
    assert_eq!(s.actions(), ["send heartbeat phoenix"]);
}

#[test]
fn it_can_be_switched_off() {
    let mut s = Script::open(quiet());
    s.wait(secs(3600));
    assert_eq!(s.actions(), [""; 0]);
    assert_eq!(s.socket.poll_timeout(), None);
}

#[test]
fn a_ping_measures_the_round_trip() {
    let mut s = Script::open(quiet());
    s.ping().unwrap();
    assert_eq!(s.actions(), ["send heartbeat phoenix"]);
    s.oversleep(ms(42));
    s.reply("heartbeat phoenix", "ok", "{}");
    s.reply("heartbeat phoenix", "ok", "{}");
    assert_eq!(s.events(), ["pong after 42ms"]);
}

#[test]
fn pings_are_answered_in_any_order() {
    let mut s = Script::open(quiet());
    s.ping().unwrap();
    let first = s.latest("heartbeat phoenix");
    s.oversleep(ms(10));
    s.ping().unwrap();
    s.reply("heartbeat phoenix", "ok", "{}");
    s.oversleep(ms(10));
    s.reply_to(&first, "ok", "{}");
    assert_eq!(s.events(), ["pong after 0ns", "pong after 20ms"]);
}

#[test]
fn a_ping_fails_when_the_connection_ends() {
    for end in [Script::lost, Script::disconnect, |s: &mut Script| assert!(s.reconnect_now())] {
        let mut s = Script::open(quiet());
        s.ping().unwrap();
        s.forget_lines();
        end(&mut s);
        assert_eq!(s.events().first().map(String::as_str), Some("no pong"));
    }
}

#[test]
fn a_ping_without_a_reply_in_time_fails_alone() {
    let mut s = Script::open(quiet());
    s.ping().unwrap();
    s.wait(secs(10));
    assert_eq!(s.events(), ["no pong"]);
    assert!(s.socket.is_connected());
    assert_eq!(s.socket.poll_timeout(), None);
    // A late reply is ignored.
    s.reply("heartbeat phoenix", "ok", "{}");
    assert_eq!(s.events(), [""; 0]);
}

#[test]
fn a_ping_has_the_time_of_a_heartbeat() {
    let (mut s, _) = Script::joined(quiet(), "room:a");
    s.ping().unwrap();
    let since = s.now;
    s.wait(secs(9));
    s.broadcast("room:a", "news");
    assert_eq!(s.socket.unanswered_since(), Some(since));
    s.wait(secs(9));
    s.reply("heartbeat phoenix", "ok", "{}");
    assert_eq!(s.events(), ["room:a news {}", "pong after 18s"]);
    s.ping().unwrap();
    for _ in 0..29 {
        s.wait(secs(1));
        s.broadcast("room:a", "news");
    }
    s.wait(ms(999));
    assert!(!s.events().contains(&"no pong".to_owned()));
    s.wait(ms(1));
    assert_eq!(s.events(), ["no pong"]);
    assert_eq!(s.socket.unanswered_since(), None);
}

#[test]
fn a_pong_is_never_lost() {
    let mut s = Script::open(quiet_but(|config| config.max_events = 0));
    for _ in 0..16 {
        s.socket.ping(s.now).unwrap();
    }
    s.socket.handle_timeout(s.now + secs(10));
    // Unpolled frames count.
    assert!(matches!(s.socket.ping(s.now), Err(CallError::TooManyPings { max: 16, .. })));
    let mut pongs = 0;
    while let Some(event) = s.socket.poll_event() {
        pongs += usize::from(matches!(event, Event::Pong { round_trip: None, .. }));
    }
    assert_eq!(pongs, 16);
}

#[test]
fn there_is_no_ping_without_a_connection() {
    let mut s = Script::new(quiet());
    assert_eq!(s.ping(), Err(CallError::NotConnected));
    s.connect();
    assert_eq!(s.ping(), Err(CallError::NotConnected));
    s.opened();
    s.ping().unwrap();
    s.disconnect();
    assert_eq!(s.ping(), Err(CallError::NotConnected));
}

#[test]
fn there_are_not_too_many_pings() {
    let mut s = Script::open(quiet());
    for _ in 0..16 {
        s.ping().unwrap();
    }
    assert!(matches!(s.ping(), Err(CallError::TooManyPings { max: 16, .. })));
    s.reply("heartbeat phoenix", "ok", "{}");
    s.ping().unwrap();
}

#[test]
fn nobody_can_answer_a_ping_that_was_not_sent() {
    let mut s = Script::open(quiet());
    s.stuck = true;
    s.ping().unwrap();
    for guess in 0..100 {
        s.server(&format!(
            r#"[null,"{guess}","phoenix","phx_reply",{{"status":"ok","response":{{}}}}]"#
        ));
    }
    assert_eq!(s.events(), [""; 0]);
}

#[test]
fn a_ping_that_was_given_up_is_not_sent_any_more() {
    let mut s = Script::open(quiet());
    s.stuck = true;
    s.ping().unwrap();
    s.wait(secs(6));
    s.ping().unwrap();
    s.wait(secs(4));
    assert_eq!(s.events(), ["no pong"]);
    s.stuck = false;
    assert_eq!(s.actions(), ["send heartbeat phoenix"], "the second");
    s.reply("heartbeat phoenix", "ok", "{}");
    assert_eq!(s.events(), ["pong after 4s"]);
}
