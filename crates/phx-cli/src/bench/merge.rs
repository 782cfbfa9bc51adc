//! `phx bench merge`: one report of what the workers of a run measured.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;

use super::log_files;
use super::measure::Measured;
use super::plan::Plan;
use super::recorder::{MAX_KINDS, StepName, Window};
use super::run_log::read::{Log, Part};
use super::run_log::{End, TaggedStep, UNFINISHED};
use super::shown::show;
use super::summary::Summary;
use super::threshold::{self, Threshold};
use super::timeline::Timeline;
use crate::failure::Failure;
use crate::terminal;
use crate::value;

/// The name that further kinds of errors are counted under, as in a recorder.
const OTHER: &str = "other";

/// Workers that were too busy which notes name.
const NAMED: usize = 5;

/// Starts of workers that are further apart make their figures over time hard to add.
const MAX_APART: Duration = Duration::from_secs(1);

/// Make one report of the logs that the workers of a run wrote.
///
/// The percentiles are those of one histogram with the samples of all workers. If a worker is missing, died or was interrupted,
/// the report says that it is of a part of the run, and the exit code is 6.
#[derive(Args, Debug)]
pub(crate) struct MergeOptions {
    /// The logs that `phx bench --worker I/N --hdr FILE` wrote, or folders of them: of a folder its files *.hdr.
    #[arg(required = true, value_name = "FILE.hdr", value_parser = value::path)]
    files: Vec<String>,

    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,

    /// Write a page with plots, which needs no network.
    #[arg(long, short, value_name = "FILE.html", value_parser = value::path)]
    output: Option<String>,

    /// A condition that the whole run must meet, as for `phx bench`. Repeatable.
    #[arg(long, value_name = "CONDITION", value_parser = threshold::parse)]
    threshold: Vec<Threshold>,
}

pub(super) fn run(options: &MergeOptions) -> Result<(), Failure> {
    let merged = Merged::read(&options.files).map_err(Failure::usage)?;
    let steps: Vec<StepName> = merged.measured.steps.iter().map(|(step, _)| step.clone()).collect();
    threshold::check(&options.threshold, &steps).map_err(Failure::usage)?;
    let Merged { plan, measured, end, problems, notes } = &merged;
    let verdicts = threshold::judge(&options.threshold, &measured.steps, measured.took);
    let mut summary = Summary::new(plan.clone(), end, measured, verdicts);
    summary.problems.clone_from(problems);
    summary.notes.clone_from(notes);
    for note in notes {
        terminal::warning(note);
    }
    show(&summary, options.output.as_deref(), options.json)?;
    if !problems.is_empty() {
        return Err(Failure::failed(format!(
            "a part of the run is missing: {}",
            problems.join("; ")
        )));
    }
    summary.outcome(end)
}

/// The figures of all workers of a run, or of a part of them.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) plan: Plan,
    pub(super) measured: Measured,
    pub(super) end: End,
    /// Why it isn't the whole run; none if it is.
    pub(super) problems: Vec<String>,
    /// What else makes the figures doubtful.
    pub(super) notes: Vec<String>,
}

impl Merged {
    /// Reads the logs of a run, which may be in folders. What is no log, or a log of another run, is an error.
    pub(super) fn read(paths: &[String]) -> Result<Self, String> {
        let paths = log_files::expanded(paths)?;
        let mut logs = paths.iter().map(|path| Log::open(path)).collect::<Result<Vec<_>, _>>()?;
        are_of_one_run(&logs)?;
        let problems = problems_of(&logs);
        let notes = notes_of(&logs);
        let Some(first) = logs.first().map(|log| log.head().clone()) else {
            return Err("expected a log".to_owned());
        };
        // A worker that died early has no steps in its log.
        let steps = logs.iter().map(|log| &log.head().steps).find(|steps| !steps.is_empty());
        let steps: Vec<TaggedStep> = steps.cloned().unwrap_or_default();
        let starts = logs.iter().filter_map(|log| log.head().start);
        let start = starts.min().unwrap_or_default();
        let ends = logs.iter().filter_map(|log| Some(log.head().start? + log.head().took));
        let took = ends.max().unwrap_or_default().saturating_sub(start);
        let mut sums = Sums::new(&steps, took);
        let mut end = End::default();
        for log in &mut logs {
            let offset = log.head().start.unwrap_or_default().saturating_sub(start);
            log.parts(&mut |part| sums.add(part, offset))?;
            if let Some(other) = log.head().end {
                add_end(&mut end, &other);
            }
        }
        Ok(Merged {
            plan: first.run.plan,
            measured: Measured::merged(took, sums.steps, sums.timeline.into_samples()),
            end,
            problems,
            notes,
        })
    }
}

/// Checks that the logs are those of different workers of the same run.
fn are_of_one_run(logs: &[Log]) -> Result<(), String> {
    let Some((first, others)) = logs.split_first() else { return Ok(()) };
    let mut seen = BTreeSet::new();
    for log in logs {
        let Some(worker) = log.head().run.worker else {
            if others.is_empty() {
                return Ok(());
            }
            return Err(format!("{} is a whole run, and not that of a worker", log.name()));
        };
        if !seen.insert(worker.number) {
            return Err(format!("{} is of worker {worker}, as another log is", log.name()));
        }
    }
    for log in others {
        let (a, b) = (&first.head().run, &log.head().run);
        let of = |run: &super::run_log::Run| run.worker.map(|worker| worker.of);
        let steps = [first, log].map(|log| &log.head().steps);
        let differs = match () {
            () if of(a) != of(b) => "number of workers",
            () if a.plan.start_at != b.plan.start_at => "--start-at",
            () if a.plan != b.plan => "load",
            () if a.phx != b.phx => "version of phx",
            () if steps[0] != steps[1] && steps.iter().all(|steps| !steps.is_empty()) => {
                "list of steps"
            }
            () => continue,
        };
        let (a, b) = (first.name(), log.name());
        return Err(format!("{b} isn't of the same run as {a}: the {differs} is another"));
    }
    Ok(())
}

/// Workers that are missing, died, or ended before their time.
fn problems_of(logs: &[Log]) -> Vec<String> {
    let mut problems = Vec::new();
    let workers = logs.iter().filter_map(|log| log.head().run.worker);
    let present: BTreeSet<u32> = workers.clone().map(|worker| worker.number).collect();
    let of = workers.map(|worker| worker.of).max().unwrap_or(0);
    for number in (1..=of).filter(|number| !present.contains(number)) {
        problems.push(format!("worker {number}/{of} has no log here"));
    }
    for log in logs {
        let head = log.head();
        let who = match head.run.worker {
            Some(worker) => format!("worker {worker} ({})", log.name()),
            None => format!("the run ({})", log.name()),
        };
        let after = head.took.as_secs_f64();
        match head.end {
            None if head.start.is_none() => {
                problems.push(format!("{who} failed or died before it measured"));
            }
            None => problems.push(format!("{who} died: its log stops after {after:.1} s")),
            Some(end) if end.interrupted => {
                problems.push(format!("{who} was interrupted after {after:.1} s"));
            }
            Some(end) if end.is_cut => {
                problems.push(format!("{who}: {UNFINISHED}, after {after:.1} s"));
            }
            Some(end) if end.ended => {
                problems
                    .push(format!("{who} had lost all connections for good after {after:.1} s"));
            }
            Some(_) => {}
        }
    }
    problems
}

fn notes_of(logs: &[Log]) -> Vec<String> {
    let mut notes: Vec<String> = logs.iter().filter_map(doubt_of).collect();
    let others = notes.len().saturating_sub(NAMED);
    notes.truncate(NAMED);
    if others > 0 {
        notes.push(format!("{others} more workers were too busy to be believed"));
    }
    let starts = logs.iter().filter_map(|log| log.head().start);
    let (first, last) = (starts.clone().min(), starts.max());
    let apart = last.unwrap_or_default().saturating_sub(first.unwrap_or_default());
    if apart <= MAX_APART {
        return notes;
    }
    notes.push(format!(
        "the workers began to measure up to {:.1} s apart, by their clocks: the rates are those of the whole time",
        apart.as_secs_f64()
    ));
    notes
}

/// Why the figures of a worker can't be believed, if they can't.
fn doubt_of(log: &Log) -> Option<String> {
    let doubt = log.head().end?.generator?.doubt()?;
    Some(match log.head().run.worker {
        Some(worker) => format!("worker {worker} ({}): {doubt}", log.name()),
        None => doubt,
    })
}

fn add_end(sum: &mut End, other: &End) {
    // The slowest worker.
    sum.before_us = match (sum.before_us, other.before_us) {
        (Some((a, b)), Some((c, d))) => Some((a.max(c), b.max(d))),
        (one, another) => one.or(another),
    };
    sum.generator = match (sum.generator, other.generator) {
        (Some(one), Some(another)) => Some(one.worse(another)),
        (one, another) => one.or(another),
    };
    sum.reconnects = sum.reconnects.saturating_add(other.reconnects);
    sum.traffic = sum.traffic.plus(&other.traffic);
}

/// The sums of all intervals.
#[derive(Debug)]
struct Sums {
    steps: Vec<(StepName, Window)>,
    timeline: Timeline,
    /// Kinds of errors so far, by step: logs can have any names.
    kinds: BTreeSet<(usize, String)>,
}

impl Sums {
    fn new(steps: &[TaggedStep], took: Duration) -> Self {
        let steps = steps.iter().map(|TaggedStep { name, is_push, .. }| {
            (StepName { name: name.clone(), is_push: *is_push }, Window::new())
        });
        Sums { steps: steps.collect(), timeline: Timeline::new(took), kinds: BTreeSet::new() }
    }

    /// Adds an interval of a worker that began this long after the first.
    fn add(&mut self, part: &Part, offset: Duration) {
        let span = part.from.saturating_add(offset)..part.to.saturating_add(offset);
        for (number, window) in &part.windows {
            let Some((step, sum)) = self.steps.get_mut(*number) else { continue };
            sum.add_latencies(window);
            for (kind, count) in &window.errors {
                let key = (*number, kind.clone());
                let is_counted = self.kinds.len() < MAX_KINDS || self.kinds.contains(&key);
                sum.count(if is_counted { kind } else { OTHER }, *count);
                if is_counted {
                    self.kinds.insert(key);
                }
            }
            self.timeline.add(&span, window, step.is_push);
        }
    }
}
