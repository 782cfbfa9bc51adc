//! Every way a push can end, each exactly once.

use std::sync::Arc;

use crate::common::{Script, json, quiet, secs};
use phx_proto::{DecodeError, EncodeError, Frame, Message, Payload, Serializer, V2, WhenFull};

const NOTHING: [&str; 0] = [];

/// A socket with one sent push, `msg`, that waits for its reply.
fn with_sent_push() -> (Script, phx_proto::ChannelId) {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.push(a, "msg");
    s.forget_lines();
    (s, a)
}

/// Whatever happens next, the push has had its one outcome.
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
fn any_status() {
    for (status, response) in [("ok", "{}"), ("error", r#""no""#), ("weird", "[1]"), ("", "null")] {
        let (mut s, _) = with_sent_push();
        s.reply("msg room:a", status, response);
        ends_once(s, &format!("{status} {response}"));
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
fn timed_out() {
    let (mut s, _) = with_sent_push();
    s.wait(secs(10));
    ends_once(s, "timed out");
}

#[test]
fn disconnected() {
    let ends: [fn(&mut Script); 4] = [
        Script::lost,
        Script::disconnect,
        |s| assert!(s.reconnect_now()),
        |s| s.closed(phx_proto::CloseCause::frame(phx_proto::CloseCode::RESTART, "")),
    ];
    for end in ends {
        let (mut s, _) = with_sent_push();
        end(&mut s);
        ends_once(s, "disconnected");
    }
}

#[test]
fn channel_closed_by_the_server() {
    let (mut s, _) = with_sent_push();
    s.server_push("room:a", "phx_close");
    ends_once(s, "channel closed");
}

#[test]
fn channel_left() {
    let (mut s, a) = with_sent_push();
    s.leave(a);
    assert_eq!(s.events(), NOTHING, "it may still be answered");
    s.reply("phx_leave room:a", "ok", "{}");
    ends_once(s, "channel closed");
}

#[test]
fn answered_while_leaving() {
    let (mut s, a) = with_sent_push();
    s.leave(a);
    s.reply("msg room:a", "ok", "{}");
    ends_once(s, "ok {}");
}

#[test]
fn channel_removed() {
    let (mut s, a) = with_sent_push();
    s.remove(a);
    s.reply("phx_leave room:a", "ok", "{}");
    ends_once(s, "channel closed");
}

#[test]
fn channel_crashed() {
    let (mut s, _) = with_sent_push();
    s.server_push("room:a", "phx_error");
    ends_once(s, "channel crashed");
}

#[test]
fn answered_after_the_crash() {
    let (mut s, _) = with_sent_push();
    s.server_push("room:a", "phx_error");
    s.reply("msg room:a", "ok", "{}");
    ends_once(s, "channel crashed");
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
    config.when_full = WhenFull::EvictOldest;
    let mut s = Script::open(config);
    let a = s.channel("room:a");
    s.join(a);
    s.push(a, "msg");
    s.forget_lines();
    s.push(a, "other");
    assert_eq!(s.events(), ["msg: evicted"]);
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.actions(), ["send other room:a"]);
}

/// Says yes at the call and no when it is asked to encode.
#[derive(Debug)]
struct Fickle;

impl Serializer for Fickle {
    fn vsn(&self) -> &str {
        "2.0.0"
    }

    fn encode(&self, message: &Message) -> Result<Frame, EncodeError> {
        if message.event == "msg" {
            return Err(EncodeError::Custom("changed my mind".to_owned()));
        }
        V2.encode(message)
    }

    fn check(&self, _: &Message) -> Result<(), EncodeError> {
        Ok(())
    }

    fn decode(&self, frame: Frame) -> Result<Message, DecodeError> {
        V2.decode(frame)
    }
}

#[test]
fn unsendable() {
    let mut config = quiet();
    config.serializer = Arc::new(Fickle);
    let (mut s, a) = Script::joined(config, "room:a");
    s.push(a, "msg");
    s.push(a, "next");
    assert_eq!(s.events(), ["msg: unsendable, changed my mind"]);
    assert_eq!(s.actions(), ["send next room:a"]);
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
    // One that names no join is taken.
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
