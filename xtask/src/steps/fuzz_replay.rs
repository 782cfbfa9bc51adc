//! Every seed of every fuzz target, once, on the stable toolchain: what a fuzzer found once is never
//! found again.

use crate::command::Program;
use crate::step::Outcome;
use crate::steps::fuzz_build;

pub(crate) fn check() -> Outcome {
    Program::cargo()
        .args(["test", "--locked", "--manifest-path", fuzz_build::manifest()?])
        .args(["--test", "replay"])
        .run()?;
    Ok(None)
}
