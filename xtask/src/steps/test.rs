//! Unit, integration and doc tests, with all features.

use crate::command::Program;
use crate::step::Outcome;

pub(crate) fn check() -> Outcome {
    Program::cargo().args(["test", "--locked", "--workspace", "--all-features"]).run()?;
    Ok(None)
}
