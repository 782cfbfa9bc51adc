//! Traffic under faults for a minute, after the warm-up: what `cargo xtask soak --minutes 1` shows.

use crate::programs;
use crate::step::Outcome;

pub(crate) fn check() -> Outcome {
    programs::SOAK.run(["--minutes", "1"])?;
    Ok(None)
}
