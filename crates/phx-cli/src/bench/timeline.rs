//! Figures over time, of workers that took their samples at different times.

use std::ops::Range;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::measure::Sample;
use super::quantiles::Quantiles;
use super::recorder::{Window, histogram};

/// Samples of a report: enough for a plot.
const COUNT: u32 = 100;

/// Least time between samples.
const SHORTEST: Duration = Duration::from_millis(50);

/// The time of a run in spans of the same length.
#[derive(Debug)]
pub(super) struct Timeline {
    length: Duration,
    spans: Vec<Span>,
}

#[derive(Debug)]
struct Span {
    /// Replies and failures; an interval over several spans is divided among them.
    replies: f64,
    failures: f64,
    /// Latencies of the intervals whose middle is in the span.
    latencies: Histogram<u64>,
}

impl Timeline {
    pub(super) fn new(took: Duration) -> Self {
        let length = (took / COUNT).max(SHORTEST);
        let count =
            took.as_micros().div_ceil(length.as_micros().max(1)).clamp(1, u128::from(COUNT) + 1);
        let span = || Span { replies: 0.0, failures: 0.0, latencies: histogram() };
        Timeline { length, spans: (0..count).map(|_| span()).collect() }
    }

    /// Adds what a worker measured in an interval. Latencies count if they are those of pushes.
    #[expect(clippy::cast_precision_loss, reason = "it is drawn")]
    pub(super) fn add(&mut self, interval: &Range<Duration>, window: &Window, is_push: bool) {
        let replies = if is_push { window.latencies.len() as f64 } else { 0.0 };
        let failures = window.failures() as f64;
        let (from, to) = (interval.start.as_secs_f64(), interval.end.as_secs_f64());
        let length = self.length.as_secs_f64();
        let (first, last, middle) =
            (self.place(from), self.place(to), self.place(f64::midpoint(from, to)));
        for number in first..=last {
            let Some(span) = self.spans.get_mut(number) else { break };
            let start = length * number as f64;
            // The last span takes what rounding puts beyond it.
            let end = if number == last { to } else { start + length };
            let overlap = end - from.max(start);
            let share = if first == last { 1.0 } else { (overlap / (to - from)).clamp(0.0, 1.0) };
            span.replies += replies * share;
            span.failures += failures * share;
        }
        if let Some(span) = self.spans.get_mut(middle).filter(|_| is_push) {
            // All have the same bounds.
            let _ = span.latencies.add(&window.latencies);
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    fn place(&self, seconds: f64) -> usize {
        let place = (seconds / self.length.as_secs_f64()).max(0.0) as usize;
        place.min(self.spans.len().saturating_sub(1))
    }

    pub(super) fn into_samples(self) -> Vec<Sample> {
        let length = self.length;
        let samples = (1_u32..).zip(self.spans).map(|(number, span)| Sample {
            at: length * number,
            per_second: span.replies / length.as_secs_f64(),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "≥ 0")]
            errors: span.failures.round() as u64,
            latency: Quantiles::of(&span.latencies),
        });
        samples.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(replies: u64, latency: u64) -> Window {
        let mut window = Window::new();
        window.latencies.record_n(latency, replies).unwrap();
        window
    }

    #[test]
    fn intervals_are_divided_among_spans() {
        let seconds = Duration::from_secs;
        let mut timeline = Timeline::new(seconds(100));
        assert_eq!(timeline.spans.len(), 100);
        timeline.add(&(seconds(0)..seconds(2)), &window(10, 1_000), true);
        let half = Duration::from_millis(500);
        timeline.add(&(half..seconds(1) + half), &window(6, 3_000), true);
        timeline.add(&(seconds(99)..seconds(200)), &window(4, 5), true);
        timeline.add(&(seconds(1)..seconds(1)), &window(2, 7), false);
        let samples = timeline.into_samples();
        let rates: Vec<f64> = samples.iter().take(3).map(|sample| sample.per_second).collect();
        assert_eq!(rates, [8.0, 8.0, 0.0]);
        assert_eq!((samples[99].per_second, samples[99].at), (4.0, seconds(100)));
        let latency = samples[1].latency.unwrap();
        assert_eq!((latency.min, latency.max), (1_000, 3_001), "both middles are in it");
        assert!(samples[0].latency.is_none());
    }

    #[test]
    fn any_times_are_taken() {
        let far = Duration::from_secs(u64::MAX / 4);
        for took in [Duration::ZERO, Duration::from_nanos(1), far] {
            let mut timeline = Timeline::new(took);
            assert!((1..=101).contains(&timeline.spans.len()), "{took:?}");
            timeline.add(&(far..Duration::ZERO), &window(1, 1), true);
            timeline.add(&(Duration::ZERO..far), &window(1, 1), true);
            assert!(timeline.into_samples().iter().all(|sample| sample.per_second.is_finite()));
        }
    }
}
