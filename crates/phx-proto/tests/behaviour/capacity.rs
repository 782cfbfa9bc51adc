//! Tables and queues shrink after a peak.

use std::time::Duration;

use crate::common::{Script, quiet, secs};
use allocation_counter::measure;
use phx_proto::{ChannelId, CloseCause, CloseCode, Config, Event, Outcome, Payload, RequestId};

/// Memory that remains after a peak: capacity for a few entries, and the script's own.
const LITTLE: i64 = 4 << 10;

const PEAK: usize = 5_000;

/// Number of pushes in a peak whose outcomes keep their capacity until a shrink.
const SMALL_PEAK: usize = 500;

/// Without heartbeats, and without a time after which a connection is stable.
fn config() -> Config {
    let mut config = quiet();
    config.max_buffered_pushes = PEAK;
    config.stable_after = Duration::ZERO;
    config
}

fn with_heartbeats() -> Config {
    let mut config = config();
    config.heartbeat_interval = Some(secs(30));
    config
}

/// Pushes so often that the capacity for it is far more than [`LITTLE`]. The pushes wait for an hour.
fn push_many(s: &mut Script, channel: ChannelId, count: usize) -> Vec<RequestId> {
    let hour = Some(secs(3_600));
    let push = |_| s.socket.push(s.now, channel, "msg", Payload::empty(), hour).unwrap();
    let pushes = (0..count).map(push).collect();
    while s.socket.poll_action().is_some() {}
    pushes
}

fn poll_events(s: &mut Script) -> usize {
    std::iter::from_fn(|| s.socket.poll_event()).count()
}

/// Returns the bytes that are allocated after the peak, and after the rest.
#[track_caller]
fn is_given_back(s: &mut Script, peak: impl FnOnce(&mut Script), rest: impl FnOnce(&mut Script)) {
    let at_peak = measure(|| peak(s)).bytes_current;
    assert!(at_peak > 10 * LITTLE, "{at_peak} bytes are no peak");
    let left = at_peak + measure(|| rest(s)).bytes_current;
    assert!(left < LITTLE, "{left} bytes are left of {at_peak}");
}

/// Cancels some pushes before any outcome is polled.
fn cancel_some(s: &mut Script, channel: ChannelId) {
    push_many(s, channel, SMALL_PEAK).into_iter().for_each(|push| assert!(s.socket.cancel(push)));
    assert_eq!(poll_events(s), SMALL_PEAK);
}

#[test]
fn of_a_burst_once_a_heartbeat_was_answered() {
    let (mut s, channel) = Script::joined(with_heartbeats(), "room:a");
    is_given_back(
        &mut s,
        |s| cancel_some(s, channel),
        |s| {
            s.wait(secs(30));
            s.reply("heartbeat phoenix", "ok", "{}");
            s.forget_lines();
        },
    );
}

#[test]
fn of_a_burst_at_the_end_of_the_connection() {
    let (mut s, channel) = Script::joined(config(), "room:a");
    is_given_back(&mut s, |s| cancel_some(s, channel), Script::lost);
}

/// There is no heartbeat, and the connection goes on. The first is the last to be over, as one may be whose
/// answer is late.
#[test]
fn of_a_burst_that_is_over() {
    let (mut s, channel) = Script::joined(config(), "room:a");
    let burst = |s: &mut Script| {
        push_many(s, channel, PEAK).into_iter().rev().for_each(|push| cancel(s, push));
    };
    let left = measure(|| burst(&mut s)).bytes_current;
    assert!(left < LITTLE, "{left} bytes are left");
}

fn cancel(s: &mut Script, push: RequestId) {
    assert!(s.socket.cancel(push));
    let done = s.socket.poll_event();
    assert!(matches!(done, Some(Event::RequestDone { outcome: Outcome::Cancelled, .. })));
}

#[test]
fn of_outcomes_that_have_all_been_polled() {
    let (mut s, channel) = Script::joined(config(), "room:a");
    let outcomes = |s: &mut Script| {
        for push in push_many(s, channel, PEAK) {
            assert!(s.socket.cancel(push));
        }
        assert_eq!(poll_events(s), PEAK);
    };
    let left = measure(|| outcomes(&mut s)).bytes_current;
    assert!(left < LITTLE, "{left} bytes are left");
}

/// After its end the socket has no events that could shrink it.
#[test]
fn of_outcomes_that_are_polled_after_the_end() {
    let (mut s, channel) = Script::joined(config(), "room:a");
    let dies = |s: &mut Script| {
        drop(push_many(s, channel, PEAK));
        s.socket.disconnect(s.now, CloseCode::NORMAL, "").expect("a close frame can hold this");
        s.socket.handle_closed(s.now, s.transport(), CloseCause::Disconnected);
    };
    is_given_back(&mut s, dies, |s| assert!(poll_events(s) >= PEAK));
}

#[test]
fn what_still_waits_is_kept() {
    let (mut s, channel) = Script::joined(with_heartbeats(), "room:a");
    let pushes = push_many(&mut s, channel, PEAK);
    let (gone, waiting) = pushes.split_at(PEAK - 10);
    gone.iter().for_each(|push| assert!(s.socket.cancel(*push)));
    assert_eq!(poll_events(&mut s), gone.len());
    s.now = s.now + secs(1);
    s.socket.handle_closed(s.now, s.transport(), CloseCause::io("it was dead"));
    s.socket.reconnect_now(s.now);
    for push in waiting {
        let reported = std::iter::from_fn(|| s.socket.poll_event());
        let mut done = reported.filter(|event| matches!(event, Event::RequestDone { .. }));
        assert!(
            matches!(done.next(), Some(Event::RequestDone { push: next, .. }) if next == *push)
        );
    }
}
