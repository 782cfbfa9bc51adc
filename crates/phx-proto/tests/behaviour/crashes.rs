//! A push in flight when its channel crashes fails at once; a reply after that is ignored. In phoenix.js it waits for
//! its timeout.

use crate::common::{Script, quiet, secs};

#[test]
fn what_was_sent_fails_at_once_and_what_was_not_waits_for_the_rejoin() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.push(a, "first");
    s.push(a, "second");
    s.stuck = true;
    s.push(a, "unsent");
    s.stuck = false;
    let sent = s.latest("first room:a");
    // Not by `server_push`, which would let the transport take the unsent frames.
    s.stuck = true;
    s.server_push("room:a", "phx_error");
    s.stuck = false;
    assert_eq!(
        s.events(),
        [
            "first: channel crashed",
            "second: channel crashed",
            "room:a errored: crashed {}, retry in 1s"
        ]
    );
    // Phoenix may answer after `phx_error`: the reply of another process.
    let late = s.socket.counters().unmatched_replies;
    s.reply_to(&sent, "ok", "{}");
    assert_eq!(s.events(), [""; 0]);
    assert_eq!(s.socket.counters().unmatched_replies, late + 1);
    s.wait(secs(1));
    s.forget_lines();
    s.reply("phx_join room:a", "ok", "{}");
    assert_eq!(s.actions(), ["send unsent room:a"]);
    s.reply("unsent room:a", "ok", "{}");
    assert_eq!(s.events(), ["room:a rejoined {}", "unsent: ok {}"]);
}
