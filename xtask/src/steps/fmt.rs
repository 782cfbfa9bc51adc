//! The sources are formatted, those of the fuzz targets too.

use crate::command::Program;
use crate::step::Outcome;
use crate::steps::fuzz;
use crate::tools;

pub(crate) fn check() -> Outcome {
    tools::rustfmt()?;
    Program::cargo().args(["fmt", "--all", "--check"]).run()?;
    Program::cargo()
        .args(["fmt", "--manifest-path", fuzz::manifest()?, "--all", "--check"])
        .run()?;
    Ok(None)
}
