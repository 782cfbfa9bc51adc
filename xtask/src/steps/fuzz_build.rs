//! The fuzz targets build and link, on the stable toolchain.
//!
//! That keeps them in step with the crates. Fuzzing itself needs the coverage instrumentation that
//! cargo-fuzz turns on, and with it a nightly toolchain; it isn't part of CI.

use std::path::Path;

use anyhow::ensure;

use crate::command::Program;
use crate::step::Outcome;

/// The manifest of the fuzz targets, which are a workspace of their own.
pub(crate) const MANIFEST: &str = "fuzz/Cargo.toml";

pub(crate) fn check() -> Outcome {
    Program::cargo().args(["build", "--locked", "--manifest-path", manifest()?, "--bins"]).run()?;
    Ok(None)
}

/// [`MANIFEST`], if it is there.
pub(crate) fn manifest() -> anyhow::Result<&'static str> {
    ensure!(Path::new(MANIFEST).exists(), "{MANIFEST} is missing");
    Ok(MANIFEST)
}
