//! Licences, bans and sources of all dependencies; known vulnerabilities where the database of them
//! can be had, and elsewhere a record of what is unchecked. The rules are in deny.toml.

use std::time::Duration;

use crate::advisories::{self, Record};
use crate::command::Program;
use crate::step::Outcome;
use crate::steps::fuzz;
use crate::tools;

/// How long fetching the advisory database may take.
const FETCH_DEADLINE: Duration = Duration::from_secs(120);

const WITHOUT_DATABASE: [&str; 3] = ["licenses", "bans", "sources"];

/// The fuzz targets don't have everything that deny.toml has a rule for.
const UNUSED_BY_FUZZ: [&str; 4] =
    ["license-not-encountered", "unmatched-skip", "unnecessary-skip", "advisory-not-detected"];

pub(crate) fn check() -> Outcome {
    let record = Record::read()?;
    record.compare(&advisories::locked()?)?;
    tools::cargo_deny()?;
    let unused = ["-D", "unmatched-skip", "-D", "unnecessary-skip"];
    let allowed = ["-A", "license-exception-not-encountered"];
    deny(&["check"]).args(unused).args(allowed).args(WITHOUT_DATABASE).run()?;
    deny_fuzz(&WITHOUT_DATABASE)?;

    if !database_is_there() {
        let summary = record.summary();
        return Ok(Some(format!("advisories: database not reachable; {summary}")));
    }
    check_advisories()?;
    Ok((record.unchecked() > 0).then(|| {
        format!("advisories: checked; `{}` empties {}", advisories::COMMAND, advisories::FILE)
    }))
}

/// Checks the advisories if the database can be had, and writes the record of what was checked.
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

/// Fetching and checking are separate, so that a missing network isn't mistaken for a finding.
fn database_is_there() -> bool {
    let fetched = deny(&["fetch", "db"]).run_within(FETCH_DEADLINE);
    if let Err(error) = &fetched {
        println!("{error:#}");
    }
    fetched.is_ok()
}

/// Both lock files against the database, and against the index for what was yanked.
fn check_advisories() -> anyhow::Result<()> {
    deny(&["check", "advisories"]).run()?;
    deny_fuzz(&["advisories"])
}

/// The same rules for the workspace of the fuzz targets.
fn deny_fuzz(what: &[&str]) -> anyhow::Result<()> {
    let allowed = UNUSED_BY_FUZZ.into_iter().flat_map(|lint| ["-A", lint]);
    let check = deny(&["--manifest-path", fuzz::manifest()?, "check"]).args(allowed);
    check.args(what.iter().copied()).run()
}

fn deny(args: &[&str]) -> Program {
    let cargo = Program::cargo().args(["deny", "--locked", "--all-features"]);
    cargo.args(args.iter().copied())
}
