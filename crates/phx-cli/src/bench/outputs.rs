//! Where the figures of each interval go while a run is going on.

use std::time::{Duration, SystemTime};

use super::live::{Live, Now};
use super::metrics::Metrics;
use super::options::Options;
use super::plan::Plan;
use super::recorder::{StepName, Window};
use super::run_log::{End, RunLog};
use super::series::Series;

/// The files that a run writes as it goes on. By default there are none.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    log: Option<RunLog>,
    series: Option<Series>,
    metrics: Option<Metrics>,
    live: Option<Live>,
}

impl Outputs {
    /// Creates the files, so that a name that can't be used is an error before anything runs.
    pub(super) fn create(options: &Options, plan: &Plan) -> Result<Self, String> {
        let files = [&options.hdr, &options.output, &options.series, &options.prometheus];
        let files: Vec<&String> = files.into_iter().flatten().collect();
        if (1..files.len()).any(|at| files.iter().skip(at).any(|file| *file == files[at - 1])) {
            return Err("two outputs have the same file".to_owned());
        }
        let log = options.hdr.as_deref().map(|path| RunLog::create(path, options.worker, plan));
        let log = log.transpose()?;
        let time = Duration::try_from_secs_f64(plan.duration_s).unwrap_or(Duration::MAX);
        let series = options.series.as_deref().map(|path| Series::create(path, time));
        let series = series.transpose()?;
        let metrics = Metrics::create(options.prometheus.as_deref(), options.prometheus_listen)?;
        Ok(Outputs { log, series, metrics, live: None })
    }

    /// The same with a view on a terminal, if there is one.
    pub(super) fn with_view(self, live: Option<Live>) -> Self {
        Outputs { live, ..self }
    }

    pub(super) fn begin(&mut self, steps: &[StepName], start: SystemTime) {
        if let Some(log) = &mut self.log {
            log.begin(steps, start);
        }
        if let Some(series) = &mut self.series {
            series.begin(steps, start);
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.begin(steps);
        }
        if let Some(live) = &mut self.live {
            live.begin(steps);
        }
    }

    /// Takes what was measured between two times since the start, with a window for each step.
    pub(super) fn interval(&mut self, from: Duration, to: Duration, windows: &[Window]) {
        if let Some(log) = &mut self.log {
            log.interval(from, to, windows);
        }
    }

    /// Takes what was measured for the outputs that don't wait for an interval's end.
    pub(super) fn add(&mut self, windows: &[Window]) {
        if let Some(series) = &mut self.series {
            series.add(windows);
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.add(windows);
        }
        if let Some(live) = &mut self.live {
            live.add(windows);
        }
    }

    /// Writes these outputs, the last time even if an interval isn't over.
    pub(super) fn row(&mut self, now: Now, is_last: bool) {
        let Now { at, users, .. } = now;
        if let Some(series) = self.series.as_mut().filter(|series| is_last || series.is_due(at)) {
            series.row(at, users);
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.replace(users, true);
        }
        if let Some(live) = &mut self.live {
            live.show(now);
        }
    }

    /// Time between two calls of [`Outputs::row`], if there is such an output.
    pub(super) fn every(&self) -> Option<Duration> {
        let has_each_second = self.metrics.is_some() || self.live.is_some();
        let second = has_each_second.then_some(Duration::from_secs(1));
        second.or(self.series.as_ref().map(Series::every))
    }

    /// Completes all of them, and returns why one isn't complete, if so.
    pub(super) fn end(self, end: &End) -> Result<(), String> {
        let log = self.log.map_or(Ok(()), |log| log.end(end));
        log.and(self.series.map_or(Ok(()), Series::end))
            .and(self.metrics.map_or(Ok(()), Metrics::end))
    }
}
