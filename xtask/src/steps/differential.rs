//! The core and the official JavaScript client in the same random scripts; `phx-conformance` compares.

use anyhow::Context as _;

use crate::programs;
use crate::step::Outcome;
use crate::tools;

/// As many as take about half a minute.
const RUNS: &str = "6000";

pub(crate) fn check() -> Outcome {
    tools::node_packages()?;
    let program = programs::find("differential").context("the program differential is gone")?;
    program.run(["--runs", RUNS, "--seed", "1"])?;
    Ok(Some(format!("{RUNS} runs")))
}
