//! The table of attacks, and the line that sums it up.

use std::fmt;
use std::time::Duration;

use super::judge::max_gap;
use super::runner::{ADAPTERS, Row};

/// One row for each case and one column for each adapter; then why runs failed, and the totals.
pub(super) struct Table<'a>(&'a [Row<'a>]);

impl<'a> Table<'a> {
    pub(super) fn new(rows: &'a [Row<'a>]) -> Self {
        Table(rows)
    }

    pub(super) fn failed(&self) -> usize {
        let runs = self.0.iter().flat_map(|row| &row.runs);
        runs.filter(|run| run.failure.is_some()).count()
    }

    fn most(&self, figure: impl Fn(&super::client::Outcome) -> u64) -> u64 {
        let runs = self.0.iter().flat_map(|row| &row.runs);
        runs.filter_map(|run| run.outcome.as_ref()).map(figure).max().unwrap_or_default()
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Each cell: the longest that another task was kept from running in ms / the most that was allocated \
             in KiB.\nThe first column has the limits of both.\n"
        )?;
        let width = self.0.iter().map(|row| row.case.name.len()).max().unwrap_or_default();
        write!(f, "{:<width$}  {:>12}", "", "limits")?;
        for adapter in ADAPTERS {
            write!(f, "  {adapter:>14}")?;
        }
        writeln!(f)?;
        for Row { case, runs } in self.0 {
            let limits = format!("{}/{:>7}", max_gap(case).as_millis(), case.peak_kib);
            write!(f, "{:<width$}  {limits:>12}", case.name)?;
            for run in runs {
                let cell = match (&run.outcome, &run.failure) {
                    (Some(outcome), None) => {
                        format!("{:.1}/{:>7}", outcome.gap_us as f64 / 1e3, outcome.peak_kib)
                    }
                    _ => "FAILED".to_owned(),
                };
                write!(f, "  {cell:>14}")?;
            }
            writeln!(f)?;
        }
        for Row { case, runs } in self.0 {
            for run in runs {
                if let Some(why) = &run.failure {
                    write!(f, "\nFAILED {} {}: {why}", run.adapter, case.name)?;
                }
            }
        }
        let gap = Duration::from_micros(self.most(|outcome| outcome.gap_us));
        write!(
            f,
            "\nhostile: cases={} adapters={} failed={} longest_gap_ms={} peak_kib={}",
            self.0.len(),
            ADAPTERS.len(),
            self.failed(),
            gap.as_millis(),
            self.most(|outcome| outcome.peak_kib),
        )
    }
}
