//! The oldest supported compiler, `rust-version` in Cargo.toml, takes the libraries and programs that are published, and
//! the examples.
//!
//! Tests are left out: their dependencies may ask for a newer compiler than users need.

use crate::command::Program;
use crate::step::Outcome;
use crate::tools;

/// What only this repository runs: it is built with the compiler that is there.
const UNPUBLISHED: [&str; 6] =
    ["phx-bench", "phx-chaos", "phx-conformance", "phx-pty", "phx-reliability", "xtask"];

pub(crate) fn check() -> Outcome {
    let version = tools::msrv_toolchain()?;
    Program::cargo_of(&version)
        .args(["check", "--locked", "--workspace", "--lib", "--bins", "--examples"])
        .args(UNPUBLISHED.iter().flat_map(|name| ["--exclude", name]))
        // A directory of its own, or the two compilers would throw away each other's work.
        .args(["--all-features", "--target-dir", "target/msrv"])
        .run()?;
    Ok(Some(format!("Rust {version}")))
}
