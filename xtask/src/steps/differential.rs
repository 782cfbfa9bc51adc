//! The core and the official JavaScript client in the same random scripts; `phx-conformance` compares.

use crate::programs;
use crate::step::Outcome;

/// As many as take about half a minute.
const RUNS: &str = "6000";

pub(crate) fn check() -> Outcome {
    programs::DIFFERENTIAL.run(["--runs", RUNS, "--seed", "1"])?;
    Ok(Some(format!("{RUNS} runs")))
}
