//! A server without the channel answers its pushes with `unmatched topic`, in a reply without a join ref (Phoenix 1.7 and
//! 1.8; recording `push_unjoined_topic`). The client takes that for a crash of the channel.

use crate::common::{Script, quiet, secs, v1};
use phx_proto::{ChannelState, Message};

const UNMATCHED: &str = r#"{"reason":"unmatched topic"}"#;

/// Returns a reply of Phoenix itself, which has no join ref.
fn unnamed(mut sent: Message) -> Message {
    sent.join_ref = None;
    sent
}

#[test]
fn it_is_rejoined() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.push(a, "first");
    s.push(a, "second");
    s.forget_lines();
    let second = unnamed(s.latest("second room:a"));
    s.reply_to(&unnamed(s.latest("first room:a")), "error", UNMATCHED);
    assert_eq!(
        s.events(),
        [
            r#"first: error {"reason":"unmatched topic"}"#,
            "second: channel crashed",
            "room:a errored: forgotten, retry in 1s"
        ]
    );
    s.reply_to(&second, "error", UNMATCHED);
    assert_eq!(s.events(), [""; 0], "late");
    s.wait(secs(1));
    assert_eq!(s.actions(), ["send phx_join room:a"]);
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.events(), ["room:a rejoined {}"]);
}

/// V1 has no join refs, so Phoenix's own replies can't be distinguished from the application's.
#[test]
fn other_errors_are_ordinary() {
    let no_such_topic = r#"{"reason":"no such topic"}"#;
    for (config, names_join, status, response) in [
        (quiet(), true, "error", UNMATCHED),
        (v1(), false, "error", UNMATCHED),
        (quiet(), false, "ok", UNMATCHED),
        (quiet(), false, "error", no_such_topic),
        (quiet(), false, "error", "{}"),
    ] {
        let (mut s, a) = Script::joined(config, "room:a");
        s.push(a, "find");
        let sent = s.latest("find room:a");
        let sent = if names_join { sent } else { unnamed(sent) };
        s.reply_to(&sent, status, response);
        assert_eq!(s.events(), [format!("find: {status} {response}")]);
        assert_eq!(s.socket.channel_state(a), Some(ChannelState::Joined));
    }
}

#[test]
fn what_is_not_about_a_push_of_this_life_that_waits_changes_nothing() {
    // A push of an earlier life.
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.push(a, "old");
    let old = unnamed(s.latest("old room:a"));
    s.server_push("room:a", "phx_error");
    s.wait(secs(1));
    s.reply("phx_join room:a", "ok", "{}");
    s.forget_lines();
    s.reply_to(&old, "error", UNMATCHED);
    // A push that was answered.
    s.push(a, "msg");
    s.reply("msg room:a", "ok", "{}");
    s.reply_to(&unnamed(s.latest("msg room:a")), "error", UNMATCHED);
    // A ref that no request has.
    let mut foreign = unnamed(s.latest("msg room:a"));
    foreign.reference = Some(4711.into());
    s.reply_to(&foreign, "error", UNMATCHED);
    assert_eq!(s.events(), ["msg: ok {}"]);
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Joined));
    // A push of a channel that is being left.
    s.push(a, "last");
    s.leave(a);
    s.reply_to(&unnamed(s.latest("last room:a")), "error", UNMATCHED);
    assert_eq!(s.socket.channel_state(a), Some(ChannelState::Leaving));
}
