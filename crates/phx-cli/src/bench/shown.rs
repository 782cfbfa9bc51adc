//! How a run ends: its figures on standard output and as a page, and what they mean for the exit code.

use std::io::Write as _;

use super::report;
use super::run_log::End;
use super::summary::Summary;
use crate::failure::{Code, Failure};
use crate::plain_file;

/// Writes the page, if one is wanted, and prints the figures.
pub(super) fn show(summary: &Summary<'_>, page: Option<&str>, json: bool) -> Result<(), Failure> {
    let page = page.map(|path| (path, report::page(summary)));
    print(page, &if json { summary.to_json() } else { summary.to_text() })
}

/// Writes a page to a file, if there is one, and prints a text.
pub(super) fn print(page: Option<(&str, String)>, text: &str) -> Result<(), Failure> {
    if let Some((path, page)) = page {
        let mut file = plain_file::create(path).map_err(Failure::usage)?;
        file.write_all(page.as_bytes())
            .map_err(|error| Failure::usage(format!("can't write {path}: {error}")))?;
    }
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

impl Summary<'_> {
    /// The failure of a run that wasn't interrupted. One that wasn't a whole run comes before what its figures say.
    pub(super) fn outcome(&self, end: &End) -> Result<(), Failure> {
        if end.ended {
            return Err(Failure::ended());
        }
        let has_pushes = self.measured.steps.iter().any(|(step, _)| step.is_push);
        if self.replies == 0 && has_pushes {
            return Err(Failure::failed("no push was replied to with ok"));
        }
        self.thresholds_met()
    }

    pub(super) fn thresholds_met(&self) -> Result<(), Failure> {
        let missed = self.missed();
        let text = match &missed[..] {
            [] => return Ok(()),
            [missed] => format!("a threshold was missed: {missed}"),
            missed => format!("{} thresholds were missed: {}", missed.len(), missed.join(", ")),
        };
        Err(Failure::Error(Code::ThresholdMissed, text))
    }
}
