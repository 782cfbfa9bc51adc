//! After a connection is lost the socket connects again, after the delays of its schedule.

use std::time::Duration;

use crate::common::{Script, ms, quiet, quiet_but, secs, steps};
use phx_proto::{Backoff, CloseCause, Config, TimeoutReason, UpgradeRejection};

/// Loses one attempt after another, and returns the delay after each.
pub(crate) fn delays(config: Config, seed: u64, attempts: usize) -> Vec<Duration> {
    let mut s = Script::with_seed(config, seed);
    s.connect();
    (0..attempts)
        .map(|_| {
            s.lost();
            assert_eq!(s.socket.timeout_reason(), Some(TimeoutReason::Reconnect));
            s.wait_for_timeout()
        })
        .collect()
}

fn with_schedule(reconnect: Backoff) -> Config {
    quiet_but(|config| config.reconnect = reconnect)
}

#[test]
fn a_function_of_the_tries() {
    let schedule = Backoff::function(|tries| secs(u64::from(tries) * 7));
    assert_eq!(delays(with_schedule(schedule), 1, 4), [7, 14, 21, 28].map(secs));
}

#[test]
fn jitter_comes_from_the_seed() {
    let config = || with_schedule(Backoff::default());
    assert_eq!(delays(config(), 7, 20), delays(config(), 7, 20));
    assert_ne!(delays(config(), 7, 20), delays(config(), 8, 20));
}

#[test]
fn the_tries_grow_when_the_timer_fires() {
    let mut s = Script::new(quiet());
    s.connect();
    s.lost();
    assert_eq!(s.next_timeout(), Some(secs(1)));
    // Scheduling again before the timer fired keeps the delay.
    s.lost();
    s.closed_on(s.transport_number(1), CloseCause::io("again"));
    assert_eq!(s.next_timeout(), Some(secs(1)));
    s.wait(secs(1));
    s.lost();
    assert_eq!(s.next_timeout(), Some(secs(2)));
    s.wait(secs(2));
    assert_eq!(
        s.actions(),
        ["connect 1, attempt 1", "connect 2, attempt 2", "connect 3, attempt 3"]
    );
}

#[test]
fn the_schedule_starts_over_only_after_a_stable_connection() {
    let mut s = Script::new(quiet());
    s.connect();
    for delay in [1, 2, 5, 10, 10] {
        s.opened();
        s.wait(ms(9_999));
        s.lost();
        assert_eq!(s.next_timeout(), Some(secs(delay)), "open, but never for 10 s");
        s.wait(secs(delay));
    }
    s.opened();
    s.wait(secs(10));
    s.lost();
    assert_eq!(s.next_timeout(), Some(secs(1)), "stable");
    s.forget_lines();
    s.wait(secs(1));
    assert_eq!(s.actions(), ["connect 7, attempt 2"]);
}

#[test]
fn connect_and_reconnect_now_end_the_wait_and_start_over() {
    for connect in [true, false] {
        let mut s = Script::new(quiet());
        s.connect();
        for _ in 0..3 {
            s.lost();
            s.wait(secs(5));
        }
        s.lost();
        assert_eq!(s.next_timeout(), Some(secs(10)));
        s.forget_lines();
        if connect {
            s.connect();
        } else {
            assert!(s.reconnect_now());
        }
        assert_eq!(s.actions(), ["connect 5, attempt 1"]);
        s.lost();
        assert_eq!(s.next_timeout(), Some(secs(1)));
    }
}

#[test]
fn connect_while_connected_starts_the_schedule_over() {
    let mut s = Script::new(quiet());
    s.connect();
    for _ in 0..3 {
        s.lost();
        s.wait(secs(5));
    }
    s.opened();
    s.connect();
    s.lost();
    assert_eq!(s.next_timeout(), Some(secs(1)));
}

#[test]
fn retry_after_is_honoured_if_it_is_longer_and_capped() {
    let busy = |retry_after: u64| {
        CloseCause::UpgradeRejected(
            UpgradeRejection::new(429).with_retry_after(Some(secs(retry_after))),
        )
    };
    let delay = |retry_after: u64| {
        let mut s = Script::new(quiet());
        s.connect();
        s.lost();
        s.wait(secs(1));
        s.closed(busy(retry_after));
        s.next_timeout()
    };
    assert_eq!(delay(30), Some(secs(30)));
    assert_eq!(delay(1), Some(secs(2)), "the schedule is the least");
    assert_eq!(delay(1_000_000), Some(secs(300)), "max_retry_after");
}

#[test]
fn no_delays_at_all_never_loop_inside_a_call() {
    let mut config = with_schedule(steps([]));
    config.connect_timeout = Duration::ZERO;
    let mut s = Script::new(config);
    s.connect();
    s.oversleep(secs(1));
    s.socket.handle_timeout(s.now);
    s.lost();
    assert_eq!(s.next_timeout(), Some(ms(1)));
}

#[test]
fn a_delay_beyond_all_time_never_comes() {
    let mut s = Script::new(with_schedule(Backoff::function(|_| Duration::MAX)));
    s.connect();
    s.lost();
    assert_eq!(s.socket.poll_timeout(), None);
}
