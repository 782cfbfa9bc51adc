//! Results of the tests.

use std::fmt::Write as _;
use std::time::Duration;

/// Result of the suite on one adapter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Name of the adapter.
    pub adapter: &'static str,
    /// Each test that ran, in the order of the list.
    pub verdicts: Vec<(&'static str, Verdict)>,
}

/// Result of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The test passed.
    #[non_exhaustive]
    Passed {
        /// Time from its start to its end.
        took: Duration,
    },
    /// The test failed.
    #[non_exhaustive]
    Failed {
        /// Message of the panic.
        why: String,
    },
}

impl Report {
    /// Returns true if every test that ran passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// Returns the failed tests with their panic messages.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.verdicts.iter().filter_map(|(name, verdict)| match verdict {
            Verdict::Failed { why } => Some((*name, why.as_str())),
            Verdict::Passed { .. } => None,
        })
    }
}

/// Returns a table with a row for each test and a column for each adapter; then the totals, and the panic messages.
#[must_use]
pub fn table(reports: &[&Report]) -> String {
    let mut text = String::new();
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in reports.iter().flat_map(|report| &report.verdicts) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let width = names.iter().map(|name| name.len()).max().unwrap_or_default();
    let mut row = |name: &str, cells: &mut dyn Iterator<Item = String>| {
        let _infallible = write!(text, "{name:<width$}");
        for cell in cells {
            let _infallible = write!(text, "  {cell:<14}");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    };
    row("", &mut reports.iter().map(|report| report.adapter.to_owned()));
    for name in names {
        row(name, &mut reports.iter().map(|report| cell(report, name)));
    }
    for report in reports {
        let failed = report.failures().count();
        let passed = report.verdicts.len().saturating_sub(failed);
        let _infallible =
            writeln!(text, "suite {}: {passed} passed, {failed} failed", report.adapter);
    }
    for report in reports {
        for (name, why) in report.failures() {
            let _infallible = writeln!(text, "FAILED {} {name}: {why}", report.adapter);
        }
    }
    text
}

fn cell(report: &Report, name: &str) -> String {
    match report.verdicts.iter().find(|(ran, _)| *ran == name) {
        Some((_, Verdict::Passed { took })) => format!("ok {:>5} ms", took.as_millis()),
        Some((_, Verdict::Failed { .. })) => "FAILED".to_owned(),
        None => "-".to_owned(),
    }
}
