//! The generator's watch over itself: the lateness of its timers and its processor time.
//!
//! A generator that is busy notices replies late, so that the latencies it measures are partly its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::numbers::{micros, time};
use super::recorder::{LONGEST, histogram};

/// Time between two timers whose lateness is measured.
const EVERY: Duration = Duration::from_millis(10);

/// Lateness (p99) in microseconds above which the figures are doubtful.
const LATE_US: u64 = 10_000;

/// Share of the cores in percent above which the figures are doubtful.
const BUSY_PERCENT: f64 = 90.0;

/// The load of the generator itself during a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Generator {
    /// Lateness of timers in microseconds. Of these, 1,000 are the resolution of timers.
    pub(super) lag_p50_us: u64,
    pub(super) lag_p99_us: u64,
    pub(super) lag_max_us: u64,
    /// Processor time in microseconds; `None` where the system doesn't say.
    pub(super) cpu_us: Option<u64>,
    /// The time in microseconds in which it was taken.
    pub(super) over_us: u64,
    /// Cores that the process may use.
    pub(super) cores: u64,
}

impl Generator {
    /// Processor time as a share of all cores that the process may use.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    pub(super) fn cpu_percent(&self) -> Option<f64> {
        let whole = self.over_us.max(1) as f64 * self.cores.max(1) as f64;
        self.cpu_us.map(|cpu| 100.0 * cpu as f64 / whole)
    }

    /// Why the figures can't be believed, if they can't.
    pub(super) fn doubt(&self) -> Option<String> {
        let late = (self.lag_p99_us > LATE_US).then(|| {
            format!("its timers were {} late (p99; limit {})", time(self.lag_p99_us), time(LATE_US))
        });
        let busy = self.cpu_percent().filter(|percent| *percent > BUSY_PERCENT).map(|percent| {
            format!("it used {percent:.0}% of {} (limit {BUSY_PERCENT}%)", self.cores_in_words())
        });
        let reasons: Vec<String> = late.into_iter().chain(busy).collect();
        (!reasons.is_empty()).then(|| {
            format!("the generator was too busy to be believed: {}", reasons.join(", and "))
        })
    }

    pub(super) fn in_words(&self) -> String {
        let lag =
            format!("timers late p99 {}, max {}", time(self.lag_p99_us), time(self.lag_max_us));
        match self.cpu_percent() {
            Some(percent) => format!("{lag}; CPU {percent:.0}% of {}", self.cores_in_words()),
            None => lag,
        }
    }

    fn cores_in_words(&self) -> String {
        let ending = if self.cores == 1 { "" } else { "s" };
        format!("{} core{ending}", self.cores)
    }

    /// The worse figures of two generators.
    pub(super) fn worse(self, other: Self) -> Self {
        let busier = if other.cpu_percent() > self.cpu_percent() { other } else { self };
        Generator {
            lag_p50_us: self.lag_p50_us.max(other.lag_p50_us),
            lag_p99_us: self.lag_p99_us.max(other.lag_p99_us),
            lag_max_us: self.lag_max_us.max(other.lag_max_us),
            ..busier
        }
    }
}

/// A watch, which ends when it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    lag: Arc<Mutex<Histogram<u64>>>,
    task: JoinHandle<()>,
    start: Instant,
    cpu_at_start: Option<Duration>,
}

impl Watch {
    /// Begins to watch, on the runtime that performs the load.
    pub(super) fn start() -> Self {
        let lag = Arc::new(Mutex::new(histogram()));
        let task = tokio::spawn(measure_lag(Arc::clone(&lag)));
        Watch { lag, task, start: Instant::now(), cpu_at_start: platform::cpu_time() }
    }

    /// The figures since the start.
    pub(super) fn figures(&self) -> Generator {
        let lag = locked(&self.lag);
        let cpu = platform::cpu_time().zip(self.cpu_at_start);
        Generator {
            lag_p50_us: lag.value_at_quantile(0.5),
            lag_p99_us: lag.value_at_quantile(0.99),
            lag_max_us: lag.max(),
            cpu_us: cpu.map(|(now, before)| micros(now.saturating_sub(before))),
            over_us: micros(self.start.elapsed()),
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn measure_lag(lag: Arc<Mutex<Histogram<u64>>>) {
    loop {
        let due = Instant::now() + EVERY;
        sleep_until(due).await;
        record(&mut locked(&lag), due.elapsed());
    }
}

/// Counts the timer, and those that would have been due while it was late: otherwise a long stall would be one sample.
fn record(lag: &mut Histogram<u64>, late: Duration) {
    // It fails for none up to the largest.
    let _ = lag.record_correct(micros(late).clamp(1, LONGEST), micros(EVERY));
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
mod platform {
    use std::time::Duration;

    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike as _;

    /// Processor time of all threads so far.
    pub(super) fn cpu_time() -> Option<Duration> {
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        u64::try_from(micros).ok().map(Duration::from_micros)
    }
}

#[cfg(not(unix))]
mod platform {
    pub(super) fn cpu_time() -> Option<std::time::Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Generator = Generator {
        lag_p50_us: 1_000,
        lag_p99_us: 10_000,
        lag_max_us: 50_000,
        cpu_us: Some(1_800_000),
        over_us: 1_000_000,
        cores: 2,
    };

    #[test]
    fn figures_beyond_the_limits_are_doubtful() {
        assert_eq!(IDLE.doubt(), None, "the limits themselves aren't");
        assert_eq!(IDLE.in_words(), "timers late p99 10.0 ms, max 50.0 ms; CPU 90% of 2 cores");
        let late = Generator { lag_p99_us: 23_100, ..IDLE };
        let busy = Generator { cpu_us: Some(1_900_000), ..IDLE };
        let (late_text, busy_text) = (
            "its timers were 23.1 ms late (p99; limit 10.0 ms)",
            "it used 95% of 2 cores (limit 90%)",
        );
        let begin = "the generator was too busy to be believed";
        assert_eq!(late.doubt().unwrap(), format!("{begin}: {late_text}"));
        assert_eq!(busy.doubt().unwrap(), format!("{begin}: {busy_text}"));
        let both = format!("{begin}: {late_text}, and {busy_text}");
        assert_eq!(late.worse(busy).doubt(), Some(both.clone()));
        assert_eq!(busy.worse(late).doubt(), Some(both));
    }

    #[test]
    fn a_system_that_counts_no_processor_time_is_no_doubt() {
        let unknown = Generator { cpu_us: None, ..IDLE };
        assert_eq!((unknown.cpu_percent(), unknown.doubt()), (None, None));
        assert_eq!(unknown.in_words(), "timers late p99 10.0 ms, max 50.0 ms");
        assert_eq!(unknown.worse(IDLE), IDLE);
        let none = Generator { over_us: 0, cores: 0, cpu_us: Some(u64::MAX), ..IDLE };
        assert!(none.cpu_percent().unwrap().is_finite());
    }

    #[test]
    fn a_stall_counts_for_its_length() {
        let mut lag = histogram();
        for _ in 0..98 {
            record(&mut lag, Duration::from_millis(1));
        }
        record(&mut lag, Duration::from_millis(500));
        assert_eq!(lag.len(), 98 + 50, "a timer each 10 ms would have been late");
        assert!(lag.value_at_quantile(0.99) > 400_000);
        record(&mut lag, Duration::MAX);
        record(&mut lag, Duration::ZERO);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn work_takes_processor_time() {
        let watch = Watch::start();
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut work = 0_u64;
        while watch.figures().cpu_us.unwrap() == 0 && Instant::now() < deadline {
            work = std::hint::black_box(work + 1);
        }
        let figures = watch.figures();
        assert!(figures.cpu_us > Some(0) && figures.cores > 0, "{figures:?}");
    }
}
