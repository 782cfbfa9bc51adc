//! The fuzz targets on the stable toolchain: they build and link, and pass with every seed.
//!
//! That keeps them in step with the crates, and what a fuzzer found once is never found again. Fuzzing itself
//! needs the coverage instrumentation that cargo-fuzz turns on, and with it a nightly toolchain; it isn't part of
//! CI.

use std::path::Path;

use anyhow::ensure;

use crate::command::Program;
use crate::step::Outcome;

/// The manifest of the fuzz targets, which are a separate workspace.
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

/// [`MANIFEST`], if it is there.
pub(crate) fn manifest() -> anyhow::Result<&'static str> {
    ensure!(Path::new(MANIFEST).exists(), "{MANIFEST} is missing");
    Ok(MANIFEST)
}
