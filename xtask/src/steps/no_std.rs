//! phx-proto builds where there is no std, with all of its features, and so does a crate that uses it.

use crate::command::Program;
use crate::step::Outcome;
use crate::tools;

pub(crate) fn check() -> Outcome {
    tools::targets()?;
    for target in tools::NO_STD_TARGETS {
        Program::cargo()
            .args(["check", "--locked", "-p", "phx-proto", "--all-features", "--target", target])
            .run()?;
        // A crate without std that uses all of the core: checked alone, or its neighbours' features
        // would be turned on for it.
        Program::cargo()
            .args(["build", "--locked", "-p", "no-std-smoke", "--target", target])
            .run()?;
    }
    Ok(None)
}
