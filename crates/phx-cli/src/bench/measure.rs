//! Measurements: latencies, counts, and both over time.

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::generator::{Generator, Watch};
use super::live::Now;
use super::outputs::Outputs;
use super::quantiles::Quantiles;
use super::recorder::{Recorder, StepName, Window};
use super::run_log::End;

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

/// All that was measured.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) took: Duration,
    /// The errors of all steps, and the latencies of those that push.
    pub(super) total: Window,
    /// The figures of each step, in the order of the recorder.
    pub(super) steps: Vec<(StepName, Window)>,
    pub(super) samples: Vec<Sample>,
    /// Where the figures of each interval go.
    outputs: Outputs,
    /// What was taken for the outputs that have each second since the last sample.
    pending: Vec<Window>,
    /// `None` for a run that is over.
    watch: Option<Watch>,
}

impl Measured {
    /// Begins to measure: the time of the samples counts from now.
    pub(super) fn new(steps: &[StepName], mut outputs: Outputs) -> Self {
        outputs.begin(steps, SystemTime::now());
        let pending = steps.iter().map(|_| Window::new()).collect();
        let steps = steps.iter().map(|step| (step.clone(), Window::new())).collect();
        Measured {
            took: Duration::ZERO,
            total: Window::new(),
            steps,
            samples: Vec::new(),
            outputs,
            pending,
            watch: Some(Watch::start()),
        }
    }

    /// The figures of a run that is over.
    pub(super) fn merged(
        took: Duration,
        steps: Vec<(StepName, Window)>,
        samples: Vec<Sample>,
    ) -> Self {
        let mut total = Window::new();
        for (step, window) in &steps {
            total.add_step(step, window);
        }
        let (outputs, pending) = (Outputs::default(), Vec::new());
        Measured { took, total, steps, samples, outputs, pending, watch: None }
    }

    /// Ticks at which [`Measured::row`] is called.
    pub(super) fn rows(&self, start: Instant) -> Rows {
        let every = self.outputs.every();
        Rows(every.map(|every| {
            let mut ticks = interval_at(start + every, every);
            // After a tick that is late the next one is at a whole second again.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            ticks
        }))
    }

    /// Writes the outputs that have each second.
    pub(super) fn row(&mut self, recorder: &Recorder, now: Now) {
        let parts = recorder.take();
        self.outputs.add(&parts);
        self.outputs.row(now, false);
        for (sum, part) in self.pending.iter_mut().zip(&parts) {
            sum.add(part);
        }
    }

    /// Writes them a last time with what the last sample took.
    pub(super) fn last_row(&mut self, now: Now) {
        self.outputs.row(now, true);
    }

    /// Takes the recorder's figures as one more sample, unless the time since the last is too short.
    pub(super) fn sample(&mut self, recorder: &Recorder, at: Duration, shortest: Duration) {
        let mut window = Window::new();
        let mut parts = recorder.take();
        if self.outputs.every().is_some() {
            self.outputs.add(&parts);
            let fresh = parts.iter().map(|_| Window::new()).collect();
            for (part, pending) in parts.iter_mut().zip(std::mem::replace(&mut self.pending, fresh))
            {
                part.add(&pending);
            }
        }
        self.outputs.interval(self.took, at, &parts);
        for ((name, total), part) in self.steps.iter_mut().zip(&parts) {
            total.add(part);
            window.add_step(name, part);
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
            latency: Quantiles::of(&window.latencies),
        });
    }

    /// The load of the generator itself since the start.
    pub(super) fn generator(&self) -> Option<Generator> {
        self.watch.as_ref().map(Watch::figures)
    }

    /// Completes the outputs, and returns why one of them isn't complete, if so.
    pub(super) fn end(&mut self, end: &End) -> Result<(), String> {
        std::mem::take(&mut self.outputs).end(end)
    }
}

/// The times of rows; without an output that has each second there are none.
#[derive(Debug)]
pub(super) struct Rows(Option<Interval>);

impl Rows {
    /// Waits for the next one. Cancel-safe.
    pub(super) async fn next(&mut self) {
        match &mut self.0 {
            Some(ticks) => drop(ticks.tick().await),
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {

    use super::super::recorder::{ErrorClass, StepSample};
    use super::*;

    #[tokio::test]
    async fn samples_and_their_sum() {
        let steps = [("join", false), ("push", true)];
        let steps = steps.map(|(name, is_push)| StepName { name: name.to_owned(), is_push });
        let recorder = Recorder::new(steps.to_vec(), 2);
        let record = |step, micros, error: Option<&'static str>| {
            let (now, latency) = (Instant::now(), Duration::from_micros(micros));
            let error = error.map(ErrorClass::new);
            recorder.record(0, StepSample { step, due: now, sent: now, latency, bytes: 0, error });
        };
        let mut measured = Measured::new(recorder.steps(), Outputs::default());
        record(1, 100, None);
        record(1, 300, None);
        record(1, 0, Some("timed out"));
        record(0, 5_000, None);
        record(0, 0, Some("rejected"));
        measured.sample(&recorder, Duration::from_secs(1), Duration::from_millis(1));
        record(1, 200, None);
        measured.sample(&recorder, Duration::from_millis(1_500), Duration::from_millis(1));

        let rates: Vec<f64> = measured.samples.iter().map(|sample| sample.per_second).collect();
        assert_eq!(rates, [2.0, 2.0]);
        assert_eq!(measured.samples[0].errors, 2);
        let total = Quantiles::of(&measured.total.latencies).unwrap();
        assert_eq!((total.min, total.p50, total.max), (100, 200, 300), "those of pushes");
        assert_eq!((measured.total.errors["timed out"], measured.total.errors["rejected"]), (1, 1));
        let joins = &measured.steps[0].1;
        assert_eq!((joins.latencies.len(), joins.errors["rejected"]), (1, 1));
    }
}
