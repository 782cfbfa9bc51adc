//! Measurements: latencies, counts, and both over time.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use phx_tokio::{Escaped, PushCause, PushError, Status};
use serde::Serialize;

/// Latencies in microseconds, up to an hour, to three digits.
#[expect(clippy::expect_used, reason = "these bounds are proper ones")]
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("1 * 2 <= 3_600_000_000, and 3 <= 5")
}

/// Kinds of errors, beyond which further statuses are counted together: they are the server's words.
pub(super) const MAX_KINDS: usize = 64;

/// Characters of a status that make a kind.
const MAX_STATUS: usize = 64;

const REPLIED: &str = "replied ";

/// The name that further statuses are counted under.
const OTHERS: &str = "replied otherwise";

/// Part of the measurement with a separate lock, so that threads don't wait for each other.
#[derive(Debug)]
pub(super) struct Shard(Mutex<Window>);

/// The figures of a span of time.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) latencies: Histogram<u64>,
    pub(super) errors: BTreeMap<String, u64>,
}

/// A moment of the measurement.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Its end, counted from the start.
    pub(super) at: Duration,
    /// Replies a second.
    pub(super) per_second: f64,
    pub(super) errors: u64,
    /// In microseconds; `None` if there were no replies.
    pub(super) latency: Option<Quantiles>,
}

/// The usual quantiles, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Quantiles {
    pub(super) min: u64,
    pub(super) mean: f64,
    pub(super) p50: u64,
    pub(super) p90: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
    pub(super) max: u64,
}

/// All that was measured.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) took: Duration,
    pub(super) total: Window,
    pub(super) samples: Vec<Sample>,
}

impl Shard {
    pub(super) fn new() -> Self {
        Shard(Mutex::new(Window::new()))
    }

    pub(super) fn replied(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.with(|window| window.latencies.saturating_record(micros.max(1)));
    }

    pub(super) fn failed(&self, name: &str) {
        self.with(|window| window.count(name, 1));
    }

    /// A reply with another status than ok.
    pub(super) fn rejected(&self, status: &Status) {
        self.failed(&format!("{REPLIED}{}", Escaped::short(status.as_str(), MAX_STATUS)));
    }

    fn with<T>(&self, f: impl FnOnce(&mut Window) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Window {
    fn new() -> Self {
        Window { latencies: histogram(), errors: BTreeMap::new() }
    }

    pub(super) fn failures(&self) -> u64 {
        self.errors.values().sum()
    }

    fn add(&mut self, other: &Window) {
        // Both have the same bounds.
        let _ = self.latencies.add(&other.latencies);
        for (name, count) in &other.errors {
            self.count(name, *count);
        }
    }

    fn count(&mut self, name: &str, more: u64) {
        let is_full = self.errors.len() >= MAX_KINDS && !self.errors.contains_key(name);
        let name = if is_full && name.starts_with(REPLIED) { OTHERS } else { name };
        match self.errors.get_mut(name) {
            Some(count) => *count = count.saturating_add(more),
            None => drop(self.errors.insert(name.to_owned(), more)),
        }
    }

    fn clear(&mut self) {
        self.latencies.reset();
        self.errors.clear();
    }

    pub(super) fn quantiles(&self) -> Option<Quantiles> {
        let latencies = &self.latencies;
        (!latencies.is_empty()).then(|| Quantiles {
            min: latencies.min(),
            mean: latencies.mean(),
            p50: latencies.value_at_quantile(0.5),
            p90: latencies.value_at_quantile(0.9),
            p99: latencies.value_at_quantile(0.99),
            p999: latencies.value_at_quantile(0.999),
            max: latencies.max(),
        })
    }
}

impl Measured {
    pub(super) fn new() -> Self {
        Measured { took: Duration::ZERO, total: Window::new(), samples: Vec::new() }
    }

    /// Takes the shards' figures as one more sample, unless the time since the last is too short.
    pub(super) fn sample(&mut self, shards: &[Shard], at: Duration, shortest: Duration) {
        let mut window = Window::new();
        for shard in shards {
            shard.with(|part| {
                window.add(part);
                part.clear();
            });
        }
        self.total.add(&window);
        let time = at.saturating_sub(self.took);
        self.took = at;
        if time < shortest {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "it is shown with less")]
        let per_second = window.latencies.len() as f64 / time.as_secs_f64();
        self.samples.push(Sample {
            at,
            per_second,
            errors: window.failures(),
            latency: window.quantiles(),
        });
    }
}

/// The name that an error is counted under.
pub(super) fn name_of(failed: &PushError) -> &'static str {
    match failed.cause {
        PushCause::TimedOut => "timed out",
        PushCause::NotSent => "not sent",
        PushCause::Disconnected => "disconnected",
        PushCause::ChannelCrashed => "channel crashed",
        PushCause::ChannelClosed => "channel closed",
        PushCause::InvalidState(_) => "refused locally",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;

    use super::*;

    #[test]
    fn samples_and_their_sum() {
        let shards = [Shard::new(), Shard::new()];
        let mut measured = Measured::new();
        shards[0].replied(Duration::from_micros(100));
        shards[1].replied(Duration::from_micros(300));
        shards[1].failed("timed out");
        measured.sample(&shards, Duration::from_secs(1), Duration::from_millis(1));
        shards[0].replied(Duration::from_micros(200));
        measured.sample(&shards, Duration::from_millis(1_500), Duration::from_millis(1));

        let rates: Vec<f64> = measured.samples.iter().map(|sample| sample.per_second).collect();
        assert_eq!(rates, [2.0, 2.0]);
        assert_eq!(measured.samples[0].errors, 1);
        let total = measured.total.quantiles().unwrap();
        assert_eq!((total.min, total.p50, total.max), (100, 200, 300));
        assert_eq!(measured.total.errors["timed out"], 1);
    }

    #[test]
    fn kinds_of_errors_are_limited_in_number_and_length() {
        let shards = [Shard::new(), Shard::new()];
        let mut measured = Measured::new();
        let used = measure(|| {
            for number in 0..10_000 {
                let status = format!("{number}\n\u{1b}[2J{}", "long".repeat(1_000));
                shards[number % 2].rejected(&Status::from(status.as_str()));
                shards[number % 2].failed("timed out");
            }
        });
        // 64 characters of each kind, in both shards; and a status under way.
        assert!(used.bytes_max < 2 * 512 * MAX_KINDS as u64 + 16_000, "{used:?}");
        measured.sample(&shards, Duration::from_secs(1), Duration::from_millis(1));
        let errors = &measured.total.errors;
        assert!(errors.len() <= MAX_KINDS + 2, "{}", errors.len());
        assert_eq!(errors.values().sum::<u64>(), 20_000, "none is lost");
        assert_eq!(errors["timed out"], 10_000);
        assert!(errors.keys().all(|name| name.len() < 200 && !name.contains(['\n', '\u{1b}'])));
    }
}
