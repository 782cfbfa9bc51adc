//! Measurement of the time for which the machine was suspended.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Returns the time for which the machine has been suspended since the first call, within the noise between two
/// clocks: one of the operating system's that runs while the machine is suspended, and the standard library's,
/// which doesn't.
///
/// Zero on Windows, where the runtimes' clocks go on, and on systems that aren't known here.
///
/// # Examples
///
/// ```
/// # use std::time::Duration;
/// # use phx_client::{BoxFuture, Instant, Runtime};
/// # #[derive(Debug)]
/// # struct MyRuntime;
/// impl Runtime for MyRuntime {
///     fn suspended(&self) -> Option<Duration> {
///         Some(phx_client::suspended())
///     }
/// #     fn now(&self) -> Instant { Instant::EPOCH }
/// #     fn timer(&self, _: Instant) -> BoxFuture<()> { Box::pin(async {}) }
/// #     fn spawn(&self, _: BoxFuture<()>) {}
///     // ..
/// }
/// ```
#[must_use]
pub fn suspended() -> Duration {
    // In a page the standard library's clock would panic.
    if cfg!(target_family = "wasm") {
        return Duration::ZERO;
    }
    static SINCE: LazyLock<Reading> = LazyLock::new(Reading::precise);
    let since = *SINCE;
    Reading::now().suspended_since(since)
}

/// Readings of the two clocks. The one that runs during suspension is read first, so that a pause between the
/// readings makes a suspension look shorter, never longer.
#[derive(Clone, Copy)]
struct Reading {
    going_on: Option<Duration>,
    awake: Instant,
}

impl Reading {
    fn now() -> Self {
        let going_on = clock_that_goes_on();
        Reading { going_on, awake: Instant::now() }
    }

    /// A reading without a pause in it, which would be taken for a suspension ever after.
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

    fn suspended_since(self, earlier: Reading) -> Duration {
        let (Some(now), Some(then)) = (self.going_on, earlier.going_on) else {
            return Duration::ZERO;
        };
        let awake = self.awake.saturating_duration_since(earlier.awake);
        now.saturating_sub(then).saturating_sub(awake)
    }
}

/// Apple's `CLOCK_MONOTONIC` goes on while the machine is suspended; the standard library reads another.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn clock_that_goes_on() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(target_vendor = "apple")]
    let id = ClockId::Monotonic;
    #[cfg(not(target_vendor = "apple"))]
    let id = ClockId::Boottime;
    clock_gettime(id).try_into().ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn clock_that_goes_on() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_machine_that_is_awake_was_not_suspended() {
        assert!(suspended() < SECOND);
        #[cfg(target_os = "linux")]
        assert!(Reading::now().going_on.is_some());
    }

    #[test]
    fn what_one_clock_shows_more_than_the_other_is_suspension() {
        let earlier = Reading::now();
        let later = |going_on, awake| Reading {
            going_on: earlier.going_on.map(|then| then + going_on),
            awake: earlier.awake + awake,
        };
        if earlier.going_on.is_some() {
            assert_eq!(later(SECOND * 3_605, SECOND * 5).suspended_since(earlier), SECOND * 3_600);
        }
        assert_eq!(later(SECOND * 5, SECOND * 6).suspended_since(earlier), Duration::ZERO);
    }
}
