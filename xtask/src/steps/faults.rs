//! Real faults on every adapter: what `cargo xtask faults` shows.

use anyhow::Context as _;

use crate::programs;
use crate::step::Outcome;

pub(crate) fn check() -> Outcome {
    programs::find("faults").context("there is no such program")?.run([])?;
    Ok(None)
}
