//! Where the figures of each interval go while a run is going on.

use std::time::{Duration, SystemTime};

use super::options::Options;
use super::plan::Plan;
use super::recorder::{StepName, Window};
use super::run_log::{End, RunLog};

/// The files that a run writes as it goes on. By default there are none.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    log: Option<RunLog>,
}

impl Outputs {
    /// Creates the files, so that a name that can't be used is an error before anything runs.
    pub(super) fn create(options: &Options, plan: &Plan) -> Result<Self, String> {
        let log = options.hdr.as_deref().map(|path| RunLog::create(path, options.worker, plan));
        Ok(Outputs { log: log.transpose()? })
    }

    pub(super) fn begin(&mut self, steps: &[StepName], start: SystemTime) {
        if let Some(log) = &mut self.log {
            log.begin(steps, start);
        }
    }

    /// Takes what was measured between two times since the start, with a window for each step.
    pub(super) fn interval(&mut self, from: Duration, to: Duration, windows: &[Window]) {
        if let Some(log) = &mut self.log {
            log.interval(from, to, windows);
        }
    }

    /// Completes all of them, and returns why one isn't complete, if so.
    pub(super) fn end(self, end: &End) -> Result<(), String> {
        self.log.map_or(Ok(()), |log| log.end(end))
    }
}
