//! The page's program: built for the browser, and bound to JavaScript by the pinned wasm-bindgen.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use wasm_bindgen_cli_support::Bindgen;

use crate::http::JAVASCRIPT;

/// Target of programs in a page.
const TARGET: &str = "wasm32-unknown-unknown";

/// What is kept of a program for those who look into it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Nothing,
    /// The names of its functions.
    Names,
    /// The names, and the checks of what the browser returns, as in programs that are being developed.
    NamesAndChecks,
}

/// A program for the browser.
pub(crate) struct WebProgram {
    /// Module that exports the function which loads and starts the program.
    pub(crate) script: String,
    /// The program, which the module loads from beside itself as `NAME_bg.wasm`.
    pub(crate) wasm: Vec<u8>,
}

impl WebProgram {
    /// Builds the binary `name` of a package of this workspace.
    pub(crate) fn build(package: &str, name: &str, profile: &str) -> anyhow::Result<Self> {
        let mut cargo = cargo_build(profile);
        cargo.args(["--locked", "--package", package, "--bin", name]);
        let kept = if profile == "release" { Kept::Nothing } else { Kept::NamesAndChecks };
        WebProgram::bind(&artifact(cargo, name)?, name, kept)
    }

    /// Binds a program of this path to JavaScript.
    pub(crate) fn bind(path: &Path, name: &str, kept: Kept) -> anyhow::Result<Self> {
        let mut output = Bindgen::new()
            .input_path(path)
            .web(true)?
            .typescript(false)
            .remove_name_section(kept == Kept::Nothing)
            .debug(kept == Kept::NamesAndChecks)
            .generate_output()
            .with_context(|| format!("wasm-bindgen failed on {}", path.display()))?;
        let script = output.js().to_owned();
        let wasm = output.wasm_mut().emit_wasm();
        let has_snippets = output.snippets().values().any(|snippets| !snippets.is_empty());
        ensure!(!has_snippets, "{name} has snippets of JavaScript, which aren't served");
        Ok(WebProgram { script, wasm })
    }

    /// Returns a file that a page with this crate's program loads, with its media type: the program, or `pages/run.mjs`,
    /// which runs it.
    pub(crate) fn file(&self, path: &str) -> Option<(&'static str, Vec<u8>)> {
        match path {
            "/run.mjs" => Some((JAVASCRIPT, include_bytes!("../pages/run.mjs").to_vec())),
            "/page.js" => Some((JAVASCRIPT, self.script.clone().into_bytes())),
            "/page_bg.wasm" => Some(("application/wasm", self.wasm.clone())),
            _ => None,
        }
    }
}

/// Returns cargo's command to build for the browser.
pub(crate) fn cargo_build(profile: &str) -> Command {
    let mut cargo = cargo();
    cargo
        .args(["build", "--target", TARGET, "--profile", profile])
        .args(["--message-format", "json-render-diagnostics"]);
    cargo
}

/// Returns the cargo that runs this program, or the one on the path.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs cargo's command, and returns the path of the binary `name`.
pub(crate) fn artifact(mut cargo: Command, name: &str) -> anyhow::Result<PathBuf> {
    cargo.stderr(Stdio::inherit());
    let output = cargo.output().context("can't start cargo")?;
    if !output.status.success() {
        bail!("{name} doesn't build for {TARGET}: cargo ended with {}", output.status);
    }
    let lines = std::str::from_utf8(&output.stdout)?.lines();
    let artifacts = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut of_it = artifacts.filter(|artifact| {
        artifact["reason"] == "compiler-artifact" && artifact["target"]["name"] == name
    });
    let artifact = of_it.next().context("cargo reports no program")?;
    let files = artifact["filenames"].as_array().into_iter().flatten();
    let mut files = files.filter_map(Value::as_str).filter(|file| file.ends_with(".wasm"));
    files.next().map(PathBuf::from).context("cargo reports no file of the program")
}
