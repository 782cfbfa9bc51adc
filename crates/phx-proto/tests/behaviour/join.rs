//! A channel is joined once per connection and attempt, and its call has one outcome.

use crate::common::{NOTHING, Script, json, ms, quiet, quiet_but, secs, steps};
use phx_proto::{
    CallError, ChannelState, ClosePolicy, Payload, Rejoin, RejoinPolicy, TimeoutReason,
};

#[test]
fn it_is_sent_with_its_params_and_one_ref() {
    let mut s = Script::open(quiet());
    let a = s.channel_with("room:a", json(r#"{"name":"ann"}"#)).unwrap();
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::New));
    s.join(a);
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Joining));
    assert_eq!(s.actions(), [r#"send phx_join room:a {"name":"ann"}"#]);
    let join = s.latest("phx_join room:a");
    assert!(join.join_ref.is_some());
    assert_eq!(join.join_ref, join.reference);
    s.reply("phx_join room:a", "ok", r#"{"you":"ann"}"#);
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Joined));
    assert_eq!(s.events(), [r#"room:a joined {"you":"ann"}"#, r#"join room:a: ok {"you":"ann"}"#]);
}

#[test]
fn offline_it_waits_for_the_connection_and_is_sent_once() {
    let mut s = Script::new(quiet());
    let a = s.channel("room:a");
    s.join(a);
    assert_eq!(s.actions(), NOTHING);
    s.connect();
    s.lost();
    s.wait(secs(1));
    s.opened();
    assert_eq!(
        s.actions(),
        ["connect 1, attempt 1", "connect 2, attempt 2", "send phx_join room:a"]
    );
    s.wait(secs(5));
    assert_eq!(s.actions(), NOTHING, "once");
}

#[test]
fn a_first_rejection_is_final() {
    let (mut s, a) = Script::joining(quiet(), "room:a");
    let waiting = s.push(a, "waiting");
    s.reply("phx_join room:a", "error", r#"{"reason":"banned"}"#);
    assert_eq!(
        s.events(),
        [
            r#"join room:a: error {"reason":"banned"}"#,
            "waiting: channel closed",
            r#"room:a closed: rejected error {"reason":"banned"}"#
        ]
    );
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Closed));
    assert!(!s.cancel(waiting));
    s.forget_lines();
    s.reconnect();
    assert_eq!(s.actions(), NOTHING, "no other attempt");
}

#[test]
fn a_status_of_the_applications_own_is_a_rejection() {
    let (mut s, _) = Script::joining(quiet(), "room:a");
    s.reply("phx_join room:a", "pending", "{}");
    assert_eq!(s.events(), ["join room:a: pending {}", "room:a closed: rejected pending {}"]);
}

#[test]
fn an_unmatched_topic_is_a_rejection_though_it_names_no_join() {
    let (mut s, a) = Script::joining(quiet(), "nowhere");
    let mut join = s.latest("phx_join nowhere");
    join.join_ref = None;
    s.reply_to(&join, "error", r#"{"reason":"unmatched topic"}"#);
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Closed));
}

#[test]
fn a_policy_can_retry_a_rejection() {
    let mut config = quiet();
    config.rejoin_policy =
        RejoinPolicy::function(|rejection| match rejection.response.as_ref().unwrap().as_json() {
            Some(r#""busy""#) => Rejoin::Backoff,
            Some(r#""full""#) => Rejoin::After(secs(60)),
            _ => Rejoin::Stop,
        });
    let (mut s, _) = Script::joining(config, "room:a");
    s.reply("phx_join room:a", "error", r#""busy""#);
    assert_eq!(
        s.events(),
        [
            r#"room:a join failed: rejected error "busy", retry in 1s"#,
            r#"join room:a: error "busy""#
        ]
    );
    s.wait(secs(1));
    s.reply("phx_join room:a", "error", r#""full""#);
    assert_eq!(s.events(), [r#"room:a join failed: rejected error "full", retry in 60s"#]);
    s.wait(secs(60));
    s.reply("phx_join room:a", "error", r#""banned""#);
    assert_eq!(s.events(), [r#"room:a closed: rejected error "banned""#]);
    assert_eq!(s.actions(), ["send phx_join room:a"; 3]);
}

#[test]
fn a_rejected_rejoin_is_retried() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.reconnect();
    for delay in [1, 2, 5, 10, 10] {
        s.reply("phx_join room:a", "error", "{}");
        assert_eq!(
            s.events(),
            [format!("room:a join failed: rejected error {{}}, retry in {delay}s")]
        );
        s.wait(secs(delay) - ms(1));
        assert_eq!(s.actions(), NOTHING);
        s.wait(ms(1));
        assert_eq!(s.actions(), ["send phx_join room:a"]);
    }
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.events(), ["room:a rejoined {}"]);
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Joined));
}

#[test]
fn no_answer_in_time_is_left_and_retried() {
    let (mut s, _) = Script::joining(quiet(), "room:a");
    let first = s.latest("phx_join room:a");
    s.wait(secs(10));
    assert_eq!(s.actions(), ["send phx_join room:a", "send phx_leave room:a"]);
    assert_eq!(
        s.events(),
        ["join room:a: timed out", "room:a join failed: timed out, retry in 1s"]
    );
    assert_eq!(s.latest("phx_leave room:a").join_ref, first.join_ref);
    s.reply_to(&first, "ok", "{}");
    s.reply("phx_leave room:a", "ok", "{}");
    s.server_push_for(&first, "phx_close");
    assert_eq!(s.events(), NOTHING, "too late");
    s.wait(secs(1));
    assert_eq!(s.actions(), ["send phx_join room:a"]);
    assert_ne!(s.latest("phx_join room:a").join_ref, first.join_ref);
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.events(), ["room:a joined {}"], "the call had its outcome");
}

#[test]
fn the_leave_of_a_join_that_timed_out_goes_before_the_next_join() {
    let (mut s, _) = Script::joining(quiet(), "room:a");
    s.stuck = true;
    s.wait(secs(11));
    s.stuck = false;
    assert_eq!(
        s.actions(),
        ["send phx_join room:a", "send phx_leave room:a", "send phx_join room:a"]
    );
}

#[test]
fn a_join_that_was_never_sent_is_not_left() {
    let mut s = Script::open(quiet());
    s.stuck = true;
    let a = s.channel("room:a");
    s.join(a);
    s.wait(secs(10));
    s.stuck = false;
    assert_eq!(s.actions(), NOTHING);
    s.wait(secs(1));
    assert_eq!(s.actions(), ["send phx_join room:a"]);
}

#[test]
fn an_end_while_joining_is_retried() {
    for (event, cause) in [("phx_error", "crashed"), ("phx_close", "closed")] {
        let (mut s, _) = Script::joining(
            quiet_but(|config| config.close_policy = ClosePolicy::always()),
            "room:a",
        );
        s.server_push("room:a", event);
        assert_eq!(s.events(), [format!("room:a join failed: {cause} {{}}, retry in 1s")]);
        s.wait(secs(1));
        s.reply("phx_join room:a", "ok", "{}");
        assert_eq!(s.events(), ["room:a joined {}", "join room:a: ok {}"]);
    }
}

#[test]
fn a_join_that_loses_its_connection_goes_out_on_the_next() {
    let (mut s, a) = Script::joining(quiet(), "room:a");
    let first = s.latest("phx_join room:a");
    s.lost();
    assert_eq!(
        s.events(),
        ["room:a join failed: disconnected", "closed 1: connection lost, retry in 1s"]
    );
    s.wait(secs(1));
    s.opened();
    s.reply_to(&first, "ok", "{}");
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Joining), "a ref of the old life");
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.events(), ["opened 2", "room:a joined {}", "join room:a: ok {}"]);
}

#[test]
fn the_call_has_one_deadline_and_each_attempt_its_own() {
    let mut s = Script::new(quiet());
    let a = s.channel("room:a");
    s.try_join(a, Some(secs(3))).unwrap();
    s.connect();
    s.wait(secs(2));
    s.opened();
    s.forget_lines();
    s.wait(secs(1));
    assert_eq!(s.events(), ["join room:a: timed out"], "three seconds from the call");
    assert_eq!(s.socket.timeout_reason(), Some(TimeoutReason::Join(a)));
    s.wait(secs(2));
    assert_eq!(
        s.events(),
        ["room:a join failed: timed out, retry in 1s"],
        "three seconds from the open"
    );
    s.wait(secs(4));
    assert_eq!(s.events(), ["room:a join failed: timed out, retry in 2s"]);
}

#[test]
fn cancelling_ends_the_wait_and_not_the_join() {
    let mut s = Script::open(quiet());
    let a = s.channel("room:a");
    let call = s.join(a);
    assert!(s.cancel(call));
    assert!(!s.cancel(call));
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.events(), ["join room:a: cancelled", "room:a joined {}"]);
}

#[test]
fn params_on_request_are_asked_for_before_every_attempt() {
    let (mut s, _) = Script::asking(quiet(), "room:a");
    assert_eq!(s.actions(), ["params room:a"]);
    s.make_params("room:a", Some(json(r#"{"token":1}"#)));
    assert_eq!(s.actions(), [r#"send phx_join room:a {"token":1}"#]);
    s.reply("phx_join room:a", "ok", "{}");
    s.reconnect();
    assert_eq!(s.request("room:a"), s.request("room:a"));
    s.make_params("room:a", Some(json(r#"{"token":2}"#)));
    assert_eq!(s.actions(), [r#"send phx_join room:a {"token":2}"#]);
}

#[test]
fn params_that_come_too_late_are_void() {
    let (mut s, _) = Script::asking(quiet(), "room:a");
    s.forget_lines();
    let late = s.request("room:a");
    s.wait(secs(10));
    assert_eq!(
        s.events(),
        ["join room:a: timed out", "room:a join failed: timed out, retry in 1s"]
    );
    s.answer_request(late, Some(Payload::empty()));
    assert_eq!(s.actions(), NOTHING, "nothing was sent, so nothing is left either");
    s.wait(secs(1));
    s.answer_request(late, Some(Payload::empty()));
    assert_eq!(s.actions(), ["params room:a"], "a newer request makes an earlier one void");
    s.make_params("room:a", Some(Payload::empty()));
    s.make_params("room:a", Some(Payload::empty()));
    assert_eq!(s.actions(), ["send phx_join room:a"]);
}

#[test]
fn params_asked_for_on_a_lost_connection_are_void() {
    let (mut s, _) = Script::asking(quiet(), "room:a");
    let old = s.request("room:a");
    s.reconnect();
    s.answer_request(old, Some(Payload::empty()));
    assert_eq!(s.actions(), NOTHING);
    s.make_params("room:a", Some(Payload::empty()));
    assert_eq!(s.actions(), ["send phx_join room:a"]);
}

#[test]
fn a_request_that_nobody_polled_is_taken_back() {
    let mut s = Script::open(quiet());
    let a = s.asking_channel("room:a");
    s.socket.join(s.now, a, None).unwrap();
    let transport = s.transport();
    s.socket.handle_closed(s.now, transport, phx_proto::CloseCause::io(""));
    assert_eq!(s.actions(), NOTHING);
}

#[test]
fn binary_params_are_refused_at_once_or_fail_the_attempt_as_none_do() {
    let binary = Payload::binary("x");
    let fixed = Script::open(quiet()).channel_with("room:a", binary.clone());
    assert!(matches!(fixed, Err(CallError::Encode(_))), "{fixed:?}");
    for (params, cause) in
        [(None, "no params"), (Some(binary), "unsendable, a join's params can't be binary")]
    {
        let (mut s, _) = Script::asking(quiet(), "room:a");
        s.make_params("room:a", params);
        assert_eq!(s.events(), [format!("room:a join failed: {cause}, retry in 1s")]);
        assert_eq!(s.actions(), ["params room:a"]);
        s.wait(secs(1));
        assert_eq!(s.actions(), ["params room:a"], "again");
    }
}

#[test]
fn the_socket_holds_only_so_many_calls() {
    let mut s = Script::open(quiet_but(|config| config.max_pushes = 1));
    let (a, b) = (s.channel("room:a"), s.channel("room:b"));
    s.join(a);
    assert!(matches!(s.try_join(b, None), Err(CallError::TooManyPushes { max: 1, .. })));
    assert_eq!(s.socket.channel_state(b), Some(ChannelState::New), "nothing was done");
    s.reply("phx_join room:a", "ok", "{}");
    s.join(b);
}

#[test]
fn a_topic_that_no_channel_can_have_is_refused() {
    use phx_proto::CallError;
    let mut config = quiet();
    config.max_channels = 1;
    config.rejoin = steps([10]);
    let mut s = Script::open(config);
    assert!(matches!(s.channel_with("", Payload::empty()), Err(CallError::EmptyTopic)));
    let reserved = s.channel_with("phoenix", Payload::empty());
    assert!(matches!(reserved, Err(CallError::ReservedTopic)));
    s.channel("room:a");
    let second = s.channel_with("room:b", Payload::empty());
    assert!(matches!(second, Err(CallError::TooManyChannels { max: 1, .. })));
}
