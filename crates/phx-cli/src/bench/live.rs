//! The figures of a run on a terminal while it goes on: rates, latencies, errors and stages of the latest interval.

use std::collections::BTreeMap;
use std::time::Duration;

use console::{measure_text_width, truncate_str};
use hdrhistogram::Histogram;

use super::crowd::stages::Stages;
use super::numbers::{grouped, time};
use super::quantiles::Quantiles;
use super::recorder::{StepName, Window};
use crate::terminal::{BAD, BOLD, DIM, Drawing, shown, styled};

/// Columns of the bar.
const BAR: usize = 30;

/// Columns of a step's name.
const NAME: usize = 36;

/// What a live view shows of the moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// The time since the start.
    pub(super) at: Duration,
    /// Users; without a scenario, sockets that are connected.
    pub(super) users: u64,
    pub(super) reconnects: u64,
}

/// A view on a terminal, which is erased in the end.
#[derive(Debug)]
pub(super) struct Live {
    drawing: Drawing,
    view: View,
}

impl Live {
    /// Begins a view of a run of this time; `None` if standard error isn't a terminal.
    ///
    /// Without stages it is one of sockets.
    pub(super) fn start(total: Duration, stages: Option<Stages>) -> Option<Self> {
        let drawing = Drawing::start()?;
        let (steps, last) = (Vec::new(), Duration::ZERO);
        Some(Live { drawing, view: View { total, stages, steps, last } })
    }

    pub(super) fn begin(&mut self, steps: &[StepName]) {
        self.view.steps = steps.iter().map(Performed::new).collect();
        self.show(Now { at: Duration::ZERO, users: 0, reconnects: 0 });
    }

    /// Counts what was measured, in the interval that goes on.
    pub(super) fn add(&mut self, windows: &[Window]) {
        for (step, window) in self.view.steps.iter_mut().zip(windows) {
            step.latest.add(window);
        }
    }

    /// Ends the interval, and shows its figures.
    pub(super) fn show(&mut self, now: Now) {
        self.drawing.show(self.view.lines(now));
    }
}

/// The figures of a view.
#[derive(Debug)]
struct View {
    total: Duration,
    stages: Option<Stages>,
    steps: Vec<Performed>,
    /// The end of the last interval, counted from the start.
    last: Duration,
}

/// A step, and how often it was performed.
#[derive(Debug)]
struct Performed {
    step: StepName,
    /// Successes and failures of the intervals that are over.
    count: u64,
    errors: BTreeMap<String, u64>,
    /// The figures of the one that goes on.
    latest: Window,
}

impl Performed {
    fn new(step: &StepName) -> Self {
        let (step, errors) = (step.clone(), BTreeMap::new());
        Performed { step, count: 0, errors, latest: Window::new() }
    }

    fn end_interval(&mut self) {
        self.count = self.count.saturating_add(self.latest.latencies.len());
        for (name, more) in &self.latest.errors {
            let count = self.errors.entry(name.clone()).or_default();
            *count = count.saturating_add(*more);
        }
    }

    fn failures(&self) -> u64 {
        self.errors.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

impl View {
    /// Ends the interval, and returns its figures.
    fn lines(&mut self, now: Now) -> Vec<String> {
        let seconds = now.at.saturating_sub(self.last).as_secs_f64();
        self.last = now.at;
        let mut all = Window::new();
        let mut pushes = 0_u64;
        for step in &mut self.steps {
            step.end_interval();
            if step.step.is_push {
                pushes = pushes.saturating_add(step.count);
                all.add_latencies(&step.latest);
            }
            step.errors.iter().for_each(|(name, count)| all.count(name, *count));
        }
        let mut lines = vec![self.progress(now.at), self.moment(now, pushes, &all, seconds)];
        if all.failures() > 0 {
            let each = all.errors.iter();
            let each = each.map(|(name, count)| format!("{} {}", grouped(*count), shown(name)));
            lines.push(styled(BAD, format!("errors  {}", each.collect::<Vec<_>>().join(", "))));
        }
        if self.steps.len() > 1 {
            lines.extend(self.table(seconds));
        }
        for step in &mut self.steps {
            step.latest = Window::new();
        }
        lines
    }

    fn progress(&self, at: Duration) -> String {
        let (passed, total) = (at.as_secs_f64(), self.total.as_secs_f64());
        let share = passed / total.max(f64::MIN_POSITIVE);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "at most the columns of the bar"
        )]
        let full = (share.clamp(0.0, 1.0) * BAR as f64) as usize;
        let (done, rest) = ("━".repeat(full), "─".repeat(BAR.saturating_sub(full)));
        let stage = self.stages.as_ref().and_then(|stages| stages.stage_at(at));
        let stage = stage.map(|stage| format!("  stage {stage}")).unwrap_or_default();
        format!("{done}{} {passed:.0} of {total:.0} s{stage}", styled(DIM, rest))
    }

    /// The figures of all pushes.
    fn moment(&self, now: Now, pushes: u64, all: &Window, seconds: f64) -> String {
        let what = if self.stages.is_some() { "users" } else { "sockets" };
        let rate = styled(BOLD, format!("{}/s", per_second(&all.latencies, seconds)));
        let mut text = format!("{} {what}  {rate}", grouped(now.users));
        if let Some(latency) = Quantiles::of(&all.latencies) {
            text.push_str(&format!("  p50 {}  p99 {}", time(latency.p50), time(latency.p99)));
        }
        text.push_str(&format!("  {} replies", grouped(pushes)));
        let failures = all.failures();
        if failures > 0 {
            let errors = styled(BAD, format!("{} errors", grouped(failures)));
            text.push_str(&format!("  {errors}"));
        }
        if now.reconnects > 0 {
            text.push_str(&format!("  {} reconnects", grouped(now.reconnects)));
        }
        text
    }

    /// A line for each step that was performed.
    fn table(&self, seconds: f64) -> Vec<String> {
        let performed: Vec<(String, &Performed)> = self
            .steps
            .iter()
            .filter(|step| step.count > 0 || step.failures() > 0)
            .map(|step| (truncate_str(&shown(&step.step.name), NAME, "…").into_owned(), step))
            .collect();
        let Some(width) = performed.iter().map(|(name, _)| measure_text_width(name)).max() else {
            return Vec::new();
        };
        let head = ["count", "per second", "p50", "p99", "errors"];
        let columns =
            |columns: [String; 5]| columns.map(|column| format!("  {column:>10}")).concat();
        let head = format!("{:width$}{}", "", columns(head.map(str::to_owned)));
        let mut lines = vec![styled(DIM, head)];
        lines.extend(performed.into_iter().map(|(name, step)| {
            let latency = Quantiles::of(&step.latest.latencies);
            let time_of = |pick: fn(&Quantiles) -> u64| {
                latency.as_ref().map_or("-".to_owned(), |latency| time(pick(latency)))
            };
            let figures = columns([
                grouped(step.count),
                per_second(&step.latest.latencies, seconds),
                time_of(|latency| latency.p50),
                time_of(|latency| latency.p99),
                grouped(step.failures()),
            ]);
            let pad = " ".repeat(width.saturating_sub(measure_text_width(&name)));
            format!("{name}{pad}{figures}")
        }));
        lines
    }
}

fn per_second(latencies: &Histogram<u64>, seconds: f64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is shown with less")]
    let rate = latencies.len() as f64 / seconds.max(f64::MIN_POSITIVE);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
    let rate = if seconds > 0.0 { rate.round() as u64 } else { 0 };
    grouped(rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::crowd::stages::stage;

    fn plain(lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect()
    }

    fn view(names: &[&str], stages: Option<Stages>) -> View {
        let steps = names
            .iter()
            .map(|name| StepName { name: (*name).to_owned(), is_push: name.starts_with("push") });
        let steps: Vec<Performed> = steps.map(|step| Performed::new(&step)).collect();
        View { total: Duration::from_secs(60), stages, steps, last: Duration::ZERO }
    }

    fn now(seconds: u64) -> Now {
        Now { at: Duration::from_secs(seconds), users: 1_200, reconnects: 0 }
    }

    #[test]
    fn rates_and_latencies_are_those_of_the_interval_and_counts_those_of_the_run() {
        let texts = ["20s:100", "40s:100"].map(|text| stage(text).unwrap());
        let stages = Stages::new(0.0, &texts, Duration::ZERO).unwrap();
        let mut view = view(&["join", "push echo", "leave"], Some(stages));
        let first = plain(&view.lines(now(0)));
        assert_eq!(first.len(), 2, "{first:?}");
        assert!(first[0].ends_with(" 0 of 60 s  stage 1 of 2, 20s:100"), "{first:?}");

        for (at, latency) in [(1, 5_000), (3, 1_000)] {
            view.steps[0].latest.latencies.record_n(9_000, 7).unwrap();
            view.steps[1].latest.latencies.record_n(latency, 2_000).unwrap();
            view.steps[1].latest.count("timed out", 1_000);
            let lines = plain(&view.lines(now(at)));
            if at == 3 {
                assert_eq!(
                    lines[1],
                    "1,200 users  1,000/s  p50 1.00 ms  p99 1.00 ms  4,000 replies  2,000 errors"
                );
                assert_eq!(lines[2], "errors  2,000 timed out");
                let words =
                    |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
                assert_eq!(words(&lines[4]), ["join", "14", "4", "9.01", "ms", "9.01", "ms", "0"]);
                assert_eq!(words(&lines[5])[..4], ["push", "echo", "4,000", "1,000"]);
                assert_eq!(lines.len(), 6, "a step that wasn't performed has no line: {lines:?}");
            }
        }
        let end = plain(&view.lines(now(60)));
        assert!(end[0].contains(" 60 of 60 s  stage 2 of 2, 40s:100"), "{end:?}");
        assert!(end[1].starts_with("1,200 users  0/s  4,000 replies"), "nothing came: {end:?}");
    }

    #[test]
    fn names_act_on_nothing_and_are_cut() {
        let long = format!("push \x1b[2J\r\n\u{202e}{}", "x".repeat(10_000));
        let mut view = view(&["push", &long], None);
        view.steps[1].latest.latencies.record(1).unwrap();
        view.steps[1].latest.count("replied \x1b[2J\n", 1);
        let lines = plain(&view.lines(now(1)));
        let has_escapes = |line: &String| line.chars().any(phx_tokio::Escaped::is_escaped);
        assert!(!lines.iter().any(has_escapes), "{lines:?}");
        assert!(lines.iter().all(|line| measure_text_width(line) < 120), "{lines:?}");
        assert!(lines[1].starts_with("1,200 sockets  1/s"), "{lines:?}");
    }
}
