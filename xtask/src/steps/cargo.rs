//! Steps that are a call or two of cargo.

use crate::command::Program;
use crate::step::Outcome;
use crate::steps::fuzz;
use crate::tools;
use crate::workspace::Workspace;

/// What the names of all tests of the behaviour suite begin with, and no other test's.
const SUITE: &str = "suite::phx-";

/// The sources are formatted, those of the fuzz targets too.
pub(crate) fn fmt() -> Outcome {
    tools::rustfmt()?;
    Program::cargo().args(["fmt", "--all", "--check"]).run()?;
    let fuzz = ["fmt", "--manifest-path", fuzz::manifest()?, "--all", "--check"];
    done(Program::cargo().args(fuzz))
}

/// No lint fires in any target, those of the fuzz targets' workspace included; which lints there are
/// is said in the root Cargo.toml.
pub(crate) fn clippy() -> Outcome {
    tools::clippy()?;
    let targets = || Program::cargo().args(["clippy", "--locked", "--all-targets"]);
    let strict = ["--", "-D", "warnings"];
    targets().args(["--workspace", "--all-features"]).args(strict).run()?;
    done(targets().args(["--manifest-path", fuzz::manifest()?]).args(strict))
}

/// Unit, integration and doc tests, with all features. The behaviour suite is a separate step.
pub(crate) fn test() -> Outcome {
    Program::cargo()
        .args(["test", "--locked", "--workspace", "--all-features", "--", "--skip", SUITE])
        .run()?;
    // What is there only without TLS.
    for package in ["phx-tokio", "phx-smol", "phx-async-std"] {
        Program::cargo()
            .args(["test", "--locked", "-p", package, "--no-default-features", "--tests"])
            .run()?;
    }
    Ok(None)
}

/// The behaviour suite on every adapter, over real sockets, with one table of the results.
///
/// The three run in one program, `crates/phx-testing/tests/suite.rs`, from one list of tests, so that
/// none can have fewer than another.
pub(crate) fn suite() -> Outcome {
    let suite = ["test", "--locked", "--workspace", "--all-features", "--test", "suite"];
    done(Program::cargo().args(suite))
}

/// The docs build without a warning: no broken link, no item without docs.
pub(crate) fn doc() -> Outcome {
    let doc = ["doc", "--locked", "--workspace", "--no-deps", "--all-features"];
    done(Program::cargo().env("RUSTDOCFLAGS", "-D warnings").args(doc))
}

/// phx-proto builds where there is no std, with all of its features, and so does a crate that uses it.
pub(crate) fn no_std() -> Outcome {
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

/// The oldest supported compiler, `rust-version` in Cargo.toml, takes the libraries and programs that are
/// published, and the examples.
///
/// Tests are left out: their dependencies may ask for a newer compiler than users need.
pub(crate) fn msrv() -> Outcome {
    let version = tools::msrv_toolchain()?;
    let workspace = Workspace::load()?;
    // The others are run in this repository only, with the compiler that is there.
    let users = workspace.packages.iter().filter(|it| it.is_published || !it.examples.is_empty());
    Program::cargo_of(&version)
        .args(["check", "--locked", "--lib", "--bins", "--examples"])
        .args(users.flat_map(|it| ["--package", &it.name]))
        // A separate directory, or the two compilers would throw away each other's work.
        .args(["--all-features", "--target-dir", "target/msrv"])
        .run()?;
    Ok(Some(format!("Rust {version}")))
}

/// phx-proto's machines and serializers with one fault put in at a time: a test must see each.
///
/// Which files, and which faults no test can see, is in `.cargo/mutants.toml`. It takes hours; pass a
/// file or two to `cargo mutants` itself to do it in parts.
pub(crate) fn mutants() -> Outcome {
    tools::cargo_mutants()?;
    let mutants = ["mutants", "--package", "phx-proto", "--output", "target", "--no-shuffle"];
    done(Program::cargo().args(mutants).env("CARGO_PROFILE_DEV_DEBUG", "0"))
}

/// For a step that has nothing more to say.
fn done(program: Program) -> Outcome {
    program.run()?;
    Ok(None)
}
