//! A hostile server on every adapter: what `cargo xtask hostile` shows.

use crate::programs;
use crate::step::Outcome;

pub(crate) fn check() -> Outcome {
    programs::HOSTILE.run([])?;
    Ok(None)
}
