//! How long the machine has slept.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use phx_proto::Instant as Time;

/// Two readings of clocks can't be taken at once. What lies between them is no sleep.
const NOISE: Duration = Duration::from_secs(1);

/// A measurement holds for so long. Going to sleep takes longer, so none is missed, and the clocks,
/// which may cost a system call each, aren't read for every call on a handle.
const HOLDS: Duration = Duration::from_millis(1);

/// Measures how long the machine has slept since this was made, by two clocks of the operating
/// system: one that counts sleep, and the standard library's, which doesn't.
pub(super) struct Slept {
    since: Reading,
    /// Whole milliseconds. It only grows.
    known: AtomicU64,
    /// When to measure again, in nanoseconds of the runtime's own time.
    next: AtomicU64,
}

/// What the two clocks show. The one that counts sleep was read first, so that a pause between the
/// readings makes sleep look shorter, never longer.
#[derive(Clone, Copy)]
struct Reading {
    with_sleep: Option<Duration>,
    awake: Instant,
}

impl Slept {
    pub(super) fn new() -> Self {
        Slept { since: Reading::precise(), known: AtomicU64::new(0), next: AtomicU64::new(0) }
    }

    /// `awake` is the runtime's own time.
    pub(super) fn so_far(&self, awake: Time) -> Duration {
        if nanos(awake) < self.next.load(Ordering::Relaxed) {
            return self.known();
        }
        self.next.store(nanos(awake + HOLDS), Ordering::Relaxed);
        self.note(Reading::now().slept_since(self.since))
    }

    fn known(&self) -> Duration {
        Duration::from_millis(self.known.load(Ordering::Relaxed))
    }

    /// Counts what is more than is known by more than noise.
    fn note(&self, slept: Duration) -> Duration {
        let known = self.known();
        if slept < known + NOISE {
            return known;
        }
        let millis = u64::try_from(slept.as_millis()).unwrap_or(u64::MAX);
        let before = self.known.fetch_max(millis, Ordering::Relaxed);
        Duration::from_millis(before.max(millis))
    }
}

fn nanos(time: Time) -> u64 {
    let time = time.since_epoch();
    time.as_secs().saturating_mul(1_000_000_000).saturating_add(time.subsec_nanos().into())
}

impl Reading {
    fn now() -> Self {
        let with_sleep = clock_that_counts_sleep();
        Reading { with_sleep, awake: Instant::now() }
    }

    /// A reading without a pause in it, which would be taken for sleep ever after.
    fn precise() -> Self {
        const TRIES: usize = 16;
        let read = || {
            let before = Instant::now();
            let reading = Reading::now();
            (reading.awake.saturating_duration_since(before), reading)
        };
        let readings = std::iter::repeat_with(read).take(TRIES);
        let shortest = readings.min_by_key(|(took, _)| *took);
        shortest.map_or_else(Reading::now, |(_, reading)| reading)
    }

    fn slept_since(self, earlier: Reading) -> Duration {
        let (Some(now), Some(then)) = (self.with_sleep, earlier.with_sleep) else {
            return Duration::ZERO;
        };
        let awake = self.awake.saturating_duration_since(earlier.awake);
        now.saturating_sub(then).saturating_sub(awake)
    }
}

/// Apple's `CLOCK_MONOTONIC` goes on while the machine sleeps; the standard library reads another.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn clock_that_counts_sleep() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(target_vendor = "apple")]
    let id = ClockId::Monotonic;
    #[cfg(not(target_vendor = "apple"))]
    let id = ClockId::Boottime;
    clock_gettime(id).try_into().ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn clock_that_counts_sleep() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_machine_that_is_awake_has_not_slept() {
        let slept = Slept::new();
        assert_eq!(slept.so_far(Time::EPOCH), Duration::ZERO);
        #[cfg(target_os = "linux")]
        assert!(slept.since.with_sleep.is_some());
    }

    #[test]
    fn it_is_measured_again_after_a_millisecond() {
        let mut slept = Slept::new();
        let at = |micros| Time::from_epoch(Duration::from_micros(micros));
        assert_eq!(slept.so_far(at(0)), Duration::ZERO);
        // As if the machine had slept for two seconds since.
        slept.since.with_sleep = slept.since.with_sleep.map(|then| then.saturating_sub(SECOND * 2));
        assert_eq!(slept.so_far(at(999)), Duration::ZERO);
        if slept.since.with_sleep.is_some() {
            assert!(slept.so_far(at(1_000)) >= SECOND);
        }
    }

    #[test]
    fn what_one_clock_shows_more_than_the_other_is_sleep() {
        let earlier = Reading::now();
        let later = |with_sleep, awake| Reading {
            with_sleep: earlier.with_sleep.map(|then| then + with_sleep),
            awake: earlier.awake + awake,
        };
        if earlier.with_sleep.is_some() {
            assert_eq!(later(SECOND * 3_605, SECOND * 5).slept_since(earlier), SECOND * 3_600);
        }
        assert_eq!(later(SECOND * 5, SECOND * 6).slept_since(earlier), Duration::ZERO);
    }

    #[test]
    fn it_only_grows_and_noise_is_not_counted() {
        let slept = Slept::new();
        assert_eq!(slept.note(SECOND - Duration::from_millis(1)), Duration::ZERO);
        assert_eq!(slept.note(SECOND * 60), SECOND * 60);
        assert_eq!(slept.note(SECOND * 59), SECOND * 60);
        assert_eq!(slept.note(SECOND * 60 + SECOND / 2), SECOND * 60);
        assert_eq!(slept.note(SECOND * 90), SECOND * 90);
    }
}
