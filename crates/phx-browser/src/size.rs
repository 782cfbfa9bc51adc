//! `cargo xtask web-size`: what a browser downloads of the chat page in Rust, built for size as a user would.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::program::{self, Kept, WebProgram};

mod parts;

/// Program that is measured.
const NAME: &str = "web-chat";

/// Profile for the smallest program.
const PROFILE: &str = "
[profile.release]
opt-level = \"z\"
lto = \"fat\"
codegen-units = 1
panic = \"abort\"
";

/// Options of `wasm-opt`. What a generic function was made into for several types is alike, and gzip finds it only near by:
/// hence the order by name, and none of what is called once is inlined (`-ocimfs 0`). The features are those that the
/// compiler uses: with all of them the program is one that Node 20 refuses to load.
const OPTIMISE: [&str; 11] = [
    "-Os",
    "-ocimfs",
    "0",
    "--reorder-functions-by-name",
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// Largest size of the program, optimised and compressed, in bytes.
const LIMIT: usize = 160 << 10;

/// Prints the sizes and the parts of the program.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let folder = root.join("target/web-size");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("Cargo.toml"), manifest(&root)?)?;
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let path = build(&folder)?;
    let size = measure(&path, &folder)?;
    let named = optimise(&named(&path)?, &folder, Kept::Names)?;
    println!("\nbytes, optimised, by crate\n{}", parts::table(&named)?);
    let is_met = size <= LIMIT;
    println!("goal: {LIMIT} bytes, {}", if is_met { "met" } else { "missed" });
    Ok(if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the manifest of a workspace apart with the program, since the profile and the lock file are for it alone.
fn manifest(root: &Path) -> anyhow::Result<String> {
    let mut cargo = program::cargo();
    cargo.args(["metadata", "--locked", "--no-deps", "--format-version", "1"]);
    let output = cargo.current_dir(root).output().context("can't start cargo")?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo's metadata")?;
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let package = packages.find(|package| package["name"] == NAME).context("no such package")?;
    let main = &package["targets"][0]["src_path"];
    let mut text = format!(
        "[package]\nname = {NAME:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
         [[bin]]\nname = {NAME:?}\npath = {main}\n{PROFILE}"
    );
    // JSON's texts and lists of texts are those of TOML.
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let of = |key: &str| &dependency[key];
        let (name, req, features) = (of("name"), of("req"), of("features"));
        let defaults = of("uses_default_features");
        text += &format!("[dependencies.{name}]\nversion = {req}\nfeatures = {features}\n");
        text += &format!("default-features = {defaults}\n");
        if dependency["path"].is_string() {
            text += &format!("path = {}\n", dependency["path"]);
        }
    }
    Ok(text)
}

fn build(folder: &Path) -> anyhow::Result<PathBuf> {
    let mut cargo = program::cargo_build("release");
    cargo.current_dir(folder);
    program::artifact(cargo, NAME)
}

/// Prints the sizes of a program, and returns the last one.
fn measure(path: &Path, folder: &Path) -> anyhow::Result<usize> {
    let linked = WebProgram::bind(path, NAME, Kept::Nothing)?.wasm;
    let optimised = optimise(&named(path)?, folder, Kept::Nothing)?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&optimised)?;
    let compressed = gzip.finish()?.len();
    println!("bytes  linked  optimised  and gzipped");
    println!("{:>13} {:>10} {compressed:>12}", linked.len(), optimised.len());
    Ok(compressed)
}

/// The program with the names of its functions, by which they are put in order.
fn named(path: &Path) -> anyhow::Result<Vec<u8>> {
    Ok(WebProgram::bind(path, NAME, Kept::Names)?.wasm)
}

/// Runs `wasm-opt`, whose package is pinned.
fn optimise(wasm: &[u8], folder: &Path, kept: Kept) -> anyhow::Result<Vec<u8>> {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("js/node_modules/binaryen/bin/wasm-opt");
    let (input, output) = (folder.join("linked.wasm"), folder.join("optimised.wasm"));
    fs::write(&input, wasm)?;
    let mut node = Command::new("node");
    node.arg(tool).arg(&input).arg("-o").arg(&output).args(OPTIMISE);
    // Of what it would keep otherwise, a browser needs nothing.
    node.args(match kept {
        Kept::Nothing => &["--strip-debug", "--strip-producers", "--strip-target-features"][..],
        Kept::Names | Kept::NamesAndChecks => &["-g"],
    });
    let status = node.status().context("can't start node")?;
    ensure!(status.success(), "wasm-opt ended with {status}; `cargo xtask web-size` installs it");
    Ok(fs::read(output)?)
}
