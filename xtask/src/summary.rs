//! Table at the end of a run.

use std::fmt::Write as _;
use std::time::Duration;

use crate::step::Outcome;

/// Result of a step.
pub(crate) struct Report {
    pub(crate) name: &'static str,
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
}

impl Report {
    pub(crate) fn passed(&self) -> bool {
        self.outcome.is_ok()
    }
}

/// Returns a line for each step: its name, its verdict, its time and its text; then the time that all took, which is less
/// than their sum if some ran at the same time.
pub(crate) fn table(reports: &[Report], took: Duration) -> String {
    let mut text = String::new();
    for report in reports {
        let (verdict, note) = match &report.outcome {
            Ok(note) => ("ok", note.clone().unwrap_or_default()),
            Err(error) => ("FAILED", first_line(&format!("{error:#}"))),
        };
        let line = format!("{:<14}{verdict:<8}{}  {note}", report.name, seconds(report.took));
        let _infallible = writeln!(text, "{}", line.trim_end());
    }
    let failed = reports.iter().filter(|report| !report.passed()).count();
    let verdict = if failed == 0 { "passed".to_owned() } else { format!("{failed} FAILED") };
    let _infallible = writeln!(text, "{:<14}{verdict:<8}{}", "total", seconds(took));
    text
}

fn seconds(took: Duration) -> String {
    format!("{:>7.1} s", took.as_secs_f64())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    fn report(name: &'static str, millis: u64, outcome: Outcome) -> Report {
        Report { name, took: Duration::from_millis(millis), outcome }
    }

    #[test]
    fn a_failure_is_named_with_its_first_line_and_counted() {
        let reports = [
            report("fmt", 1_200, Ok(None)),
            report("deny", 61_000, Ok(Some("advisories: not checked".to_owned()))),
            report("doc", 300, Err(anyhow!("cargo doc failed\nand more"))),
        ];
        assert_eq!(
            table(&reports, Duration::from_millis(61_700)),
            "fmt           ok          1.2 s\n\
             deny          ok         61.0 s  advisories: not checked\n\
             doc           FAILED      0.3 s  cargo doc failed\n\
             total         1 FAILED   61.7 s\n"
        );
    }

    #[test]
    fn all_passed() {
        assert_eq!(
            table(&[report("fmt", 0, Ok(None))], Duration::ZERO),
            "fmt           ok          0.0 s\ntotal         passed      0.0 s\n"
        );
    }
}
