//! Builds and links the fuzz targets on the stable toolchain, and runs every seed.
//!
//! So they follow changes of the crates, and faults that a fuzzer found stay fixed. Fuzzing itself isn't part of CI: the
//! coverage instrumentation of cargo-fuzz needs a nightly toolchain.

use std::path::Path;

use anyhow::ensure;

use crate::command::Program;
use crate::step::Outcome;

/// Manifest of the fuzz targets, which are a separate workspace.
pub(crate) const MANIFEST: &str = "fuzz/Cargo.toml";

pub(crate) fn build() -> Outcome {
    cargo("build")?.args(["--bins"]).run()?;
    Ok(None)
}

pub(crate) fn replay() -> Outcome {
    cargo("test")?.args(["--test", "replay"]).run()?;
    Ok(None)
}

fn cargo(command: &str) -> anyhow::Result<Program> {
    Ok(Program::cargo().args([command, "--locked", "--manifest-path", manifest()?]))
}

/// Returns [`MANIFEST`]; an error if it is missing.
pub(crate) fn manifest() -> anyhow::Result<&'static str> {
    ensure!(Path::new(MANIFEST).exists(), "{MANIFEST} is missing");
    Ok(MANIFEST)
}
