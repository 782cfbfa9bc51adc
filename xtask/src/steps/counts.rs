//! What the operations of the core cost, in instructions and allocations, held to stored figures.
//!
//! `phx-bench` counts them under valgrind, which the step brings, and says how to accept new figures.

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
