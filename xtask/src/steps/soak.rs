//! Traffic under faults for less than a minute: what `cargo xtask soak` shows without arguments.

use anyhow::Context as _;

use crate::programs;
use crate::step::Outcome;

pub(crate) fn check() -> Outcome {
    programs::find("soak").context("there is no such program")?.run([])?;
    Ok(None)
}
