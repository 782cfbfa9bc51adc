//! Steps that are one or two calls of cargo.

use crate::command::Program;
use crate::step::Outcome;
use crate::steps::bare_metal;
use crate::tools;
use crate::workspace::{self, FUZZ, Workspace};

/// Beginning of the names of the behaviour suite's tests, and of no other test.
const SUITE: &str = "suite::phx-";

/// Part of the names of the tests with Supabase's official clients, and of no other test.
const SUPABASE: &str = "supabase_judge_";

/// Checks that the sources are formatted, with those of the workspaces apart.
pub(crate) fn fmt() -> Outcome {
    tools::rustfmt()?;
    Program::cargo().args(["fmt", "--all", "--check"]).run()?;
    for manifest in workspace::apart()? {
        Program::cargo().args(["fmt", "--manifest-path", manifest, "--all", "--check"]).run()?;
    }
    Ok(None)
}

/// Checks that no lint of the root Cargo.toml fires in any target, including the workspaces apart.
pub(crate) fn clippy() -> Outcome {
    tools::clippy()?;
    let targets = || Program::cargo().args(["clippy", "--locked", "--all-targets"]);
    let strict = ["--", "-D", "warnings"];
    targets().args(["--workspace", "--all-features"]).args(strict).run()?;
    targets().args(["--manifest-path", FUZZ]).args(strict).run()?;
    bare_metal::clippy()
}

/// Runs unit, integration and doc tests with all features. The behaviour suite and the tests with Supabase's official
/// clients are separate steps.
pub(crate) fn test() -> Outcome {
    Program::cargo()
        .args(["test", "--locked", "--workspace", "--all-features", "--"])
        .args(["--skip", SUITE, "--skip", SUPABASE])
        .run()?;
    // Code that exists only without TLS. One command for the three, which have the same features, builds what they share
    // once.
    done(Program::cargo().args(["test", "--locked", "--no-default-features", "--tests"]).args([
        "-p",
        "phx-tokio",
        "-p",
        "phx-smol",
        "-p",
        "phx-async-std",
    ]))
}

/// Runs the behaviour suite on every adapter, over real sockets, with one table of results.
///
/// One program, `crates/phx-testing/tests/suite.rs`, runs one list of tests on all adapters.
pub(crate) fn suite() -> Outcome {
    let suite = ["test", "--locked", "--workspace", "--all-features", "--test", "suite"];
    done(Program::cargo().args(suite))
}

/// Runs Supabase's official clients for JavaScript and Python against the server kit, and compares their codec.
pub(crate) fn supabase() -> Outcome {
    tools::supabase_clients()?;
    let clients =
        ["test", "--locked", "--workspace", "--all-features", "--test", "official_clients"];
    done(Program::cargo().args(clients))
}

/// Builds the docs without a warning: no broken link, no item without docs.
pub(crate) fn doc() -> Outcome {
    let doc = ["doc", "--locked", "--workspace", "--no-deps", "--all-features"];
    done(Program::cargo().env("RUSTDOCFLAGS", "-D warnings").args(doc))
}

/// Builds phx-proto with all features, phx-websocket without any, and a crate that uses the core, for targets without std;
/// phx-supabase for a page; and phx-web for a page, on which target alone it has code: its lints, its docs, and the programs
/// in them.
pub(crate) fn no_std() -> Outcome {
    tools::targets()?;
    for target in tools::NO_STD_TARGETS {
        Program::cargo()
            .args(["check", "--locked", "-p", "phx-proto", "--all-features", "--target", target])
            .run()?;
        Program::cargo()
            .args(["check", "--locked", "-p", "phx-websocket", "--no-default-features"])
            .args(["--target", target])
            .run()?;
        // A crate without std that uses all of the core. It is checked alone: other crates would turn features of
        // its dependencies on.
        Program::cargo()
            .args(["build", "--locked", "-p", "no-std-smoke", "--target", target])
            .run()?;
    }
    let page = |command| {
        let all = ["--locked", "-p", "phx-web", "--all-features", "--target", tools::PAGE_TARGET];
        Program::cargo().args([command]).args(all)
    };
    let tests = ["--package", "phx-browser", "--bin", "phx-browser"];
    let chat = ["--package", "web-chat", "--bin", "web-chat"];
    page("clippy").args(["--lib"]).args(tests).args(chat).args(["--", "-D", "warnings"]).run()?;
    page("doc").args(["--no-deps"]).env("RUSTDOCFLAGS", "-D warnings").run()?;
    // They compile, and can't run without a browser: each is `no_run`.
    page("test").args(["--doc"]).run()?;
    // Over phx-web's connector; broadcasts by HTTP need a socket of TCP.
    Program::cargo()
        .args(["check", "--locked", "-p", "phx-supabase", "--target", tools::PAGE_TARGET])
        .run()?;
    Ok(None)
}

/// Checks the published crates and the examples with the oldest supported compiler, `rust-version` in Cargo.toml, and
/// phx-web for a page as well, on which target alone it has code.
///
/// Tests are left out: their dependencies may need a newer compiler than users do.
pub(crate) fn msrv() -> Outcome {
    let version = tools::msrv_toolchain()?;
    let workspace = Workspace::load()?;
    // The other crates run in this repository only, with its compiler.
    let users = workspace.packages.iter().filter(|it| it.is_published || !it.examples.is_empty());
    Program::cargo_of(&version)
        .args(["check", "--locked", "--lib", "--bins", "--examples"])
        .args(users.flat_map(|it| ["--package", &it.name]))
        // A separate directory, since two compilers would replace each other's files.
        .args(["--all-features", "--target-dir", "target/msrv"])
        .run()?;
    Program::cargo_of(&version)
        .args(["check", "--locked", "-p", "phx-web", "--lib", "--all-features"])
        .args(["--target", tools::PAGE_TARGET, "--target-dir", "target/msrv"])
        .run()?;
    Ok(Some(format!("Rust {version}")))
}

/// Runs the tests against mutants of phx-proto's state machines and serializers: each must fail a test.
///
/// `.cargo/mutants.toml` lists the files, and the mutants that no test can detect. A run takes hours; pass single files
/// to `cargo mutants` for parts of it.
pub(crate) fn mutants() -> Outcome {
    tools::cargo_mutants()?;
    let mutants = ["mutants", "--package", "phx-proto", "--output", "target", "--no-shuffle"];
    done(Program::cargo().args(mutants).env("CARGO_PROFILE_DEV_DEBUG", "0"))
}

/// Runs a program, for a step without text for the summary.
fn done(program: Program) -> Outcome {
    program.run()?;
    Ok(None)
}
