//! The table of faults and times.

use std::fmt::Write as _;
use std::time::Duration;

use super::settings::{REJOIN, SLACK};
use super::{Case, Times};

/// One row for each fault and one column for each adapter; then the totals, and why cases failed.
pub(super) fn table(cases: &[Case], results: &[Vec<anyhow::Result<Times>>]) -> String {
    let mut text = format!(
        "Each cell: milliseconds until the fault was noticed / from then, or from the fault's end if that\n\
         was later, until the channel was joined again. `within` is what the settings promise for the\n\
         first; the second is promised within {} ms. A busy machine may add {} ms to each.\n\n",
        REJOIN.as_millis(),
        SLACK.as_millis(),
    );
    let width = cases.iter().map(|case| case.name.len()).max().unwrap_or_default();
    let _infallible = write!(text, "{:<width$}  {:>6}", "", "within");
    for (adapter, _) in cases.first().map(|case| &case.runs).into_iter().flatten() {
        let _infallible = write!(text, "  {adapter:>14}");
    }
    text.push('\n');
    for (case, row) in cases.iter().zip(results) {
        let _infallible = write!(text, "{:<width$}  {:>6}", case.name, millis(case.noticed));
        for result in row {
            let cell = match result {
                Ok(Times { noticed, joined }) => {
                    format!("{:>5} /{:>5}", millis(*noticed), millis(*joined))
                }
                Err(_) => "FAILED".to_owned(),
            };
            let _infallible = write!(text, "  {cell:>14}");
        }
        text.push('\n');
    }
    let mut failed = 0_usize;
    for (case, row) in cases.iter().zip(results) {
        for ((adapter, _), result) in case.runs.iter().zip(row) {
            if let Err(error) = result {
                failed += 1;
                let _infallible = write!(text, "\nFAILED {adapter} {}: {error:#}", case.name);
            }
        }
    }
    let runs: usize = results.iter().map(Vec::len).sum();
    let _infallible = write!(text, "\nfaults: runs={runs} failed={failed}");
    text
}

fn millis(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.as_millis().to_string())
}
