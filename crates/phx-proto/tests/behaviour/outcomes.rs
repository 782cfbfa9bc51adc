//! Every way a push can end, each exactly once.

use crate::common::{NOTHING, Script, json, quiet, secs};
use phx_proto::{CloseCause, CloseCode, Payload, PushOverflow};

/// Creates a socket with one sent push, `msg`, that waits for its reply.
fn with_sent_push() -> (Script, phx_proto::ChannelId) {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.push(a, "msg");
    s.forget_lines();
    (s, a)
}

/// Checks that no later input gives the push another outcome.
#[track_caller]
fn ends_once(mut s: Script, outcome: &str) {
    let outcomes = |s: &mut Script| {
        let mut lines = s.events();
        lines.retain(|line| line.starts_with("msg: "));
        lines
    };
    assert_eq!(outcomes(&mut s), [format!("msg: {outcome}")]);
    s.reply("msg room:a", "ok", r#"{"too":"late"}"#);
    s.wait(secs(30));
    s.lost();
    s.wait(secs(30));
    assert_eq!(outcomes(&mut s), NOTHING);
}

#[test]
fn each_end_is_the_one_outcome() {
    type End = (&'static str, fn(&mut Script, phx_proto::ChannelId));
    let ends: [End; 14] = [
        ("ok {}", |s, _| s.reply("msg room:a", "ok", "{}")),
        (r#"error "no""#, |s, _| s.reply("msg room:a", "error", r#""no""#)),
        ("weird [1]", |s, _| s.reply("msg room:a", "weird", "[1]")),
        (" null", |s, _| s.reply("msg room:a", "", "null")),
        ("timed out", |s, _| s.wait(secs(10))),
        ("disconnected", |s, _| s.lost()),
        ("disconnected", |s, _| s.disconnect()),
        ("disconnected", |s, _| assert!(s.reconnect_now())),
        ("disconnected", |s, _| s.closed(CloseCause::frame(CloseCode::RESTART, ""))),
        ("channel closed", |s, _| s.server_push("room:a", "phx_close")),
        ("channel crashed", |s, _| s.server_push("room:a", "phx_error")),
        ("channel closed", |s, a| {
            s.leave(a);
            assert_eq!(s.events(), NOTHING, "it may still be answered");
            s.reply("phx_leave room:a", "ok", "{}");
        }),
        ("ok {}", |s, a| {
            s.leave(a);
            s.reply("msg room:a", "ok", "{}");
        }),
        ("channel closed", |s, a| {
            s.remove(a);
            s.reply("phx_leave room:a", "ok", "{}");
        }),
    ];
    for (outcome, end) in ends {
        let (mut s, a) = with_sent_push();
        end(&mut s, a);
        ends_once(s, outcome);
    }
}

#[test]
fn a_binary_reply() {
    let (mut s, _) = with_sent_push();
    let mut reply = s.latest("msg room:a");
    reply.event = phx_proto::events::REPLY;
    reply.status = Some(phx_proto::Status::Ok);
    reply.payload = Payload::binary(vec![0, 255]);
    s.says(&reply);
    ends_once(s, r#"ok b"\0\xff""#);
}

#[test]
fn cancelled() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    let push = s.push(a, "msg");
    assert!(s.cancel(push));
    assert!(!s.cancel(push), "its outcome has been decided");
    ends_once(s, "cancelled");
}

#[test]
fn evicted() {
    let mut config = quiet();
    config.max_buffered_pushes = 1;
    config.push_overflow = PushOverflow::DropOldest;
    let (mut s, a) = Script::joining(config, "room:a");
    s.push(a, "msg");
    s.forget_lines();
    s.push(a, "other");
    assert_eq!(s.events(), ["msg: evicted"]);
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.actions(), ["send other room:a"]);
}

#[test]
fn a_second_reply_is_ignored() {
    let (mut s, _) = with_sent_push();
    s.reply("msg room:a", "ok", "1");
    s.reply("msg room:a", "ok", "2");
    assert_eq!(s.events(), ["msg: ok 1"]);
    assert_eq!(s.socket.counters().unmatched_replies, 1);
}

#[test]
fn replies_come_in_any_order() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.push(a, "first");
    s.push(a, "second");
    s.reply("second room:a", "ok", "2");
    s.reply("first room:a", "ok", "1");
    assert_eq!(s.events(), ["second: ok 2", "first: ok 1"]);
}

#[test]
fn nobody_can_answer_what_was_not_sent() {
    let mut s = Script::open(quiet());
    let a = s.channel("room:a");
    s.stuck = true;
    s.join(a);
    let guess_all = |s: &mut Script| {
        for guess in 0..20 {
            s.server(&format!(
                r#"[null,"{guess}","room:a","phx_reply",{{"status":"ok","response":{{}}}}]"#
            ));
        }
    };
    guess_all(&mut s);
    assert_eq!(s.events(), NOTHING, "the join");
    s.stuck = false;
    s.drain();
    s.reply("phx_join room:a", "ok", "{}");
    s.forget_lines();
    s.stuck = true;
    s.push(a, "msg");
    s.leave(a);
    guess_all(&mut s);
    assert_eq!(s.events(), NOTHING, "the push and the leave");
}

#[test]
fn a_reply_on_another_topic_or_of_another_life_is_ignored() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.join_ok("room:b");
    s.push(a, "msg");
    let sent = s.latest("msg room:a");
    let mut foreign = sent.clone();
    foreign.topic = "room:b".into();
    s.reply_to(&foreign, "ok", "{}");
    let mut outdated = sent.clone();
    outdated.join_ref = Some(phx_proto::Ref::from("4711"));
    s.reply_to(&outdated, "ok", "{}");
    assert_eq!(s.events(), NOTHING);
    // A reply without a join ref is accepted.
    let mut unnamed = sent;
    unnamed.join_ref = None;
    s.reply_to(&unnamed, "ok", "{}");
    assert_eq!(s.events(), ["msg: ok {}"]);
}

#[test]
fn the_outcome_of_a_push_comes_before_the_end_of_its_channel() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.push(a, "sent");
    s.stuck = true;
    s.try_push(a, "unsent", json("1"), None).unwrap();
    s.server_push("room:a", "phx_close");
    assert_eq!(
        s.events(),
        ["sent: channel closed", "unsent: channel closed", "room:a closed: by server {}"]
    );
}
