//! The tools and targets the steps need beyond a stable toolchain, and how they are brought.
//!
//! Nothing is downloaded that is there already, so a second run works without a network.

use anyhow::Context as _;

use crate::command::Program;
use crate::step::Outcome;
use crate::workspace::Workspace;

/// Targets without std, or with one that can do nothing: what phx-proto must build for.
pub(crate) const NO_STD_TARGETS: [&str; 2] = ["thumbv7em-none-eabi", "wasm32-unknown-unknown"];

/// Pinned, so that a new release of it can't fail a change that has nothing to do with it.
const CARGO_DENY: &str = "0.20.2";

/// Brings everything.
pub(crate) fn all() -> Outcome {
    rustfmt()?;
    clippy()?;
    targets()?;
    msrv_toolchain()?;
    cargo_deny()?;
    Ok(None)
}

/// Makes sure of `cargo fmt`.
pub(crate) fn rustfmt() -> anyhow::Result<()> {
    component("rustfmt", "fmt")
}

/// Makes sure of `cargo clippy`.
pub(crate) fn clippy() -> anyhow::Result<()> {
    component("clippy", "clippy")
}

/// Makes sure of [`NO_STD_TARGETS`].
pub(crate) fn targets() -> anyhow::Result<()> {
    let installed = Program::new("rustup").args(["target", "list", "--installed"]);
    let installed = installed.output().context("rustup is needed for the no-std targets")?;
    let missing = missing_targets(&installed);
    if missing.is_empty() {
        return Ok(());
    }
    Program::new("rustup")
        .args(["target", "add"])
        .args(missing.iter().copied())
        .run()
        .with_context(|| format!("rustup couldn't add the targets {missing:?}"))
}

fn missing_targets(installed: &str) -> Vec<&'static str> {
    let absent = |target: &&str| !installed.lines().any(|line| line.trim() == *target);
    NO_STD_TARGETS.into_iter().filter(absent).collect()
}

/// Makes sure of the toolchain that `rust-version` in Cargo.toml names, and returns that name.
pub(crate) fn msrv_toolchain() -> anyhow::Result<String> {
    let version = Workspace::load()?.rust_version()?.to_owned();
    let present = Program::cargo_of(&version).args(["--version"]).output_if_any()?;
    if present.is_none() {
        Program::new("rustup")
            .args(["toolchain", "install", &version, "--profile", "minimal", "--no-self-update"])
            .run()
            .with_context(|| format!("rustup couldn't install Rust {version}, the MSRV"))?;
    }
    Ok(version)
}

/// Makes sure of cargo-deny in the pinned version; it takes some minutes to build.
pub(crate) fn cargo_deny() -> anyhow::Result<()> {
    let present = Program::cargo().args(["deny", "--version"]).output_if_any()?;
    if present.is_some_and(|text| is_version(&text, CARGO_DENY)) {
        return Ok(());
    }
    println!("cargo-deny {CARGO_DENY} isn't installed: building it, which takes some minutes");
    Program::cargo()
        .args(["install", "cargo-deny", "--locked", "--quiet", "--version", CARGO_DENY])
        .run()
        .with_context(|| format!("cargo couldn't install cargo-deny {CARGO_DENY}"))
}

/// Whether the answer to `--version`, "name 1.2.3", is of this version.
fn is_version(answer: &str, version: &str) -> bool {
    answer.split_whitespace().nth(1) == Some(version)
}

fn component(name: &str, subcommand: &str) -> anyhow::Result<()> {
    if Program::cargo().args([subcommand, "--version"]).output_if_any()?.is_some() {
        return Ok(());
    }
    Program::new("rustup")
        .args(["component", "add", name])
        .run()
        .with_context(|| format!("rustup couldn't add the component {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absent_targets_are_added() {
        assert_eq!(missing_targets("x86_64-unknown-linux-gnu\n"), NO_STD_TARGETS);
        assert_eq!(missing_targets("thumbv7em-none-eabi\n"), ["wasm32-unknown-unknown"]);
        assert_eq!(
            missing_targets("thumbv7em-none-eabihf\nwasm32-unknown-unknown\n"),
            ["thumbv7em-none-eabi"],
            "a longer name is another target"
        );
    }

    #[test]
    fn the_version_must_be_the_whole_word() {
        assert!(is_version("cargo-deny 0.20.2\n", "0.20.2"));
        assert!(!is_version("cargo-deny 0.20.21\n", "0.20.2"));
        assert!(!is_version("", "0.20.2"));
    }
}
