//! Bounds of the delay before the next attempt, for any schedule, jitter and `Retry-After`: never earlier than the
//! server asked for, never later than their sum.
use std::time::Duration;

use crate::common::{ms, quiet};
use phx_proto::{Action, Backoff, CloseCause, Event, Instant, Socket, UpgradeRejection};
use proptest::prelude::*;

fn delay() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (0..20_000_u64).prop_map(ms),
        1 => Just(Duration::ZERO),
        1 => Just(Duration::from_secs(3600 * 24 * 365)),
    ]
}

fn backoff() -> impl Strategy<Value = Backoff> {
    prop_oneof![
        prop::collection::vec(delay(), 0..6).prop_map(Backoff::steps),
        (delay(), 0..5_u32, delay())
            .prop_map(|(first, factor, max)| Backoff::exponential(first, factor, max)),
    ]
}

/// Failures of attempts: lost, or refused with a `Retry-After`.
fn failures() -> impl Strategy<Value = Vec<Option<Duration>>> {
    let asked = prop_oneof![delay(), Just(Duration::MAX)];
    prop::collection::vec(prop::option::of(asked), 1..12)
}

/// Returns the socket's delays after these failures.
fn waits(reconnect: Backoff, failures: &[Option<Duration>], seed: u64) -> Vec<Duration> {
    let mut config = quiet();
    config.reconnect = reconnect;
    let mut socket = Socket::new(config, seed);
    let mut now = Instant::EPOCH;
    socket.connect(now);
    let mut waits = Vec::new();
    for asked_for in failures {
        let Some(Action::Connect { transport, .. }) = socket.poll_action() else {
            panic!("no attempt")
        };
        let cause = match asked_for {
            Some(asked_for) => CloseCause::UpgradeRejected(
                UpgradeRejection::new(503).with_retry_after(Some(*asked_for)),
            ),
            None => CloseCause::io(""),
        };
        socket.handle_closed(now, transport, cause);
        let Some(Event::Closed { retry_in: Some(wait), .. }) = socket.poll_event() else {
            panic!("no retry")
        };
        // No delay is shorter than a millisecond.
        let at = socket.poll_timeout().unwrap();
        assert_eq!(at, now + wait.max(ms(1)));
        now = at;
        socket.handle_timeout(now);
        waits.push(wait);
    }
    waits
}

fn percent(of: Duration, percent: u32) -> Duration {
    of * percent / 100
}

proptest! {
    #[test]
    fn a_wait_is_the_schedules_within_its_jitter_but_not_before_what_was_asked_for(
        backoff in backoff(),
        jitter in 0..=120_u8,
        failures in failures(),
        seed: u64,
    ) {
        let max_retry_after = quiet().max_retry_after;
        let waits = waits(backoff.clone().with_jitter_percent(jitter), &failures, seed);
        let jitter = u32::from(jitter.min(100));
        for (index, (wait, asked_for)) in waits.iter().zip(&failures).enumerate() {
            let base = backoff.base_delay(u32::try_from(index).unwrap() + 1);
            let asked_for = asked_for.unwrap_or_default().min(max_retry_after);
            let earliest = percent(base, 100 - jitter).max(asked_for);
            let late = if asked_for.is_zero() { asked_for } else { asked_for + percent(base, 2 * jitter) };
            let latest = percent(base, 100 + jitter).max(late);
            prop_assert!(*wait >= earliest, "{wait:?} < {earliest:?}");
            prop_assert!(*wait <= latest, "{wait:?} > {latest:?}");
        }
    }

    #[test]
    fn by_default_it_is_within_a_quarter(seed: u64) {
        for (wait, secs) in waits(Backoff::default(), &[None; 6], seed).iter().zip([1, 2, 5, 10, 10, 10]) {
            let base = Duration::from_secs(secs);
            prop_assert!(*wait >= percent(base, 75) && *wait <= percent(base, 125), "{wait:?}");
        }
    }

    #[test]
    fn without_jitter_it_is_the_schedule_for_every_seed(backoff in backoff(), seed: u64) {
        let expected: Vec<_> = (1..=8).map(|tries| backoff.base_delay(tries)).collect();
        prop_assert_eq!(waits(backoff, &[None; 8], seed), expected);
    }

    #[test]
    fn an_exponential_schedule_only_grows_and_not_beyond_its_end(
        first in delay(),
        factor in 1..5_u32,
        max in delay(),
        tries in 1..1_000_u32,
    ) {
        let backoff = Backoff::exponential(first, factor, max);
        let (now, then) = (backoff.base_delay(tries), backoff.base_delay(tries + 1));
        prop_assert!(now <= then && then <= max);
        prop_assert_eq!(backoff.base_delay(1), first.min(max));
        prop_assert!(then == max || then == now * factor);
    }

    #[test]
    fn steps_are_taken_in_order_and_the_last_stays(steps in prop::collection::vec(delay(), 1..6), tries: u32) {
        let backoff = Backoff::steps(steps.clone());
        let index = usize::try_from(tries.saturating_sub(1)).unwrap().min(steps.len() - 1);
        prop_assert_eq!(backoff.base_delay(tries), steps[index]);
    }
}

#[test]
fn seeds_spread_the_waits_over_the_whole_quarter() {
    let all: Vec<_> = (0..200).map(|seed| waits(Backoff::default(), &[None], seed)[0]).collect();
    assert!(all.iter().any(|wait| *wait < ms(800)) && all.iter().any(|wait| *wait > ms(1_200)));
    // Clients with the same `Retry-After` don't reconnect at the same time.
    let asked = [Some(Duration::from_secs(60))];
    let all = (0..100).map(|seed| waits(Backoff::default(), &asked, seed)[0]);
    assert!(all.collect::<std::collections::BTreeSet<_>>().len() > 50);
}
