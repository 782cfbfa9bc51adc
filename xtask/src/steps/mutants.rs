//! phx-proto's machines and serializers with one fault put in at a time: a test must see each.
//!
//! Which files, and which faults no test can see, is in `.cargo/mutants.toml`. It takes hours; pass a
//! file or two to `cargo mutants` itself to do it in parts.

use crate::command::Program;
use crate::step::Outcome;
use crate::tools;

pub(crate) fn check() -> Outcome {
    tools::cargo_mutants()?;
    Program::cargo()
        .args(["mutants", "--package", "phx-proto", "--output", "target", "--no-shuffle"])
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .run()?;
    Ok(None)
}
