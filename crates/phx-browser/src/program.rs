//! The page's program: built for the browser, and bound to JavaScript by the pinned wasm-bindgen.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use wasm_bindgen_cli_support::Bindgen;

/// Target of programs in a page.
const TARGET: &str = "wasm32-unknown-unknown";

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
        let path = compile(package, name, profile)?;
        let mut output = Bindgen::new()
            .input_path(&path)
            .web(true)?
            .typescript(false)
            .remove_name_section(profile == "release")
            .generate_output()
            .with_context(|| format!("wasm-bindgen failed on {}", path.display()))?;
        let script = output.js().to_owned();
        let wasm = output.wasm_mut().emit_wasm();
        let has_snippets = output.snippets().values().any(|snippets| !snippets.is_empty());
        ensure!(!has_snippets, "{name} has snippets of JavaScript, which aren't served");
        Ok(WebProgram { script, wasm })
    }
}

/// Runs cargo, and returns the path of the program.
fn compile(package: &str, name: &str, profile: &str) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--locked", "--target", TARGET, "--profile", profile])
        .args(["--package", package, "--bin", name])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit());
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
