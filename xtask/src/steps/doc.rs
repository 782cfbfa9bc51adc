//! The docs build without a warning: no broken link, no item without docs.

use crate::command::Program;
use crate::step::Outcome;

pub(crate) fn check() -> Outcome {
    Program::cargo()
        .env("RUSTDOCFLAGS", "-D warnings")
        .args(["doc", "--locked", "--workspace", "--no-deps", "--all-features"])
        .run()?;
    Ok(None)
}
