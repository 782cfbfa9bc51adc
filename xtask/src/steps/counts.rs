//! Compares the core's costs, in instructions and allocations, with stored figures.
//!
//! `phx-bench` counts them under valgrind, which the step installs, and prints how to accept new figures.

use crate::command::Program;
use crate::step::Outcome;
use crate::tools;

pub(crate) fn check() -> Outcome {
    run("counts")
}

/// Stores the figures of this compiler.
pub(crate) fn accept() -> Outcome {
    run("counts-accept")
}

fn run(command: &str) -> Outcome {
    tools::valgrind()?;
    Program::cargo()
        .args(["run", "--locked", "--quiet", "--release", "--package", "phx-bench", "--", command])
        .run()?;
    Ok(None)
}
