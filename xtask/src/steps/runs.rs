//! Steps that run one of the programs of the workspace, as often as `ci` can wait for.

use crate::programs;
use crate::step::Outcome;

/// As many as take about half a minute.
const DIFFERENTIAL_RUNS: &str = "6000";

/// Simulated runs under faults, and a herd of clients whose server restarts.
pub(crate) fn simulation() -> Outcome {
    programs::SIM.run(["--runs", "20000"])?;
    programs::HERD.run(["--clients", "10000"])?;
    Ok(None)
}

/// The core and the official JavaScript client in the same random scripts; `phx-conformance` compares.
pub(crate) fn differential() -> Outcome {
    programs::DIFFERENTIAL.run(["--runs", DIFFERENTIAL_RUNS, "--seed", "1"])?;
    Ok(Some(format!("{DIFFERENTIAL_RUNS} runs")))
}

/// Real faults on every adapter: what `cargo xtask faults` shows.
pub(crate) fn faults() -> Outcome {
    programs::FAULTS.run([])?;
    Ok(None)
}

/// A hostile server on every adapter: what `cargo xtask hostile` shows.
pub(crate) fn hostile() -> Outcome {
    programs::HOSTILE.run([])?;
    Ok(None)
}

/// Traffic under faults for a minute, after the warm-up: what `cargo xtask soak --minutes 1` shows.
pub(crate) fn soak() -> Outcome {
    programs::SOAK.run(["--minutes", "1"])?;
    Ok(None)
}
