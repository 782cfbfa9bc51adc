//! The workspace, as `cargo metadata` reports it.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::command::Program;

/// Manifest of the fuzz targets.
pub(crate) const FUZZ: &str = "fuzz/Cargo.toml";

/// Manifest of the program for a board.
pub(crate) const BARE_METAL: &str = "examples/bare_metal/Cargo.toml";

/// Returns the manifests of the workspaces apart from the root's, which are checked as it is; an error if one is missing.
pub(crate) fn apart() -> anyhow::Result<[&'static str; 2]> {
    let manifests = [BARE_METAL, FUZZ];
    for manifest in manifests {
        ensure!(Path::new(manifest).exists(), "{manifest} is missing");
    }
    Ok(manifests)
}

/// Returns the absolute path of the target directory. The working directory must be the workspace's root.
pub(crate) fn target_directory() -> anyhow::Result<PathBuf> {
    let root = env::current_dir().context("can't find the workspace")?;
    Ok(root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())))
}

/// Crates of a workspace.
pub(crate) struct Workspace {
    /// Crates, sorted by name.
    pub(crate) packages: Vec<Package>,
}

/// A crate of the workspace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Features in alphabetical order, with `default` and those of optional dependencies.
    pub(crate) features: Vec<String>,
    /// Names of its examples.
    pub(crate) examples: Vec<String>,
    /// Oldest supported compiler, from its manifest.
    pub(crate) rust_version: Option<String>,
    /// True if it may be published.
    pub(crate) is_published: bool,
}

impl Workspace {
    pub(crate) fn load() -> anyhow::Result<Self> {
        let json = Program::cargo()
            .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
            .output()?;
        Workspace::parse(&json).context("can't make sense of cargo metadata")
    }

    fn parse(json: &str) -> anyhow::Result<Self> {
        let metadata: Value = serde_json::from_str(json)?;
        let packages = metadata.get("packages").and_then(Value::as_array).context("no packages")?;
        let mut packages =
            packages.iter().map(Package::parse).collect::<anyhow::Result<Vec<_>>>()?;
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Workspace { packages })
    }

    /// Returns the oldest compiler that the workspace supports: the same for all crates.
    pub(crate) fn rust_version(&self) -> anyhow::Result<&str> {
        let mut versions: Vec<&str> = Vec::new();
        for package in &self.packages {
            let version = package.rust_version.as_deref();
            let version =
                version.with_context(|| format!("{} doesn't state rust-version", package.name))?;
            versions.push(version);
        }
        versions.dedup();
        match versions.as_slice() {
            [version] => Ok(version),
            versions => anyhow::bail!("the crates state different rust-versions: {versions:?}"),
        }
    }
}

impl Package {
    fn parse(package: &Value) -> anyhow::Result<Self> {
        let name = text(package, "name").context("a package without a name")?;
        let features = package.get("features").and_then(Value::as_object);
        let features = features.with_context(|| format!("{name} has no map of features"))?;
        let mut features: Vec<String> = features.keys().cloned().collect();
        features.sort();
        let targets = package.get("targets").and_then(Value::as_array);
        let targets = targets.with_context(|| format!("{name} has no targets"))?;
        let examples = targets.iter().filter(|target| is_example(target));
        let examples = examples.filter_map(|target| text(target, "name")).collect();
        // The allowed registries; missing or null for all of them.
        let registries = package.get("publish").and_then(Value::as_array);
        let is_published = registries.is_none_or(|registries| !registries.is_empty());
        let rust_version = text(package, "rust_version");
        Ok(Package { name, features, examples, rust_version, is_published })
    }
}

fn is_example(target: &Value) -> bool {
    let kinds = target.get("kind").and_then(Value::as_array);
    kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "example"))
}

fn text(value: &Value, field: &str) -> Option<String> {
    value.get(field).and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"{"packages": [
        {"name": "b", "rust_version": "1.88", "publish": [], "features": {}, "targets": [
            {"kind": ["lib"], "name": "b"}, {"kind": ["example"], "name": "quickstart"}]},
        {"name": "a", "rust_version": "1.88", "publish": null, "features": {"tls": [], "default": ["tls"]},
         "targets": [{"kind": ["lib"], "name": "a"}]}
    ]}"#;

    #[test]
    fn packages_are_sorted_with_their_features_and_examples() {
        let package = |name: &str, is_published, features: &[&str], examples: &[&str]| Package {
            name: name.to_owned(),
            features: features.iter().copied().map(String::from).collect(),
            examples: examples.iter().copied().map(String::from).collect(),
            rust_version: Some("1.88".to_owned()),
            is_published,
        };
        let workspace = Workspace::parse(METADATA).unwrap();
        assert_eq!(
            workspace.packages,
            [
                package("a", true, &["default", "tls"], &[]),
                package("b", false, &[], &["quickstart"])
            ]
        );
    }

    #[test]
    fn the_rust_version_is_the_same_everywhere() {
        assert_eq!(Workspace::parse(METADATA).unwrap().rust_version().unwrap(), "1.88");
        let mixed = METADATA.replacen("1.88", "1.90", 1);
        let error = Workspace::parse(&mixed).unwrap().rust_version().unwrap_err().to_string();
        assert!(error.contains("1.90"), "{error}");
        let missing = METADATA.replacen(r#""rust_version": "1.88","#, "", 1);
        let error = Workspace::parse(&missing).unwrap().rust_version().unwrap_err().to_string();
        assert_eq!(error, "b doesn't state rust-version");
    }

    #[test]
    fn anything_else_is_an_error() {
        for json in ["", "{}", r#"{"packages": [{}]}"#, r#"{"packages": [{"name": "a"}]}"#] {
            assert!(Workspace::parse(json).is_err(), "{json}");
        }
    }
}
