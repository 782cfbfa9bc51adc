//! A comparison of two runs, as text and as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::change::{self, Limit, Outcome, change, percent};
use super::merge::Merged;
use super::recorder::{StepName, Window};
use super::threshold::Figure;
use crate::failure::{Code, Failure};
use crate::terminal::{BAD, BOLD, DIM, NOTE, shown, styled};

/// The figures that are compared.
const FIGURES: [Figure; 8] = [
    Figure::Rate,
    Figure::ErrorShare,
    Figure::Mean,
    Figure::Percentile(50.0),
    Figure::Percentile(90.0),
    Figure::Percentile(99.0),
    Figure::Percentile(99.9),
    Figure::Max,
];

/// Two runs, and how they differ.
#[derive(Debug)]
pub(super) struct Comparison<'a> {
    pub(super) runs: [(&'a str, &'a Merged); 2],
    pub(super) steps: Vec<Compared>,
    pub(super) outcomes: Vec<Outcome>,
    /// Why one of them isn't a whole run.
    pub(super) problems: Vec<String>,
    /// What else makes the comparison doubtful.
    pub(super) notes: Vec<String>,
}

/// A step, or all pushes together, in both runs.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) name: String,
    /// `None` in a run that doesn't have the step.
    pub(super) windows: [Option<Window>; 2],
    pub(super) rows: Vec<Row>,
}

/// A figure in both runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) figure: Figure,
    pub(super) values: [Option<f64>; 2],
}

impl<'a> Comparison<'a> {
    pub(super) fn new(runs: [(&'a str, &'a Merged); 2], limits: &[Limit]) -> Result<Self, Failure> {
        let figures = runs.map(|(_, run)| (&*run.measured.steps, run.measured.took));
        let is_known = |limit: &Limit| figures.iter().all(|steps| limit.is_about(*steps));
        if let Some(at) = limits.iter().position(|limit| !is_known(limit)) {
            let number = at + 1;
            let text = format!("the step of --limit number {number} isn't in both runs");
            return Err(Failure::usage(text));
        }
        let of_run = |texts: fn(&Merged) -> &Vec<String>| {
            let each = runs.iter().flat_map(|(name, run)| {
                texts(run).iter().map(move |text| format!("{name}: {text}"))
            });
            each.collect::<Vec<_>>()
        };
        let mut notes = of_run(|run| &run.notes);
        let plans = runs.map(|(_, run)| &run.plan);
        let loads = plans.map(|plan| (&plan.words, plan.duration_s));
        if loads[0] != loads[1] {
            notes.push("the loads of the two runs differ".to_owned());
        }
        Ok(Comparison {
            runs,
            steps: compared(figures),
            outcomes: limits.iter().map(|limit| limit.judge(figures[0], figures[1])).collect(),
            problems: of_run(|run| &run.problems),
            notes,
        })
    }

    pub(super) fn outcome(&self) -> Result<(), Failure> {
        if !self.problems.is_empty() {
            let problems = self.problems.join("; ");
            return Err(Failure::failed(format!("a part of a run is missing: {problems}")));
        }
        let passed = self.outcomes.iter().filter(|outcome| !outcome.is_kept());
        let passed: Vec<String> =
            passed.map(|outcome| format!("{}: {}", outcome.limit(), outcome.measured())).collect();
        match passed.len() {
            0 => Ok(()),
            1 => {
                let text = format!("a change is beyond its limit: {}", passed.concat());
                Err(Failure::Error(Code::ThresholdMissed, text))
            }
            count => {
                let text =
                    format!("{count} changes are beyond their limits: {}", passed.join(", "));
                Err(Failure::Error(Code::ThresholdMissed, text))
            }
        }
    }

    pub(super) fn to_text(&self) -> String {
        let mut lines = Vec::new();
        let problems = self.problems.iter().map(|text| format!("a part of a run: {}", shown(text)));
        lines.extend(problems.map(|text| styled(BAD, text)));
        let notes = self.notes.iter().map(|note| format!("doubtful: {}", shown(note)));
        lines.extend(notes.map(|note| styled(NOTE, note)));
        for (when, (name, run)) in ["before", "after"].iter().zip(&self.runs) {
            lines.push(styled(DIM, format!("{when:<7} {name}: {}", shown(&run.plan.words))));
        }
        for step in &self.steps {
            lines.push(String::new());
            lines.push(styled(BOLD, shown(&step.name)));
            lines.push(styled(
                DIM,
                format!("{:10} {:>12} {:>12} {:>9}", "", "before", "after", "change"),
            ));
            for row in &step.rows {
                let [before, after] = row.shown();
                let (name, change) = (row.figure.name(), row.change());
                let line = format!("{name:<10} {before:>12} {after:>12} {change:>9}");
                lines.push(line.trim_end().to_owned());
            }
        }
        for (number, outcome) in self.outcomes.iter().enumerate() {
            if number == 0 {
                lines.push(String::new());
            }
            let name = if number == 0 { "limits" } else { "" };
            let text = format!("{}: {}", shown(&outcome.limit().to_string()), outcome.measured());
            lines.push(match outcome.is_kept() {
                true => format!("{name:<10} within  {text}"),
                false => format!("{name:<10} {}", styled(BAD, format!("beyond  {text}"))),
            });
        }
        lines.join("\n")
    }

    pub(super) fn to_json(&self) -> String {
        let run = |(name, run): (&str, &Merged)| {
            json!({
                "file": name,
                "url": run.plan.url,
                "load": run.plan.words,
                "took_s": run.measured.took.as_secs_f64(),
            })
        };
        json!({
            "complete": self.problems.is_empty(),
            "problems": self.problems,
            "notes": self.notes,
            "before": run(self.runs[0]),
            "after": run(self.runs[1]),
            "steps": self.steps.iter().map(Compared::to_json).collect::<Vec<_>>(),
            "limits": self.outcomes.iter().map(Outcome::to_json).collect::<Vec<_>>(),
        })
        .to_string()
    }
}

/// All pushes together where there are several kinds, and each step that was performed.
fn compared(runs: [change::Steps<'_>; 2]) -> Vec<Compared> {
    let mut names: Vec<&StepName> = Vec::new();
    for (step, _) in runs.iter().flat_map(|(steps, _)| *steps) {
        if !names.contains(&step) {
            names.push(step);
        }
    }
    let mut all = Vec::new();
    if names.iter().filter(|step| step.is_push).count() > 1 {
        let windows = runs.map(|(steps, _)| {
            let mut sum = Window::new();
            steps.iter().filter(|(step, _)| step.is_push).for_each(|(_, window)| sum.add(window));
            Some(sum)
        });
        all.push(Compared::new("all pushes".to_owned(), windows, runs.map(|(_, took)| took)));
    }
    for name in names {
        let windows = runs.map(|(steps, _)| {
            steps.iter().find(|(step, _)| step == name).map(|(_, window)| window.clone())
        });
        let is_performed = |window: &Window| window.failures() > 0 || !window.latencies.is_empty();
        if windows.iter().flatten().any(is_performed) {
            all.push(Compared::new(name.name.clone(), windows, runs.map(|(_, took)| took)));
        }
    }
    all
}

impl Compared {
    fn new(name: String, windows: [Option<Window>; 2], times: [Duration; 2]) -> Self {
        let [before, after] = &windows;
        let row = |figure: Figure| {
            let of = |window: &Option<Window>, took| {
                window.as_ref().and_then(|window| figure.of(window, took))
            };
            Row { figure, values: [of(before, times[0]), of(after, times[1])] }
        };
        let rows = FIGURES.map(row).to_vec();
        Compared { name, windows, rows }
    }

    fn to_json(&self) -> Value {
        let figures = self.rows.iter().map(|row| {
            let [before, after] = row.values;
            let value = json!({
                "unit": row.figure.unit(),
                "before": before,
                "after": after,
                "change_percent": change(before, after),
            });
            (row.figure.name(), value)
        });
        json!({ "name": self.name, "figures": figures.collect::<serde_json::Map<_, _>>() })
    }
}

impl Row {
    /// The figures for people.
    pub(super) fn shown(&self) -> [String; 2] {
        self.values.map(|value| match (self.figure, value) {
            (_, None) => "-".to_owned(),
            (Figure::Rate, Some(rate)) => format!("{rate:.1}/s"),
            (figure, Some(value)) => figure.shown(value),
        })
    }

    /// The change for people; empty where there is none to name.
    pub(super) fn change(&self) -> String {
        change(self.values[0], self.values[1]).map(percent).unwrap_or_default()
    }
}
