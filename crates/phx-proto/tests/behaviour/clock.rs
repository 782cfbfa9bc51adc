//! Time that runs backwards stands still, and late wake-ups do no harm.

use std::time::Duration;

use crate::common::{NOTHING, Script, quiet, secs};
use phx_proto::{ConnectionState, Instant, Payload};

#[test]
fn backwards_is_standing_still() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.wait(secs(100));
    s.now = Instant::EPOCH;
    s.push(a, "msg");
    s.socket.handle_timeout(Instant::EPOCH + secs(50));
    assert_eq!(s.events(), NOTHING);
    assert_eq!(s.socket.poll_timeout(), Some(Instant::EPOCH + secs(110)));
    s.now = Instant::EPOCH + secs(110);
    s.socket.handle_timeout(s.now);
    assert_eq!(s.events(), ["msg: timed out"]);
}

#[test]
fn a_round_trip_is_never_negative() {
    let mut s = Script::open(quiet());
    s.wait(secs(100));
    s.ping().unwrap();
    s.now = Instant::EPOCH;
    s.reply("heartbeat phoenix", "ok", "{}");
    assert_eq!(s.events(), ["pong after 0ns"]);
}

#[test]
fn a_late_wake_up_fires_all_that_is_due_in_order() {
    let (mut s, a) = Script::joined(quiet(), "room:a");
    s.try_push(a, "third", Payload::empty(), Some(secs(3))).unwrap();
    s.try_push(a, "first", Payload::empty(), Some(secs(1))).unwrap();
    s.try_push(a, "second", Payload::empty(), Some(secs(1))).unwrap();
    s.oversleep(secs(3600));
    s.socket.handle_timeout(s.now);
    assert_eq!(s.events(), ["first: timed out", "second: timed out", "third: timed out"]);
    assert_eq!(s.socket.poll_timeout(), None);
}

#[test]
fn the_end_of_all_time_is_a_moment_like_others() {
    let (mut s, a) = Script::joined(phx_proto::Config::default(), "room:a");
    s.try_push(a, "for_ever", Payload::empty(), Some(Duration::MAX)).unwrap();
    s.now = Instant::from_epoch(Duration::MAX);
    s.socket.handle_timeout(s.now);
    s.drain();
    s.push(a, "never_times_out");
    s.lost();
    s.socket.handle_timeout(s.now);
    s.drain();
    assert_eq!(s.socket.connection_state(), ConnectionState::Waiting);
    assert_eq!(s.socket.poll_timeout(), None);
}
