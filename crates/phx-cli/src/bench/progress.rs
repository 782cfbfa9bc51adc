//! The progress of a measurement, on standard error, on terminals only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::measure::Measured;
use super::numbers::time;

/// A bar that is erased in the end.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    total: Duration,
}

impl Progress {
    /// It draws nothing where there is no terminal.
    pub(super) fn start(total: Duration) -> Self {
        let target = ProgressDrawTarget::stderr();
        let bar = ProgressBar::with_draw_target(Some(millis(total)), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {prefix}  {msg}") {
            bar.set_style(style.progress_chars("━╸ "));
        }
        Progress { bar, total }
    }

    pub(super) fn show(&self, measured: &Measured, reconnects: u64) {
        let Some(sample) = measured.samples.last() else { return };
        let mut text = format!("{:.0}/s", sample.per_second);
        if let Some(latency) = sample.latency {
            text.push_str(&format!("  p50 {}  p99 {}", time(latency.p50), time(latency.p99)));
        }
        let errors = measured.total.failures();
        if errors > 0 {
            text.push_str(&format!("  {errors} errors"));
        }
        if reconnects > 0 {
            text.push_str(&format!("  {reconnects} reconnects"));
        }
        let (passed, total) = (measured.took.as_secs_f64(), self.total.as_secs_f64());
        self.bar.set_prefix(format!("{passed:.0} of {total:.0} s"));
        self.bar.set_message(text);
        self.bar.set_position(millis(measured.took));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
