//! Installs the tools and targets that the steps need besides a stable toolchain.
//!
//! Tools that are installed aren't downloaded again, so a second run works without a network.

mod packages;

use anyhow::Context as _;

use crate::command::Program;
use crate::step::Outcome;
use crate::workspace::Workspace;

pub(crate) use packages::supabase_clients;
use packages::{BINARYEN, Npm, PHOENIX, SUPABASE};

/// Targets that phx-proto must build for: without std, or with an empty one.
pub(crate) const NO_STD_TARGETS: [&str; 2] = [BOARD_TARGET, PAGE_TARGET];

/// Target of programs for a Cortex-M4, without an operating system.
pub(crate) const BOARD_TARGET: &str = "thumbv7em-none-eabi";

/// Target of programs in a web page, for which phx-web isn't empty.
pub(crate) const PAGE_TARGET: &str = "wasm32-unknown-unknown";

/// Pinned, so that a new release can't fail an unrelated change.
const CARGO_DENY: &str = "0.20.2";

/// Pinned, since another release may count lines differently, or make other mutants.
const CARGO_LLVM_COV: &str = "0.9.1";
const CARGO_MUTANTS: &str = "27.1.0";

/// Compiler whose rustdoc makes the texts in `api/`. The public-api crate in xtask/Cargo.toml reads its JSON: both must
/// change together.
const API_TOOLCHAIN: &str = "1.95.0";

/// A browser with its driver, and their Debian packages.
const BROWSER: [(&str, &str); 2] = [("chromium", "chromium"), ("chromedriver", "chromium-driver")];

/// Programs that tests run, and their Debian packages: an HTTP proxy, a SOCKS5 proxy, and a browser.
const PROGRAMS: [(&str, &str); 4] =
    [("tinyproxy", "tinyproxy"), ("microsocks", "microsocks"), BROWSER[0], BROWSER[1]];

/// The emulator of boards, and its Debian package.
const QEMU: &str = "qemu-system-arm";

/// Installs everything, and prints before what that may install.
pub(crate) fn all() -> Outcome {
    print!("{}", announcement(Workspace::load()?.rust_version()?));
    node_packages()?;
    supabase_clients()?;
    programs()?;
    valgrind()?;
    qemu()?;
    rustfmt()?;
    clippy()?;
    targets()?;
    msrv_toolchain()?;
    api_toolchain()?;
    cargo_deny()?;
    Ok(None)
}

/// Returns the text about what [`all`] may install, and with which program.
fn announcement(rust_version: &str) -> String {
    let targets = NO_STD_TARGETS.join(", ");
    let packages = PROGRAMS.map(|(_, package)| package).join(", ");
    let Npm { folder: phoenix_folder, what: phoenix, .. } = PHOENIX;
    let Npm { folder: supabase_folder, what: supabase, .. } = SUPABASE;
    format!(
        "What is missing of this will be installed:\n  \
         rustup:  rustfmt, clippy; the toolchains {rust_version} and {API_TOOLCHAIN}; the targets {targets}\n  \
         cargo:   cargo-deny {CARGO_DENY}, in cargo's bin directory\n  \
         npm:     {phoenix}, in {phoenix_folder}; {supabase}, in {supabase_folder}\n  \
         pip:     Supabase's official Python client, in {supabase_folder}/venv\n  \
         apt-get: {packages}, valgrind, {QEMU}, if you are root\n"
    )
}

/// Installs `cargo fmt`.
pub(crate) fn rustfmt() -> anyhow::Result<()> {
    component("rustfmt", "fmt")
}

/// Installs `cargo clippy`.
pub(crate) fn clippy() -> anyhow::Result<()> {
    component("clippy", "clippy")
}

/// Installs [`NO_STD_TARGETS`].
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

/// Installs the toolchain of `rust-version` in Cargo.toml with the browser's target, and returns its name.
pub(crate) fn msrv_toolchain() -> anyhow::Result<String> {
    let version = Workspace::load()?.rust_version()?.to_owned();
    toolchain(&version).with_context(|| format!("Rust {version} is the MSRV"))?;
    page_target(&version)?;
    Ok(version)
}

/// Installs the toolchain of the `api` step with the browser's target, and returns its name.
pub(crate) fn api_toolchain() -> anyhow::Result<&'static str> {
    toolchain(API_TOOLCHAIN).context("the texts in api/ are made with it")?;
    page_target(API_TOOLCHAIN)?;
    Ok(API_TOOLCHAIN)
}

/// Installs the browser's target for a toolchain.
fn page_target(toolchain: &str) -> anyhow::Result<()> {
    let of_it = ["--toolchain", toolchain];
    let installed = Program::new("rustup").args(["target", "list", "--installed"]).args(of_it);
    if missing_targets(&installed.output()?).contains(&PAGE_TARGET) {
        rustup(&[&["target", "add", PAGE_TARGET], &of_it[..]].concat())?;
    }
    Ok(())
}

fn toolchain(version: &str) -> anyhow::Result<()> {
    if Program::cargo_of(version).args(["--version"]).output_if_any()?.is_some() {
        return Ok(());
    }
    rustup(&["toolchain", "install", version, "--profile", "minimal", "--no-self-update"])
}

/// Installs the pinned version of cargo-deny.
pub(crate) fn cargo_deny() -> anyhow::Result<()> {
    subcommand("deny", CARGO_DENY)
}

/// Installs the pinned version of cargo-llvm-cov, and the tools it needs.
pub(crate) fn cargo_llvm_cov() -> anyhow::Result<()> {
    rustup(&["component", "add", "llvm-tools"])?;
    subcommand("llvm-cov", CARGO_LLVM_COV)
}

/// Installs the pinned version of cargo-mutants.
pub(crate) fn cargo_mutants() -> anyhow::Result<()> {
    subcommand("mutants", CARGO_MUTANTS)
}

/// Installs Miri, and returns the name of its toolchain.
pub(crate) fn miri() -> anyhow::Result<&'static str> {
    const NIGHTLY: &str = "nightly";
    toolchain(NIGHTLY)?;
    rustup(&["component", "add", "miri", "rust-src", "--toolchain", NIGHTLY])
        .context("not every nightly has Miri")?;
    Ok(NIGHTLY)
}

/// Installs `cargo NAME` in this version; the build takes minutes.
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

/// Checks that Node is installed, and installs npm's `phoenix`.
pub(crate) fn node_packages() -> anyhow::Result<()> {
    PHOENIX.bring()
}

/// Installs [`PROGRAMS`].
fn programs() -> anyhow::Result<()> {
    PROGRAMS.into_iter().try_for_each(|(name, package)| debian_package(name, package))
}

/// Installs Chromium and its driver, and the target of programs in it.
pub(crate) fn browser() -> anyhow::Result<()> {
    targets()?;
    BROWSER.into_iter().try_for_each(|(name, package)| debian_package(name, package))
}

/// Installs the target of pages and the official client, for `cargo xtask web-chat`.
pub(crate) fn web_chat() -> anyhow::Result<()> {
    targets()?;
    node_packages()
}

/// Installs the target of pages and `wasm-opt`, for `cargo xtask web-size`. It has 100 MiB, so only there.
pub(crate) fn web_size() -> anyhow::Result<()> {
    targets()?;
    BINARYEN.bring()
}

/// Installs a browser and the official client, for `cargo xtask web-speed`.
pub(crate) fn web_speed() -> anyhow::Result<()> {
    browser()?;
    node_packages()
}

/// Installs valgrind, which counts instructions.
pub(crate) fn valgrind() -> anyhow::Result<()> {
    debian_package("valgrind", "valgrind")
}

/// Installs QEMU, which runs programs for a board.
pub(crate) fn qemu() -> anyhow::Result<()> {
    debian_package(QEMU, QEMU)
}

/// Installs a program of this package with apt-get, if that is possible: as root on Debian and its derivatives.
fn debian_package(name: &str, package: &str) -> anyhow::Result<()> {
    // They have no common option for a version, so the check is for the program itself.
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

/// Returns true if the output of `--version`, "name 1.2.3", has this version.
fn is_version(answer: &str, version: &str) -> bool {
    answer.split_whitespace().nth(1) == Some(version)
}

fn component(name: &str, subcommand: &str) -> anyhow::Result<()> {
    if Program::cargo().args([subcommand, "--version"]).output_if_any()?.is_some() {
        return Ok(());
    }
    rustup(&["component", "add", name])
}

/// Runs rustup; a failure names the whole command.
fn rustup(args: &[&str]) -> anyhow::Result<()> {
    Program::new("rustup").args(args.iter().copied()).run()
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        let versions = ["1.88", API_TOOLCHAIN, "rustfmt", "clippy", "cargo-deny"];
        let folders = [PHOENIX.folder, SUPABASE.folder];
        let packages = PROGRAMS.map(|(_, package)| package);
        let names = versions.into_iter().chain(NO_STD_TARGETS).chain(folders).chain(packages);
        for name in names.chain(["valgrind", QEMU]) {
            assert!(list.contains(name), "{name} isn't announced");
            assert!(readme.contains(name), "README.md doesn't name {name}");
        }
    }

    #[test]
    fn the_version_must_be_the_whole_word() {
        assert!(is_version("cargo-deny 0.20.2\n", "0.20.2"));
        assert!(!is_version("cargo-deny 0.20.21\n", "0.20.2"));
        assert!(!is_version("", "0.20.2"));
    }
}
