//! Results of the tests.

use std::fmt::Write as _;
use std::time::Duration;

use phx_client::TransportKind;

/// Result of the suite on one adapter over one transport.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Name of the adapter.
    pub adapter: &'static str,
    /// Transport of all connections.
    pub transport: TransportKind,
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
    /// The test can't be about the transport, or about a client in a page, and didn't run.
    #[non_exhaustive]
    Omitted {
        /// Reason, as in [`Case`](super::Case).
        why: &'static str,
    },
}

impl Verdict {
    /// Creates the verdict of a test that passed.
    #[must_use]
    pub fn passed(took: Duration) -> Self {
        Verdict::Passed { took }
    }

    /// Creates the verdict of a test that failed.
    #[must_use]
    pub fn failed(why: String) -> Self {
        Verdict::Failed { why }
    }

    /// Creates the verdict of a test that didn't run, with the reason of its [`Case`](super::Case).
    #[must_use]
    pub fn omitted(why: &'static str) -> Self {
        Verdict::Omitted { why }
    }
}

impl Report {
    /// Creates the report of an adapter over a transport from its verdicts, in the order of the list.
    #[must_use]
    pub fn new(
        adapter: &'static str,
        transport: TransportKind,
        verdicts: Vec<(&'static str, Verdict)>,
    ) -> Self {
        Report { adapter, transport, verdicts }
    }

    /// Returns true if every test that ran passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// Returns the failed tests with their panic messages.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.verdicts.iter().filter_map(|(name, verdict)| match verdict {
            Verdict::Failed { why } => Some((*name, why.as_str())),
            Verdict::Passed { .. } | Verdict::Omitted { .. } => None,
        })
    }

    /// Returns the tests that can't be about the transport or the place, with the reasons.
    pub fn omissions(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.verdicts.iter().filter_map(|(name, verdict)| match verdict {
            Verdict::Omitted { why } => Some((*name, *why)),
            Verdict::Passed { .. } | Verdict::Failed { .. } => None,
        })
    }
}

/// Returns a table with a row for each test and a column for each adapter and transport; then the totals, the
/// reasons of omissions, and the panic messages.
#[must_use]
pub fn table(reports: &[Report]) -> String {
    let mut text = String::new();
    let names = distinct(reports.iter().flat_map(|report| &report.verdicts).map(|(name, _)| *name));
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
    row("", &mut reports.iter().map(|report| report.transport.to_string()));
    for name in names {
        row(name, &mut reports.iter().map(|report| cell(report, name)));
    }
    for report in reports {
        let Report { adapter, transport, verdicts } = report;
        let (failed, omitted) = (report.failures().count(), report.omissions().count());
        let passed = verdicts.len().saturating_sub(failed).saturating_sub(omitted);
        let _infallible =
            write!(text, "suite {adapter} {transport}: {passed} passed, {failed} failed");
        let not_applicable =
            if omitted > 0 { format!(", {omitted} not applicable") } else { String::new() };
        let _infallible = writeln!(text, "{not_applicable}");
    }
    for (name, why) in distinct(reports.iter().flat_map(Report::omissions)) {
        let _infallible = writeln!(text, "n/a {name}: {why}");
    }
    for report in reports {
        for (name, why) in report.failures() {
            let Report { adapter, transport, .. } = report;
            let _infallible = writeln!(text, "FAILED {adapter} {transport} {name}: {why}");
        }
    }
    text
}

/// Returns each item once, in the order of the first ones.
fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

fn cell(report: &Report, name: &str) -> String {
    match report.verdicts.iter().find(|(ran, _)| *ran == name) {
        Some((_, Verdict::Passed { took })) => format!("ok {:>5} ms", took.as_millis()),
        Some((_, Verdict::Failed { .. })) => "FAILED".to_owned(),
        Some((_, Verdict::Omitted { .. })) => "n/a".to_owned(),
        None => "-".to_owned(),
    }
}
