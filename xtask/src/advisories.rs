//! Record of the crates that were checked against the database of advisories, with the date.
//!
//! The database is fetched over the network, which isn't allowed on all machines that run CI. There the `deny` step
//! compares the lock files with this record instead, so that unchecked crates are visible in the repository. Only
//! [`Record::checked`], called after a check that passed, makes crates checked ones.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, bail, ensure};

use crate::command::Program;
use crate::workspace;

/// Path of the record.
pub(crate) const FILE: &str = "xtask/advisories-unchecked.toml";

/// Command that updates the record.
pub(crate) const COMMAND: &str = "cargo xtask advisories";

const NEVER: &str = "never";

const CHECKED_ON: &str = "\
# Which crates of the three lock files were checked against the RustSec database of advisories.
# `cargo xtask advisories` writes this file: where it can fetch the database and the check passes, all
# crates become checked ones; elsewhere it lists the new ones as unchecked. The `deny` step fails if a
# crate is missing here. docs/RELEASING.md says how to check.

# The day of the last check, in UTC.
";
const CHECKED: &str = "\n# Checked on that day.\n";
const UNCHECKED: &str = "\n# Added or raised since that day. No release while there are any.\n";

/// Crates as `name version`, in the order in which the file has them.
type Crates = BTreeSet<String>;

/// Checked crates, with the date of the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Day of the last check that passed, as `2026-12-01`; `None` if there was none.
    checked_on: Option<String>,
    checked: Crates,
    unchecked: Crates,
}

impl Record {
    pub(crate) fn read() -> anyhow::Result<Self> {
        let text = fs::read_to_string(FILE)
            .with_context(|| format!("can't read {FILE}; `{COMMAND}` writes it"))?;
        Record::parse(&text).with_context(|| format!("can't make sense of {FILE}"))
    }

    pub(crate) fn write(&self) -> anyhow::Result<()> {
        fs::write(FILE, self.render()).with_context(|| format!("can't write {FILE}"))
    }

    /// Creates the record after a check of these crates that passed today.
    pub(crate) fn checked(today: String, crates: Crates) -> Self {
        Record { checked_on: Some(today), checked: crates, unchecked: Crates::new() }
    }

    /// Creates the record before the first check.
    pub(crate) fn never() -> Self {
        Record { checked_on: None, checked: Crates::new(), unchecked: Crates::new() }
    }

    /// Returns the record of these crates when no check was possible: without the removed crates, and with new ones
    /// unchecked. Another version of a crate counts as new.
    pub(crate) fn updated(&self, crates: &Crates) -> Self {
        let checked: Crates = self.checked.intersection(crates).cloned().collect();
        let unchecked = crates.difference(&checked).cloned().collect();
        Record { checked_on: self.checked_on.clone(), checked, unchecked }
    }

    /// Checks that the record has exactly these crates.
    pub(crate) fn compare(&self, crates: &Crates) -> anyhow::Result<()> {
        let expected = self.updated(crates);
        let missing = expected.unchecked.difference(&self.unchecked);
        let missing = missing.map(|name| format!("{name} isn't listed"));
        let recorded = self.checked.union(&self.unchecked);
        let gone = recorded.filter(|name| !crates.contains(*name));
        let gone = gone.map(|name| format!("{name} is in no lock file"));
        let faults: Vec<String> = missing.chain(gone).collect();
        ensure!(
            faults.is_empty(),
            "{FILE} isn't up to date, `{COMMAND}` makes it so: {}",
            faults.join(", ")
        );
        Ok(())
    }

    /// Returns the number of unchecked crates.
    pub(crate) fn unchecked(&self) -> usize {
        self.unchecked.len()
    }

    /// Returns the text for the summary of a run that checked nothing.
    pub(crate) fn summary(&self) -> String {
        let of = self.checked.len() + self.unchecked.len();
        match &self.checked_on {
            None => format!("{} of {of} crates unchecked, no check so far", self.unchecked.len()),
            Some(day) => {
                format!("{} of {of} crates unchecked, last check {day}", self.unchecked.len())
            }
        }
    }

    /// Reads the text that [`render`](Self::render) writes; any other is an error.
    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut record = Record::never();
        let mut list = &mut record.unchecked;
        for line in text.lines() {
            if let Some(day) = line.strip_prefix("checked_on = ").and_then(quoted) {
                ensure!(day == NEVER || is_day(day), "`checked_on` is neither a day nor `{NEVER}`");
                record.checked_on = (day != NEVER).then(|| day.to_owned());
            } else if line == "checked = [" {
                list = &mut record.checked;
            } else if line == "unchecked = [" {
                list = &mut record.unchecked;
            } else if let Some(release) = line.trim().strip_suffix(',').and_then(quoted) {
                ensure!(release.split(' ').count() == 2, "{release} isn't a name and a version");
                list.insert(release.to_owned());
            }
        }
        if let Some(both) = record.checked.intersection(&record.unchecked).next() {
            bail!("{both} is in both lists");
        }
        let is_checked = record.checked_on.is_some();
        ensure!(is_checked || record.checked.is_empty(), "crates were checked on no day");
        ensure!(record.render() == text, "it isn't as `{COMMAND}` writes it");
        Ok(record)
    }

    fn render(&self) -> String {
        let day = self.checked_on.as_deref().unwrap_or(NEVER);
        let mut text = format!("{CHECKED_ON}checked_on = \"{day}\"\n");
        for (comment, name, crates) in
            [(CHECKED, "checked", &self.checked), (UNCHECKED, "unchecked", &self.unchecked)]
        {
            let _infallible = writeln!(text, "{comment}{name} = [");
            for release in crates {
                let _infallible = writeln!(text, "    \"{release}\",");
            }
            text.push_str("]\n");
        }
        text
    }
}

/// Returns today's date in UTC.
pub(crate) fn today() -> anyhow::Result<String> {
    let day = Program::new("date").args(["-u", "+%Y-%m-%d"]).output()?.trim().to_owned();
    ensure!(is_day(&day), "`date` doesn't say a day but {day:?}");
    Ok(day)
}

/// Returns the external crates of all lock files.
pub(crate) fn locked() -> anyhow::Result<Crates> {
    let mut crates = Crates::new();
    for manifest in ["Cargo.toml"].into_iter().chain(workspace::apart()?) {
        let path = &manifest.replace("Cargo.toml", "Cargo.lock");
        let text = fs::read_to_string(path).with_context(|| format!("can't read {path}"))?;
        crates.extend(in_lock_file(&text).with_context(|| format!("can't make sense of {path}"))?);
    }
    Ok(crates)
}

/// Returns the packages of a lock file that have a source; those without one are in this repository.
fn in_lock_file(text: &str) -> anyhow::Result<Crates> {
    let mut crates = Crates::new();
    for package in text.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let mut lines = package.lines().filter_map(|line| line.strip_prefix(name));
            lines.find_map(|rest| rest.strip_prefix(" = ").and_then(quoted))
        };
        let name = field("name").context("a package without a name")?;
        let version = field("version").with_context(|| format!("{name} has no version"))?;
        if field("source").is_some() {
            crates.insert(format!("{name} {version}"));
        }
    }
    ensure!(!crates.is_empty(), "it has no packages");
    Ok(crates)
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"').filter(|inner| !inner.contains('"'))
}

/// Returns true if the text has the form of a day, `2026-12-01`.
fn is_day(text: &str) -> bool {
    let form = text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
    form.eq(b"0000-00-00".iter().copied())
}

#[cfg(test)]
mod tests;
