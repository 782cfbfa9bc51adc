//! Real faults on every adapter: what `cargo xtask faults` shows.

use crate::programs;
use crate::step::Outcome;

pub(crate) fn check() -> Outcome {
    programs::FAULTS.run([])?;
    Ok(None)
}
