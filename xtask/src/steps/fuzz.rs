//! Builds and links the fuzz targets on the stable toolchain, and runs every seed.
//!
//! So they follow changes of the crates, and faults that a fuzzer found stay fixed. Fuzzing itself isn't part of CI: the
//! coverage instrumentation of cargo-fuzz needs a nightly toolchain.

use crate::command::Program;
use crate::step::Outcome;
use crate::workspace::FUZZ;

pub(crate) fn build() -> Outcome {
    cargo("build").args(["--bins"]).run()?;
    Ok(None)
}

pub(crate) fn replay() -> Outcome {
    cargo("test").args(["--test", "replay"]).run()?;
    Ok(None)
}

fn cargo(command: &str) -> Program {
    Program::cargo().args([command, "--locked", "--manifest-path", FUZZ])
}
