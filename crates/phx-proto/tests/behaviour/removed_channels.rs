//! A removed channel is unknown from that call on, though its leave may still be under way.

use crate::common::{Script, quiet, quiet_but};
use phx_proto::{CallError, Payload};

#[test]
fn is_unknown_at_once() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    assert!(s.remove(a));
    assert_eq!(s.socket.channel_state(a), None);
    assert_eq!(s.socket.topic(a), None);
    assert_eq!(s.socket.channel_of("room:a"), None);
    assert!(!s.remove(a), "there is no such channel any more");
    assert_eq!(s.socket.join(s.now, a, None), Err(CallError::UnknownChannel));
    assert_eq!(s.socket.leave(s.now, a, None), Err(CallError::UnknownChannel));
    let refused = s.socket.push(s.now, a, "msg", Payload::empty(), None).unwrap_err();
    assert_eq!(refused.reason, CallError::UnknownChannel);
}

#[test]
fn its_leave_ends_on_phx_close_too() {
    let (mut s, a) = Script::joined(
        quiet_but(|config| config.stable_after = std::time::Duration::ZERO),
        "room:a",
    );
    s.push(a, "msg");
    s.remove(a);
    s.server_push("room:a", "phx_close");
    assert_eq!(s.events(), ["msg: channel closed"]);
    assert_eq!(s.socket.poll_timeout(), None);
}
