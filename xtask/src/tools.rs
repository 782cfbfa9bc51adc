//! The tools and targets the steps need beyond a stable toolchain, and how they are brought.
//!
//! Nothing is downloaded that is there already, so a second run works without a network.

use std::fs;
use std::time::SystemTime;

use anyhow::{Context as _, bail};

use crate::command::Program;
use crate::step::Outcome;
use crate::workspace::Workspace;

/// Targets without std, or with one that can do nothing: what phx-proto must build for.
pub(crate) const NO_STD_TARGETS: [&str; 2] = ["thumbv7em-none-eabi", "wasm32-unknown-unknown"];

/// Pinned, so that a new release of it can't fail a change that has nothing to do with it.
const CARGO_DENY: &str = "0.20.2";

/// Pinned too: another release may count lines otherwise, or make other mutants.
const CARGO_LLVM_COV: &str = "0.9.1";
const CARGO_MUTANTS: &str = "27.1.0";

/// The compiler whose rustdoc makes the texts in `api/`: its JSON is what the public-api crate in
/// xtask/Cargo.toml reads. Both change together.
const API_TOOLCHAIN: &str = "1.95.0";

/// The oldest Node that the programs in [`NPM_PACKAGE`] run on.
const NODE: u32 = 18;

/// Where the official JavaScript client is run from.
const NPM_PACKAGE: &str = "crates/phx-conformance/js";

/// Programs that tests run, and the Debian packages that hold them: an HTTP proxy, a SOCKS5 proxy, and a
/// browser with what drives it.
const PROGRAMS: [(&str, &str); 4] = [
    ("tinyproxy", "tinyproxy"),
    ("microsocks", "microsocks"),
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
];

/// Brings everything, and says before what that may install.
pub(crate) fn all() -> Outcome {
    print!("{}", announcement(Workspace::load()?.rust_version()?));
    node_packages()?;
    programs()?;
    valgrind()?;
    rustfmt()?;
    clippy()?;
    targets()?;
    msrv_toolchain()?;
    api_toolchain()?;
    cargo_deny()?;
    Ok(None)
}

/// What [`all`] may install, and with which program.
fn announcement(rust_version: &str) -> String {
    let targets = NO_STD_TARGETS.join(", ");
    let packages = PROGRAMS.map(|(_, package)| package).join(", ");
    format!(
        "What is missing of this will be installed:\n  \
         rustup:  rustfmt, clippy; the toolchains {rust_version} and {API_TOOLCHAIN}; the targets {targets}\n  \
         cargo:   cargo-deny {CARGO_DENY}, in cargo's bin directory\n  \
         npm:     the official JavaScript client, in {NPM_PACKAGE}/node_modules\n  \
         apt-get: {packages}, valgrind, if you are root\n"
    )
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
    rustup(&[&["target", "add"], &missing[..]].concat())
}

fn missing_targets(installed: &str) -> Vec<&'static str> {
    let absent = |target: &&str| !installed.lines().any(|line| line.trim() == *target);
    NO_STD_TARGETS.into_iter().filter(absent).collect()
}

/// Makes sure of the toolchain that `rust-version` in Cargo.toml names, and returns that name.
pub(crate) fn msrv_toolchain() -> anyhow::Result<String> {
    let version = Workspace::load()?.rust_version()?.to_owned();
    toolchain(&version).with_context(|| format!("Rust {version} is the MSRV"))?;
    Ok(version)
}

/// Makes sure of the toolchain that the `api` step documents with, and returns its name.
pub(crate) fn api_toolchain() -> anyhow::Result<&'static str> {
    toolchain(API_TOOLCHAIN).context("the texts in api/ are made with it")?;
    Ok(API_TOOLCHAIN)
}

fn toolchain(version: &str) -> anyhow::Result<()> {
    if Program::cargo_of(version).args(["--version"]).output_if_any()?.is_some() {
        return Ok(());
    }
    rustup(&["toolchain", "install", version, "--profile", "minimal", "--no-self-update"])
}

/// Makes sure of cargo-deny in the pinned version.
pub(crate) fn cargo_deny() -> anyhow::Result<()> {
    subcommand("deny", CARGO_DENY)
}

/// Makes sure of cargo-llvm-cov in the pinned version, and of the tools it needs.
pub(crate) fn cargo_llvm_cov() -> anyhow::Result<()> {
    rustup(&["component", "add", "llvm-tools"])?;
    subcommand("llvm-cov", CARGO_LLVM_COV)
}

/// Makes sure of cargo-mutants in the pinned version.
pub(crate) fn cargo_mutants() -> anyhow::Result<()> {
    subcommand("mutants", CARGO_MUTANTS)
}

/// Makes sure of Miri, and returns the name of its toolchain.
pub(crate) fn miri() -> anyhow::Result<&'static str> {
    const NIGHTLY: &str = "nightly";
    toolchain(NIGHTLY)?;
    rustup(&["component", "add", "miri", "rust-src", "--toolchain", NIGHTLY])
        .context("not every nightly has Miri")?;
    Ok(NIGHTLY)
}

/// Makes sure of `cargo NAME` in this version; it takes some minutes to build.
fn subcommand(name: &str, version: &str) -> anyhow::Result<()> {
    let present = Program::cargo().args([name, "--version"]).output_if_any()?;
    if present.is_some_and(|text| is_version(&text, version)) {
        return Ok(());
    }
    let package = format!("cargo-{name}");
    println!("{package} {version} isn't installed: building it, which takes some minutes");
    Program::cargo()
        .args(["install", &package, "--locked", "--quiet", "--version", version])
        .run()
        .with_context(|| format!("cargo couldn't install {package} {version}"))
}

/// Makes sure of Node, which has to be there, and of the npm packages of [`NPM_PACKAGE`].
pub(crate) fn node_packages() -> anyhow::Result<()> {
    let node = Program::new("node").args(["--version"]).output_if_any()?;
    let major = node.as_deref().and_then(node_major);
    if major.is_none_or(|major| major < NODE) {
        let found = node.as_deref().map_or("none", str::trim);
        bail!(
            "the tests with the official JavaScript client need Node {NODE} or newer, https://nodejs.org; found: {found}"
        );
    }
    if Program::new("npm").args(["--version"]).output_if_any()?.is_none() {
        bail!(
            "npm, which comes with Node, isn't installed: it brings the official JavaScript client"
        );
    }
    let lock = modified(&format!("{NPM_PACKAGE}/package-lock.json"));
    // npm writes it at the end of an install.
    let installed = modified(&format!("{NPM_PACKAGE}/node_modules/.package-lock.json"));
    if is_current(installed, lock) {
        return Ok(());
    }
    Program::new("npm")
        .args(["ci", "--prefix", NPM_PACKAGE, "--ignore-scripts", "--no-audit", "--no-fund"])
        .run()
        .with_context(|| format!("npm couldn't install the packages of {NPM_PACKAGE}"))
}

/// Makes sure of [`PROGRAMS`].
fn programs() -> anyhow::Result<()> {
    PROGRAMS.into_iter().try_for_each(|(name, package)| debian_package(name, package))
}

/// Makes sure of valgrind, which counts instructions.
pub(crate) fn valgrind() -> anyhow::Result<()> {
    debian_package("valgrind", "valgrind")
}

/// Makes sure of a program that is in this package: with apt-get where that works, as root on Debian
/// and its derivatives.
fn debian_package(name: &str, package: &str) -> anyhow::Result<()> {
    // They don't agree on an option that shows a version; what counts is that they start.
    if Program::new("sh").args(["-c", &format!("command -v {name}")]).output().is_ok() {
        return Ok(());
    }
    let install = |args: &[&str]| Program::new("apt-get").args(args.iter().copied()).run();
    install(&["update", "-q"])
        .and_then(|()| install(&["install", "-y", "-q", "--no-install-recommends", package]))
        .with_context(|| {
            format!("a check needs the program {name}; `apt-get install {package}` brings it")
        })
}

/// The 20 of "v20.11.1".
fn node_major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn modified(path: &str) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// Whether something is there, and not older than what it was made from.
fn is_current(made: Option<SystemTime>, source: Option<SystemTime>) -> bool {
    made.is_some() && made >= source
}

/// Whether the answer to `--version`, "name 1.2.3", is of this version.
fn is_version(answer: &str, version: &str) -> bool {
    answer.split_whitespace().nth(1) == Some(version)
}

fn component(name: &str, subcommand: &str) -> anyhow::Result<()> {
    if Program::cargo().args([subcommand, "--version"]).output_if_any()?.is_some() {
        return Ok(());
    }
    rustup(&["component", "add", name])
}

/// Has something installed; a failure names the whole command.
fn rustup(args: &[&str]) -> anyhow::Result<()> {
    Program::new("rustup").args(args.iter().copied()).run()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
    fn the_readme_lists_what_is_installed() {
        let readme = fs::read_to_string("../README.md").unwrap();
        let list = announcement("1.88");
        let versions = ["1.88", API_TOOLCHAIN, "rustfmt", "clippy", "cargo-deny", NPM_PACKAGE];
        let packages = PROGRAMS.map(|(_, package)| package);
        for name in versions.into_iter().chain(NO_STD_TARGETS).chain(packages).chain(["valgrind"]) {
            assert!(list.contains(name), "{name} isn't announced");
            assert!(readme.contains(name), "README.md doesn't name {name}");
        }
    }

    #[test]
    fn nodes_major_version() {
        assert_eq!(node_major("v20.11.1\n"), Some(20));
        assert_eq!(node_major("20"), None);
        assert_eq!(node_major(""), None);
    }

    #[test]
    fn what_is_absent_or_older_than_its_source_is_made_again() {
        let (earlier, later) =
            (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        assert!(is_current(Some(later), Some(earlier)));
        assert!(!is_current(Some(earlier), Some(later)));
        assert!(!is_current(None, Some(later)));
    }

    #[test]
    fn the_version_must_be_the_whole_word() {
        assert!(is_version("cargo-deny 0.20.2\n", "0.20.2"));
        assert!(!is_version("cargo-deny 0.20.21\n", "0.20.2"));
        assert!(!is_version("", "0.20.2"));
    }
}
