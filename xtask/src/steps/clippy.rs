//! No lint fires in any target, those of the fuzz targets' workspace included; which lints there are
//! is said in the root Cargo.toml.

use crate::command::Program;
use crate::step::Outcome;
use crate::steps::fuzz;
use crate::tools;

pub(crate) fn check() -> Outcome {
    tools::clippy()?;
    clippy(&["--workspace", "--all-features"])?;
    clippy(&["--manifest-path", fuzz::manifest()?])?;
    Ok(None)
}

fn clippy(which: &[&str]) -> anyhow::Result<()> {
    Program::cargo()
        .args(["clippy", "--locked", "--all-targets"])
        .args(which.iter().copied())
        .args(["--", "-D", "warnings"])
        .run()
}
