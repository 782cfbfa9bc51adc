//! Where the figures of each interval go while a run is going on.

use std::time::{Duration, SystemTime};

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
}

impl Outputs {
    /// Creates the files, so that a name that can't be used is an error before anything runs.
    pub(super) fn create(options: &Options, plan: &Plan) -> Result<Self, String> {
        let log = options.hdr.as_deref().map(|path| RunLog::create(path, options.worker, plan));
        let log = log.transpose()?;
        if options.series.is_some() && [&options.hdr, &options.output].contains(&&options.series) {
            return Err("--series has the same file as another output".to_owned());
        }
        let time = Duration::try_from_secs_f64(plan.duration_s).unwrap_or(Duration::MAX);
        let series = options.series.as_deref().map(|path| Series::create(path, time));
        Ok(Outputs { log, series: series.transpose()? })
    }

    pub(super) fn begin(&mut self, steps: &[StepName], start: SystemTime) {
        if let Some(log) = &mut self.log {
            log.begin(steps, start);
        }
        if let Some(series) = &mut self.series {
            series.begin(steps, start);
        }
    }

    /// Takes what was measured between two times since the start, with a window for each step.
    pub(super) fn interval(&mut self, from: Duration, to: Duration, windows: &[Window]) {
        if let Some(log) = &mut self.log {
            log.interval(from, to, windows);
        }
    }

    /// The time series, if one is wanted.
    pub(super) fn series(&mut self) -> Option<&mut Series> {
        self.series.as_mut()
    }

    /// Time between two rows of the time series, if one is wanted.
    pub(super) fn series_every(&self) -> Option<Duration> {
        self.series.as_ref().map(Series::every)
    }

    /// Completes all of them, and returns why one isn't complete, if so.
    pub(super) fn end(self, end: &End) -> Result<(), String> {
        let log = self.log.map_or(Ok(()), |log| log.end(end));
        log.and(self.series.map_or(Ok(()), Series::end))
    }
}
