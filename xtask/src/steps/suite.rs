//! The behaviour suite on every adapter, over real sockets, with one table of the results.
//!
//! The three run in one program, `crates/phx-testing/tests/suite.rs`, from one list of tests, so that
//! none can have fewer than another.

use crate::command::Program;
use crate::step::Outcome;

/// What the names of all its tests begin with, and no other test's.
pub(super) const PREFIX: &str = "suite::phx-";

pub(crate) fn check() -> Outcome {
    Program::cargo()
        .args(["test", "--locked", "--workspace", "--all-features", "--test", "suite"])
        .run()?;
    Ok(None)
}
