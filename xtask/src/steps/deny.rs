//! Licences, bans and sources of all dependencies; known vulnerabilities where the database of them
//! can be had. The rules are in deny.toml.

use std::time::Duration;

use crate::command::Program;
use crate::step::Outcome;
use crate::tools;

/// How long fetching the advisory database may take.
const FETCH_DEADLINE: Duration = Duration::from_secs(120);

pub(crate) fn check() -> Outcome {
    tools::cargo_deny()?;
    deny(&["check", "-D", "unmatched-skip", "-D", "unnecessary-skip"])
        .args(["licenses", "bans", "sources"])
        .run()?;

    // Fetching apart from checking tells a network that isn't there from a finding.
    if let Err(error) = deny(&["fetch", "db"]).run_within(FETCH_DEADLINE) {
        println!("{error:#}");
        return Ok(Some("advisories: database not reachable, not checked".to_owned()));
    }
    deny(&["check", "--disable-fetch", "advisories"]).run()?;
    Ok(None)
}

fn deny(args: &[&str]) -> Program {
    let cargo = Program::cargo().args(["deny", "--locked", "--all-features"]);
    cargo.args(args.iter().copied())
}
