//! The time of a socket: its runtime's, and the time that the machine was suspended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use phx_proto::Instant;

use super::{BoxFuture, Runtime};

/// Longest time that a timer runs before the driver reads the clock. Each reading costs an idle socket a few
/// microseconds; a wake from suspension is noticed this late at most.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks are taken at multiples of this, so that those of many sockets wake the program together.
const LOOKS_AT: Duration = Duration::from_millis(100);

/// Timers go off at whole milliseconds of the runtime's clock, so that those of many sockets wake the
/// program together: with async-io, whose timers have the clock's own resolution, a thousand idle
/// sockets cost nearly twice as much otherwise.
const RESOLUTION: Duration = Duration::from_millis(1);

/// Largest difference between two clocks that counts as noise, since they can't be read at the same moment.
const NOISE: Duration = Duration::from_secs(1);

/// Time for which a measurement stays valid. Suspending a machine takes longer, so none is missed, and calls on
/// handles don't each read the clocks, which may cost a system call each.
const HOLDS: Duration = Duration::from_millis(1);

/// Value of `next` for a clock that is never suspended.
const NEVER: u64 = u64::MAX;

/// The runtime of a socket, and its time.
pub(crate) struct Clock {
    runtime: Arc<dyn Runtime>,
    /// Total time for which the machine was suspended, in whole milliseconds. It only grows.
    suspended: AtomicU64,
    /// Time of the next measurement, in nanoseconds of the runtime's clock.
    next: AtomicU64,
}

impl Clock {
    pub(crate) fn new(runtime: Arc<dyn Runtime>) -> Self {
        let suspended = runtime.suspended();
        let next = AtomicU64::new(if suspended.is_some() { 0 } else { NEVER });
        let suspended = AtomicU64::new(millis(suspended.unwrap_or_default()));
        Clock { runtime, suspended, next }
    }

    pub(crate) fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.runtime
    }

    /// The time since the runtime's epoch, suspensions included.
    pub(crate) fn now(&self) -> Instant {
        // In this order: a suspension that begins in between is counted.
        let awake = self.runtime.now();
        if nanos(awake) >= self.next.load(Ordering::Relaxed) {
            self.next.store(nanos(awake + HOLDS), Ordering::Relaxed);
            self.note(self.runtime.suspended().unwrap_or_default());
        }
        awake + self.suspended()
    }

    /// Returns when the clock must be read again because of `deadline`, in the runtime's time.
    pub(crate) fn next_look(&self, now: Instant, deadline: Instant) -> Instant {
        if self.next.load(Ordering::Relaxed) == NEVER {
            return deadline;
        }
        next_look(self.awake(now), deadline.saturating_duration_since(now))
    }

    /// This moment in the runtime's own time.
    pub(crate) fn awake(&self, now: Instant) -> Instant {
        Instant::from_epoch(now.since_epoch().saturating_sub(self.suspended()))
    }

    /// A timer for a look.
    pub(crate) fn timer(&self, look: Instant) -> BoxFuture<()> {
        self.runtime.timer(look)
    }

    /// Waits until `deadline`.
    pub(crate) async fn sleep_until(&self, deadline: Instant) {
        loop {
            let now = self.now();
            if now >= deadline {
                return;
            }
            self.timer(self.next_look(now, deadline)).await;
        }
    }

    fn suspended(&self) -> Duration {
        Duration::from_millis(self.suspended.load(Ordering::Relaxed))
    }

    /// Adds the suspension measured beyond the known one, if it exceeds the noise.
    fn note(&self, measured: Duration) {
        if measured >= self.suspended() + NOISE {
            self.suspended.fetch_max(millis(measured), Ordering::Relaxed);
        }
    }
}

fn next_look(awake: Instant, wait: Duration) -> Instant {
    if wait > LOOK_EVERY {
        return rounded_down(awake + LOOK_EVERY, LOOKS_AT);
    }
    let last = RESOLUTION.saturating_sub(Duration::from_nanos(1));
    rounded_down(awake + wait + last, RESOLUTION)
}

/// The last multiple of `step`, which is less than a second, that isn't after `at`.
fn rounded_down(at: Instant, step: Duration) -> Instant {
    let over = at.since_epoch().as_nanos() % step.as_nanos();
    let over = Duration::from_nanos(u64::try_from(over).unwrap_or_default());
    Instant::from_epoch(at.since_epoch().saturating_sub(over))
}

fn nanos(time: Instant) -> u64 {
    let time = time.since_epoch();
    time.as_secs().saturating_mul(1_000_000_000).saturating_add(time.subsec_nanos().into())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn at(nanos: u64) -> Instant {
        Instant::from_epoch(Duration::from_nanos(nanos))
    }

    fn look(now: u64, deadline: u64) -> Duration {
        next_look(at(now), at(deadline).saturating_duration_since(at(now))).since_epoch()
    }

    #[test]
    fn timers_of_one_millisecond_go_off_together_at_its_end() {
        assert_eq!(look(0, 0), Duration::ZERO);
        assert_eq!(look(17, 7_000_000), Duration::from_millis(7));
        for nanos in [7_000_001, 7_000_002, 7_500_000, 7_999_999, 8_000_000] {
            assert_eq!(look(17, nanos), Duration::from_millis(8), "{nanos}");
        }
    }

    #[test]
    fn looks_before_a_far_deadline_are_together_too_and_never_late() {
        let minute = 60_000_000_000;
        for nanos in [0, 1, 99_999_999] {
            assert_eq!(look(nanos, minute), LOOK_EVERY, "{nanos}");
        }
        assert_eq!(look(100_000_000, minute), LOOK_EVERY + LOOKS_AT);
        // A deadline that is nearer than a look.
        assert_eq!(look(0, 5_000_000_000), LOOK_EVERY);
        assert_eq!(look(0, 5_000_000_001), LOOK_EVERY);
        assert_eq!(look(1, 5_000_000_001), LOOK_EVERY + RESOLUTION);
    }

    #[test]
    fn the_end_of_time_is_no_problem() {
        let last = Instant::from_epoch(Duration::MAX);
        for (awake, wait) in [(at(0), Duration::MAX), (last, Duration::ZERO)] {
            assert!(next_look(awake, wait) <= last);
        }
        let (clock, machine) = clock();
        *machine.0.lock().unwrap() = (last, Duration::MAX);
        assert_eq!(clock.now(), last);
        assert!(clock.next_look(last, last) <= last);
    }

    /// A machine with the time that it was awake, and the time that it was suspended.
    #[derive(Debug, Default)]
    struct Machine(Mutex<(Instant, Duration)>);

    impl Runtime for Machine {
        fn now(&self) -> Instant {
            self.0.lock().unwrap().0
        }

        fn suspended(&self) -> Option<Duration> {
            Some(self.0.lock().unwrap().1)
        }

        fn timer(&self, _: Instant) -> BoxFuture<()> {
            Box::pin(std::future::pending())
        }

        fn spawn(&self, _: BoxFuture<()>) {}
    }

    fn clock() -> (Clock, Arc<Machine>) {
        let machine = Arc::new(Machine::default());
        (Clock::new(machine.clone()), machine)
    }

    #[test]
    fn it_is_measured_again_after_a_millisecond() {
        let (clock, machine) = clock();
        assert_eq!(clock.now(), Instant::EPOCH);
        *machine.0.lock().unwrap() = (at(999_999), NOISE);
        assert_eq!(clock.now(), at(999_999));
        *machine.0.lock().unwrap() = (at(1_000_000), NOISE);
        assert_eq!(clock.now(), at(1_000_000) + NOISE);
    }

    #[test]
    fn it_only_grows_and_noise_is_not_counted() {
        let (clock, _) = clock();
        for (measured, counted) in
            [(999, 0), (60_000, 60_000), (59_000, 60_000), (60_500, 60_000), (90_000, 90_000)]
        {
            clock.note(Duration::from_millis(measured));
            assert_eq!(clock.suspended(), Duration::from_millis(counted));
        }
    }
}
