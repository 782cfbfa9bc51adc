//! V1 has no join ref in `phx_close` and `phx_error`. While a channel is being left, such a message on its topic belongs
//! to it, and not to the new channel of the topic: the server ends the old one first, often after it has answered the
//! new one's join.

use crate::common::{Script, v1};
use phx_proto::ChannelState;

#[test]
fn ends_the_channel_that_is_being_left() {
    for event in ["phx_close", "phx_error"] {
        let (mut s, a) = Script::joined(v1(), "room:a");
        s.leave(a);
        s.broadcast("room:b", event);
        s.broadcast("room:a", "news");
        assert_eq!(s.events(), [""; 0]);
        s.broadcast("room:a", event);
        assert_eq!(s.events(), ["leave room:a: left", "room:a closed: left"], "{event}");
    }
}

#[test]
fn spares_the_channel_that_was_joined_meanwhile() {
    let (mut s, a) = Script::joined(v1(), "room:a");
    s.leave(a);
    let b = s.channel("room:a");
    s.join(b);
    s.reply("phx_join room:a", "ok", "{}");
    s.forget_lines();
    s.broadcast("room:a", "phx_close");
    assert_eq!(s.events(), ["leave room:a: left", "room:a closed: left"]);
    assert_eq!(s.socket.channel_state(b), Some(ChannelState::Joined));
    s.broadcast("room:a", "phx_close");
    assert_eq!(s.events(), ["room:a closed: by server {}"], "the second is its own");
}

#[test]
fn ends_the_lives_of_a_topic_in_order() {
    for second_was_joined in [true, false] {
        let (mut s, a) = Script::joined(v1(), "room:a");
        let b = s.replace("room:a");
        s.join(b);
        if second_was_joined {
            s.reply("phx_join room:a", "ok", "{}");
        }
        let c = s.replace("room:a");
        s.join(c);
        s.reply("phx_join room:a", "ok", "{}");
        s.forget_lines();
        let states = |s: &Script| [a, b, c].map(|channel| s.socket.channel_state(channel).unwrap());
        for second in [ChannelState::Leaving, ChannelState::Closed] {
            s.broadcast("room:a", "phx_close");
            assert_eq!(s.events(), ["room:a closed: replaced"]);
            assert_eq!(states(&s), [ChannelState::Closed, second, ChannelState::Joined]);
        }
        s.broadcast("room:a", "news");
        s.broadcast("room:a", "phx_close");
        assert_eq!(s.events(), ["room:a news {}", "room:a closed: by server {}"]);
    }
}
