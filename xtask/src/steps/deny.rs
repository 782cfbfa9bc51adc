//! Checks licences, bans and sources of all dependencies, and known vulnerabilities. Where the database of those can't
//! be fetched, a record of unchecked crates takes its place. The rules are in deny.toml.

use std::time::Duration;

use crate::advisories::{self, Record};
use crate::command::Program;
use crate::step::Outcome;
use crate::tools;
use crate::workspace;

/// Time limit for fetching the advisory database.
const FETCH_DEADLINE: Duration = Duration::from_secs(120);

const WITHOUT_DATABASE: [&str; 3] = ["licenses", "bans", "sources"];

/// Complaints about rules of deny.toml that a workspace apart doesn't need.
const UNUSED_APART: [&str; 5] = [
    "license-not-encountered",
    "license-exception-not-encountered",
    "unmatched-skip",
    "unnecessary-skip",
    "advisory-not-detected",
];

pub(crate) fn check() -> Outcome {
    let record = Record::read()?;
    record.compare(&advisories::locked()?)?;
    tools::cargo_deny()?;
    let unused = ["-D", "unmatched-skip", "-D", "unnecessary-skip"];
    let allowed = ["-A", "license-exception-not-encountered"];
    deny(&["check"]).args(unused).args(allowed).args(WITHOUT_DATABASE).run()?;
    deny_apart(&WITHOUT_DATABASE)?;

    if !database_is_there() {
        let summary = record.summary();
        return Ok(Some(format!("advisories: database not reachable; {summary}")));
    }
    check_advisories()?;
    Ok((record.unchecked() > 0).then(|| {
        format!("advisories: checked; `{}` empties {}", advisories::COMMAND, advisories::FILE)
    }))
}

/// Checks the advisories if the database can be fetched, and updates the record.
pub(crate) fn record_advisories() -> Outcome {
    let crates = advisories::locked()?;
    tools::cargo_deny()?;
    let record = if database_is_there() {
        check_advisories()?;
        Record::checked(advisories::today()?, crates)
    } else {
        let known = std::path::Path::new(advisories::FILE).exists();
        let known = if known { Record::read()? } else { Record::never() };
        known.updated(&crates)
    };
    record.write()?;
    Ok(Some(record.summary()))
}

/// Fetches the database. Separate from the check, so that a missing network isn't mistaken for a finding.
fn database_is_there() -> bool {
    let fetched = deny(&["fetch", "db"]).run_within(FETCH_DEADLINE);
    if let Err(error) = &fetched {
        println!("{error:#}");
    }
    fetched.is_ok()
}

/// Checks all lock files against the database, and against the index for yanked crates.
fn check_advisories() -> anyhow::Result<()> {
    deny(&["check", "advisories"]).run()?;
    deny_apart(&["advisories"])
}

/// Checks the workspaces apart by the same rules.
fn deny_apart(what: &[&str]) -> anyhow::Result<()> {
    for manifest in workspace::apart()? {
        let allowed = UNUSED_APART.into_iter().flat_map(|lint| ["-A", lint]);
        let check = deny(&["--manifest-path", manifest, "check"]).args(allowed);
        check.args(what.iter().copied()).run()?;
    }
    Ok(())
}

fn deny(args: &[&str]) -> Program {
    let cargo = Program::cargo().args(["deny", "--locked", "--all-features"]);
    cargo.args(args.iter().copied())
}
