//! The oldest supported compiler, `rust-version` in Cargo.toml, takes the libraries and programs that are published, and
//! the examples.
//!
//! Tests are left out: their dependencies may ask for a newer compiler than users need.

use crate::command::Program;
use crate::step::Outcome;
use crate::tools;
use crate::workspace::Workspace;

pub(crate) fn check() -> Outcome {
    let version = tools::msrv_toolchain()?;
    let workspace = Workspace::load()?;
    // The others are run in this repository only, with the compiler that is there.
    let users = workspace.packages.iter().filter(|it| it.is_published || !it.examples.is_empty());
    Program::cargo_of(&version)
        .args(["check", "--locked", "--lib", "--bins", "--examples"])
        .args(users.flat_map(|it| ["--package", &it.name]))
        // A directory of its own, or the two compilers would throw away each other's work.
        .args(["--all-features", "--target-dir", "target/msrv"])
        .run()?;
    Ok(Some(format!("Rust {version}")))
}
