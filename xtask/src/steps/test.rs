//! Unit, integration and doc tests, with all features. The behaviour suite is a step of its own.

use super::suite;
use crate::command::Program;
use crate::step::Outcome;

pub(crate) fn check() -> Outcome {
    Program::cargo()
        .args(["test", "--locked", "--workspace", "--all-features"])
        .args(["--", "--skip", suite::PREFIX])
        .run()?;
    // What is there only without TLS.
    for package in ["phx-tokio", "phx-smol", "phx-async-std"] {
        Program::cargo()
            .args(["test", "--locked", "-p", package, "--no-default-features", "--tests"])
            .run()?;
    }
    Ok(None)
}
