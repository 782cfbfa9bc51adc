//! Pushes are accepted or refused at the call, wait for the join in order, and have one deadline.

use crate::common::{NOTHING, Script, json, ms, quiet, quiet_but, secs, v1};
use phx_proto::{CallError, EncodeError, Payload, PushError, PushOverflow, RequestId, events};

/// Why a push was refused. Everything must have been handed back.
#[track_caller]
fn refused(result: Result<RequestId, PushError>, event: &str, payload: &Payload) -> CallError {
    let error = result.unwrap_err();
    assert_eq!(error.event, event);
    assert_eq!(error.payload, *payload);
    error.reason
}

#[test]
fn it_carries_the_channels_join_ref_and_a_ref_of_its_own() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.try_push(a, "new_msg", json(r#"{"body":"hi"}"#), None).unwrap();
    assert_eq!(s.actions(), [r#"send new_msg room:a {"body":"hi"}"#]);
    let push = s.latest("new_msg room:a");
    let join = s.latest("phx_join room:a");
    assert_eq!(push.join_ref, join.join_ref);
    assert_ne!(push.reference, join.reference);
    s.reply("new_msg room:a", "ok", r#"{"id":1}"#);
    assert_eq!(s.events(), [r#"new_msg: ok {"id":1}"#]);
}

#[test]
fn pushes_wait_for_the_join_and_go_out_in_order() {
    let mut s = Script::new(quiet());
    let a = s.channel("room:a");
    s.join(a);
    s.push(a, "offline");
    s.connect();
    s.push(a, "connecting");
    s.opened();
    s.push(a, "joining");
    assert_eq!(s.actions(), ["connect 1, attempt 1", "send phx_join room:a"]);
    s.reply("phx_join room:a", "ok", "{}");
    s.push(a, "joined");
    assert_eq!(
        s.actions(),
        [
            "send offline room:a",
            "send connecting room:a",
            "send joining room:a",
            "send joined room:a"
        ]
    );
}

#[test]
fn channels_share_the_transport_in_call_order() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    let b = s.join_ok("room:b");
    s.stuck = true;
    for (channel, event) in [(a, "1"), (b, "2"), (a, "3"), (b, "4")] {
        s.push(channel, event);
    }
    s.stuck = false;
    assert_eq!(s.actions(), ["send 1 room:a", "send 2 room:b", "send 3 room:a", "send 4 room:b"]);
}

#[test]
fn what_waited_for_several_joins_goes_out_in_call_order() {
    let mut s = Script::open(quiet());
    let (a, b) = (s.channel("room:a"), s.channel("room:b"));
    s.join(a);
    s.join(b);
    for (channel, event) in [(b, "1"), (a, "2"), (b, "3")] {
        s.push(channel, event);
    }
    s.forget_lines();
    // Both are answered before the transport can take a frame, as in the answer to one poll.
    s.stuck = true;
    s.reply("phx_join room:a", "ok", "{}");
    s.reply("phx_join room:b", "ok", "{}");
    s.push(a, "4");
    s.stuck = false;
    assert_eq!(s.actions(), ["send 1 room:b", "send 2 room:a", "send 3 room:b", "send 4 room:a"]);
}

#[test]
fn one_the_transport_did_not_take_waits_for_the_rejoin_in_order() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.push(a, "taken");
    s.stuck = true;
    s.push(a, "first");
    s.push(a, "second");
    s.lost();
    s.push(a, "third");
    s.forget_lines();
    s.stuck = false;
    s.wait(secs(1));
    s.opened();
    s.reply("phx_join room:a", "ok", "{}");
    s.push(a, "fourth");
    assert_eq!(
        s.actions(),
        [
            "connect 2, attempt 2",
            "send phx_join room:a",
            "send first room:a",
            "send second room:a",
            "send third room:a",
            "send fourth room:a"
        ]
    );
    assert_eq!(s.latest("first room:a").join_ref, s.latest("phx_join room:a").join_ref);
}

#[test]
fn the_deadline_counts_from_the_call() {
    let mut s = Script::open(quiet());
    let a = s.channel("room:a");
    s.try_join(a, Some(secs(60))).unwrap();
    s.push(a, "waits");
    s.wait(secs(8));
    s.reply("phx_join room:a", "ok", "{}");
    s.forget_lines();
    s.wait(ms(1_999));
    assert_eq!(s.events(), NOTHING);
    s.wait(ms(1));
    assert_eq!(s.events(), ["waits: timed out"], "10 s from the call");
}

#[test]
fn a_push_can_have_a_timeout_of_its_own() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.try_push(a, "patient", Payload::empty(), Some(secs(60))).unwrap();
    s.try_push(a, "hasty", Payload::empty(), Some(ms(5))).unwrap();
    s.wait(ms(5));
    assert_eq!(s.events(), ["hasty: timed out"]);
    s.wait(secs(59));
    assert_eq!(s.events(), NOTHING);
    s.wait(secs(1));
    assert_eq!(s.events(), ["patient: timed out"]);
}

#[test]
fn one_that_timed_out_or_was_cancelled_unsent_is_never_sent() {
    let (mut s, a) = Script::joining(quiet(), "room:a");
    s.try_push(a, "timed_out", Payload::empty(), Some(secs(1))).unwrap();
    let cancelled = s.push(a, "cancelled");
    s.wait(secs(1));
    assert!(s.cancel(cancelled));
    s.reply("phx_join room:a", "ok", "{}");
    s.stuck = true;
    let late = s.push(a, "cancelled_late");
    assert!(s.cancel(late));
    s.stuck = false;
    assert_eq!(s.actions(), ["send phx_join room:a"]);
    assert_eq!(
        s.events(),
        [
            "timed_out: not sent in time",
            "cancelled: cancelled",
            "room:a joined {}",
            "join room:a: ok {}",
            "cancelled_late: cancelled"
        ]
    );
}

#[test]
fn a_channel_that_is_not_joined_or_closed_refuses() {
    let mut s = Script::open(quiet());
    let payload = json("[1,2,3]");
    let push = |s: &mut Script, channel| {
        let result = s.try_push(channel, "msg", payload.clone(), None);
        refused(result, "msg", &payload)
    };
    let a = s.channel("room:a");
    assert_eq!(push(&mut s, a), CallError::NotJoined);
    s.join(a);
    s.reply("phx_join room:a", "ok", "{}");
    s.leave(a);
    assert_eq!(push(&mut s, a), CallError::Closed, "leaving");
    s.reply("phx_leave room:a", "ok", "{}");
    assert_eq!(push(&mut s, a), CallError::Closed);
    s.remove(a);
    assert_eq!(push(&mut s, a), CallError::UnknownChannel);
    assert!(!s.actions().iter().any(|line| line.contains("msg")), "nothing was sent");
}

#[test]
fn reserved_and_empty_events_are_refused() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    let payload = Payload::binary("data");
    for event in [events::JOIN, events::LEAVE, events::REPLY, events::CLOSE, events::ERROR] {
        let result = s.try_push(a, &event, payload.clone(), None);
        assert_eq!(refused(result, &event, &payload), CallError::ReservedEvent);
    }
    let result = s.try_push(a, "", payload.clone(), None);
    assert_eq!(refused(result, "", &payload), CallError::EmptyEvent);
    s.push(a, "phx_own");
    s.push(a, "heartbeat");
}

#[test]
fn what_the_serializer_cannot_express_is_refused_at_the_call() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    let payload = Payload::binary("data");
    let long = "e".repeat(256);
    let result = s.try_push(a, &long, payload.clone(), None);
    let reason = refused(result, &long, &payload);
    assert!(
        matches!(reason, CallError::Encode(EncodeError::TooLong { len: 256, .. })),
        "{reason:?}"
    );
    let (mut s, a) = Script::joined(v1(), "room:a");
    let result = s.try_push(a, "msg", payload.clone(), None);
    let reason = refused(result, "msg", &payload);
    assert!(
        matches!(reason, CallError::Encode(EncodeError::BinaryUnsupported { .. })),
        "{reason:?}"
    );
}

#[test]
fn a_full_channel_refuses_until_the_transport_takes_one() {
    let (mut s, a) = Script::joined(quiet_but(|config| config.max_buffered_pushes = 2), "room:a");
    let b = s.join_ok("room:b");
    s.stuck = true;
    s.push(a, "1");
    s.push(a, "2");
    let payload = json(r#""lost?""#);
    let result = s.try_push(a, "3", payload.clone(), None);
    let reason = refused(result, "3", &payload);
    assert!(matches!(reason, CallError::BufferFull { max: 2, .. }), "{reason:?}");
    s.push(b, "other channels have buffers of their own");
    s.stuck = false;
    s.drain();
    s.push(a, "4");
}

#[test]
fn an_ordinary_burst_is_never_too_much() {
    for joined in [true, false] {
        let mut s = Script::open(quiet());
        s.stuck = true;
        let a = s.channel("room:a");
        s.join(a);
        if joined {
            s.stuck = false;
            s.drain();
            s.reply("phx_join room:a", "ok", "{}");
            s.stuck = true;
        }
        let payload = json(&format!("\"{}\"", "x".repeat(98)));
        for _ in 0..5_000 {
            s.try_push(a, "msg", payload.clone(), None).unwrap();
        }
    }
}

#[test]
fn a_refusal_names_the_setting() {
    let refusal = |change: fn(&mut phx_proto::Config)| {
        let mut config = quiet();
        change(&mut config);
        let (mut s, a) = Script::joined(config, "room:a");
        s.stuck = true;
        s.push(a, "1");
        s.push(a, "2");
        s.try_push(a, "3", Payload::empty(), None).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(|config| config.max_buffered_pushes = 2),
        "can't push `3`: 2 unsent pushes of a channel are the limit (`max_buffered_pushes`)"
    );
    assert_eq!(
        refusal(|config| config.max_buffered_bytes = 6),
        "can't push `3`: 6 bytes of unsent pushes are the limit (`max_buffered_bytes`)"
    );
    assert_eq!(
        refusal(|config| config.max_pushes = 2),
        "can't push `3`: 2 pushes are the limit (`max_pushes`)"
    );
}

#[test]
fn a_full_channel_can_evict_its_oldest_unsent_push() {
    let mut config = quiet();
    config.max_buffered_pushes = 2;
    config.push_overflow = PushOverflow::DropOldest;
    let (mut s, a) = Script::joined(config, "room:a");
    s.push(a, "sent");
    s.forget_lines();
    s.stuck = true;
    for event in ["1", "2", "3", "4"] {
        s.push(a, event);
    }
    assert_eq!(s.events(), ["1: evicted", "2: evicted"]);
    s.stuck = false;
    assert_eq!(s.actions(), ["send 3 room:a", "send 4 room:a"]);
}

#[test]
fn no_buffer_at_all_refuses_whatever_the_policy() {
    for push_overflow in [PushOverflow::Reject, PushOverflow::DropOldest] {
        let mut config = quiet();
        config.max_buffered_pushes = 0;
        config.push_overflow = push_overflow;
        let (mut s, a) = Script::joined(config, "room:a");
        let result = s.try_push(a, "msg", Payload::empty(), None);
        let reason = refused(result, "msg", &Payload::empty());
        assert!(matches!(reason, CallError::BufferFull { max: 0, .. }), "{reason:?}");
    }
}

#[test]
fn the_socket_holds_only_so_many_bytes() {
    let (mut s, a) = Script::joined(quiet_but(|config| config.max_buffered_bytes = 20), "room:a");
    let b = s.join_ok("room:b");
    s.stuck = true;
    let payload = json(r#""12345678""#);
    s.try_push(a, "e", payload.clone(), None).unwrap();
    let result = s.try_push(b, "e", payload.clone(), None);
    let reason = refused(result, "e", &payload);
    assert!(matches!(reason, CallError::TooManyBytes { max: 20, .. }), "{reason:?}");
    let fits = s.try_push(b, "e", json(r#""123456""#), None).unwrap();
    assert!(s.cancel(fits));
    s.try_push(b, "e", json(r#""123456""#), None).unwrap();
    s.stuck = false;
    s.drain();
    s.try_push(b, "e", payload, None).unwrap();
}

#[test]
fn an_eviction_that_makes_no_room_for_the_bytes_evicts_nothing() {
    let mut config = quiet();
    config.max_buffered_pushes = 1;
    config.max_buffered_bytes = 10;
    config.push_overflow = PushOverflow::DropOldest;
    let (mut s, a) = Script::joined(config, "room:a");
    s.stuck = true;
    s.try_push(a, "e", json(r#""1234""#), None).unwrap();
    let large = json(r#""123456789""#);
    let result = s.try_push(a, "e", large.clone(), None);
    assert!(matches!(refused(result, "e", &large), CallError::TooManyBytes { .. }));
    assert_eq!(s.events(), NOTHING);
    s.try_push(a, "f", json(r#""1234567""#), None).unwrap();
    assert_eq!(s.events(), ["e: evicted"]);
}

#[test]
fn the_socket_holds_only_so_many_pushes_until_their_outcome_is_polled() {
    let (mut s, a) = Script::joined(quiet_but(|config| config.max_pushes = 2), "room:a");
    s.push(a, "1");
    let second = s.push(a, "2");
    let result = s.try_push(a, "3", Payload::empty(), None);
    let reason = refused(result, "3", &Payload::empty());
    assert!(matches!(reason, CallError::TooManyPushes { max: 2, .. }), "{reason:?}");
    assert!(s.socket.cancel(second));
    let result = s.socket.push(s.now, a, "4", Payload::empty(), None);
    let reason = refused(result, "4", &Payload::empty());
    assert!(matches!(reason, CallError::TooManyPushes { .. }), "its outcome hasn't been polled");
    assert_eq!(s.events(), ["2: cancelled"]);
    s.push(a, "5");
}
