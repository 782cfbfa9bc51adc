//! Unit, integration and doc tests, with all features. The behaviour suite is a step of its own.

use super::suite;
use crate::command::Program;
use crate::step::Outcome;

pub(crate) fn check() -> Outcome {
    Program::cargo()
        .args(["test", "--locked", "--workspace", "--all-features"])
        .args(["--", "--skip", suite::PREFIX])
        .run()?;
    Ok(None)
}
