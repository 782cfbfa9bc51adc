//! Traffic under faults for less than a minute: what `cargo xtask soak` shows without arguments.

use crate::programs;
use crate::step::Outcome;

pub(crate) fn check() -> Outcome {
    programs::SOAK.run([])?;
    Ok(None)
}
