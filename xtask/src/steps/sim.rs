//! Simulated runs under faults, and a herd of clients whose server restarts.

use crate::programs;
use crate::step::Outcome;

pub(crate) fn check() -> Outcome {
    programs::SIM.run(["--runs", "20000"])?;
    programs::HERD.run(["--clients", "10000"])?;
    Ok(None)
}
