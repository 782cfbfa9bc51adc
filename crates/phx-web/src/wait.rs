//! Decisions of a timer, without the browser's part.
//!
//! A timer of a page may be late by a second where the page is hidden, by a minute where it has been for long, and by
//! any time where the page was frozen. What the server has sent in that time may come a moment after the timer: so a
//! timer that is very late waits a little more, and no deadline is acted on before that has been received.

use std::time::Duration;

use phx_client::Instant;

/// Lateness from which on a timer waits a little more. Those of hidden pages go off once a second.
const VERY_LATE: Duration = Duration::from_secs(2);

/// The time that it waits then.
const GRACE: Duration = Duration::from_millis(100);

/// Largest time that a browser's timer takes, in milliseconds; beyond it goes off at once.
const LONGEST: u64 = i32::MAX as u64;

/// The next step of a timer that went off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is complete.
    Complete,
    /// It went off too early, since its time was rounded or cut: it waits for the rest.
    Again,
    /// It is very late: it waits this long, once.
    Grace(i32),
}

/// Decides for a timer that went off at `now`. `had_grace` is true after [`Step::Grace`].
pub(crate) fn step(deadline: Instant, now: Instant, had_grace: bool) -> Step {
    if now < deadline {
        Step::Again
    } else if had_grace || now.saturating_duration_since(deadline) < VERY_LATE {
        Step::Complete
    } else {
        Step::Grace(millis(GRACE))
    }
}

/// The time until `deadline` in the browser's terms, rounded up.
pub(crate) fn until(deadline: Instant, now: Instant) -> i32 {
    millis(deadline.saturating_duration_since(now))
}

fn millis(time: Duration) -> i32 {
    let millis = time.as_nanos().div_ceil(1_000_000).min(u128::from(LONGEST));
    i32::try_from(millis).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_epoch(Duration::from_millis(millis))
    }

    #[test]
    fn a_timer_in_time_or_a_little_late_is_complete() {
        for late in [0, 1, 1_000, 1_999] {
            assert_eq!(step(at(5_000), at(5_000 + late), false), Step::Complete, "{late}");
        }
    }

    #[test]
    fn one_that_is_very_late_waits_once_more() {
        for late in [2_000, 60_000, u64::from(u32::MAX)] {
            assert_eq!(step(at(5_000), at(5_000 + late), false), Step::Grace(100), "{late}");
            assert_eq!(step(at(5_000), at(5_000 + late), true), Step::Complete, "{late}");
        }
    }

    #[test]
    fn one_that_is_early_goes_on() {
        for had_grace in [false, true] {
            assert_eq!(step(at(5_000), at(4_999), had_grace), Step::Again);
        }
    }

    #[test]
    fn times_are_rounded_up_and_cut_at_the_browsers_limit() {
        let nanos = |nanos| Instant::from_epoch(Duration::from_nanos(nanos));
        assert_eq!(until(at(5), at(5)), 0);
        assert_eq!(until(at(5), at(9)), 0);
        assert_eq!(until(nanos(1), nanos(0)), 1);
        assert_eq!(until(nanos(1_000_000), nanos(0)), 1);
        assert_eq!(until(nanos(1_000_001), nanos(0)), 2);
        assert_eq!(until(Instant::from_epoch(Duration::MAX), nanos(0)), i32::MAX);
    }
}
