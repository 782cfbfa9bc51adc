//! phx-proto builds where there is no std, with all of its features.

use crate::command::Program;
use crate::step::Outcome;
use crate::tools;

pub(crate) fn check() -> Outcome {
    tools::targets()?;
    for target in tools::NO_STD_TARGETS {
        Program::cargo()
            .args(["check", "--locked", "-p", "phx-proto", "--all-features", "--target", target])
            .run()?;
    }
    Ok(None)
}
