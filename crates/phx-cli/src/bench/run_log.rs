//! The log of a run: an `HdrHistogram` log of the standard format, whose comments hold what histograms don't.
//!
//! A line of a histogram has the tag of a step, and an interval in seconds since the start. After the histograms of an interval a comment
//! holds its counts of errors, so that what was written before a worker died can be used, and the last comment says that the run is
//! over:
//!
//! ```text
//! #[phx run {..}]        the worker, the load
//! #[phx steps [..]]      the steps, with their tags
//! #[StartTime: ..]
//! Tag=..,0.000,0.100,..  what was measured in an interval
//! #[phx interval {..}]   its end, and the errors in it
//! #[phx end {..}]
//! ```

pub(super) mod read;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::generator::Generator;
use super::hdr;
use super::numbers::micros;
use super::plan::Plan;
use super::recorder::{StepName, Window};
use super::traffic::Traffic;
use super::worker::Worker;
use crate::plain_file;
use crate::terminal::shown;

/// The version of the comments' contents.
pub(super) const FORMAT: u32 = 1;

/// What a comment of this program begins with, after its word.
pub(super) const RUN: &str = "#[phx run ";
pub(super) const STEPS: &str = "#[phx steps ";
pub(super) const INTERVAL: &str = "#[phx interval ";
pub(super) const END: &str = "#[phx end ";
pub(super) const START: &str = "#[StartTime: ";

/// What latencies from when a step was sent, and not from when it was due, add to the tag of the step.
pub(super) const SENT: &str = "/sent";

/// What a run is that was cut.
pub(super) const UNFINISHED: &str = "the time was over before all users had made their passes";

/// The first comment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) format: u32,
    pub(super) phx: String,
    pub(super) worker: Option<Worker>,
    pub(super) plan: Plan,
}

/// A step in the second comment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TaggedStep {
    pub(super) tag: String,
    pub(super) name: String,
    pub(super) is_push: bool,
}

/// What an interval has beside its histograms.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Interval {
    /// Its end, in microseconds since the start. It began where the one before ended.
    pub(super) to_us: u64,
    /// By tag; steps without any are left out.
    pub(super) errors: BTreeMap<String, BTreeMap<String, u64>>,
    /// Bytes of the answers, by tag.
    pub(super) bytes: BTreeMap<String, u64>,
}

/// The last comment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    /// The time that it took to connect and to join, in microseconds, where that came before the measurement.
    pub(super) before_us: Option<(u64, u64)>,
    pub(super) reconnects: u64,
    pub(super) traffic: Traffic,
    /// True if the user ended the run before its time.
    pub(super) interrupted: bool,
    /// True if every connection had ended before the run was over.
    pub(super) ended: bool,
    /// True if users had more passes to make when the time was over; logs of earlier versions don't have it.
    #[serde(default)]
    pub(super) is_cut: bool,
    /// The load of the generator itself; logs of earlier versions don't have it.
    pub(super) generator: Option<Generator>,
}

/// A log that is being written.
#[derive(Debug)]
pub(super) struct RunLog {
    path: String,
    file: BufWriter<File>,
    tags: Vec<String>,
    /// Why it can't be written any more. What is to be written after that is dropped.
    failed: Option<String>,
}

impl RunLog {
    /// Creates the file, with the first comment.
    pub(super) fn create(path: &str, worker: Option<Worker>, plan: &Plan) -> Result<Self, String> {
        let file = BufWriter::new(plain_file::create(path)?);
        let mut log = RunLog { path: path.to_owned(), file, tags: Vec::new(), failed: None };
        let phx = env!("CARGO_PKG_VERSION").to_owned();
        let run = Run { format: FORMAT, phx, worker, plan: plan.clone() };
        log.write(|file| {
            writeln!(file, "#[Latencies in microseconds, written by phx bench]")?;
            writeln!(file, "#[Histogram log format version 1.3]")?;
            comment(file, RUN, &run)
        });
        match log.failed {
            None => Ok(log),
            Some(why) => Err(why),
        }
    }

    /// Writes which steps there are, and when the measurement began.
    pub(super) fn begin(&mut self, steps: &[StepName], start: SystemTime) {
        let steps = tagged(steps);
        self.tags = steps.iter().map(|step| step.tag.clone()).collect();
        let since = start.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        self.write(|file| {
            comment(file, STEPS, &steps)?;
            let time = humantime::format_rfc3339_millis(start);
            writeln!(file, "{START}{since:.3} (seconds since epoch), {time}]")?;
            writeln!(file, "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_CompressedHistogram\"")
        });
    }

    /// Writes what was measured between two times, with a window for each step.
    pub(super) fn interval(&mut self, from: Duration, to: Duration, windows: &[Window]) {
        let tags = std::mem::take(&mut self.tags);
        let mut interval = Interval { to_us: micros(to), ..Interval::default() };
        self.write(|file| {
            for (tag, window) in tags.iter().zip(windows) {
                if !window.latencies.is_empty() {
                    histogram(file, tag, from, to, &window.latencies)?;
                    interval.bytes.insert(tag.clone(), window.bytes);
                }
                // Without a schedule both are the same, and one is enough.
                if window.uncorrected != window.latencies {
                    let tag = format!("{tag}{SENT}");
                    histogram(file, &tag, from, to, &window.uncorrected)?;
                }
                if !window.errors.is_empty() {
                    interval.errors.insert(tag.clone(), window.errors.clone());
                }
            }
            comment(file, INTERVAL, &interval)
        });
        self.tags = tags;
    }

    /// Writes that the run is over, and returns why the log isn't complete, if it isn't.
    pub(super) fn end(mut self, end: &End) -> Result<(), String> {
        self.write(|file| comment(file, END, end));
        self.failed.map_or(Ok(()), Err)
    }

    /// Writes and flushes something. After an error nothing is written any more.
    fn write(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) {
        if self.failed.is_some() {
            return;
        }
        let written = write(&mut self.file).and_then(|()| self.file.flush());
        if let Err(error) = written {
            self.failed = Some(format!("can't write {}: {error}", shown(&self.path)));
        }
    }
}

/// The steps with tags: their names, without characters that a tag can't have.
fn tagged(steps: &[StepName]) -> Vec<TaggedStep> {
    let mut tagged: Vec<TaggedStep> = Vec::new();
    for StepName { name, is_push } in steps {
        let plain: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "-.:".contains(c) { c } else { '_' })
            .take(MAX_TAG)
            .collect();
        let is_taken = tagged.iter().any(|step| step.tag == plain);
        let tag = if is_taken || plain.is_empty() {
            format!("{plain}_{}", tagged.len() + 1)
        } else {
            plain
        };
        tagged.push(TaggedStep { tag, name: name.clone(), is_push: *is_push });
    }
    tagged
}

/// Characters of a step's name that its tag has.
const MAX_TAG: usize = 100;

fn histogram(
    file: &mut BufWriter<File>,
    tag: &str,
    from: Duration,
    to: Duration,
    histogram: &hdrhistogram::Histogram<u64>,
) -> io::Result<()> {
    let (at, length) = (from.as_secs_f64(), to.saturating_sub(from).as_secs_f64());
    let (max, text) = (histogram.max(), hdr::encode(histogram));
    writeln!(file, "Tag={tag},{at:.6},{length:.6},{max}.000,{text}")
}

/// A comment is one line: JSON has no line ends in it.
fn comment(file: &mut BufWriter<File>, word: &str, value: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_string(value).map_err(io::Error::other)?;
    writeln!(file, "{word}{json}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_unique_and_have_no_separators() {
        let long = "x".repeat(500);
        let names = ["push echo", "push,echo", "push\necho", "", "ä", &long, &long];
        let steps = names.map(|name| StepName { name: name.to_owned(), is_push: true });
        let tags: Vec<String> = tagged(&steps).into_iter().map(|step| step.tag).collect();
        assert_eq!(tags[..5], ["push_echo", "push_echo_2", "push_echo_3", "_4", "_"]);
        assert_eq!((tags[5].len(), &tags[6][MAX_TAG..]), (MAX_TAG, "_7"));
    }
}
