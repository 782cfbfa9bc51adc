//! Builds programs of this workspace, for the tests that run them.

use std::env;
use std::path::PathBuf;

use escargot::CargoBuild;

/// Manifest of the workspace.
pub(crate) const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");

/// Builds what `build` names, so that no test runs an old program, and returns its path. The features are those of
/// `cargo xtask test`, so that there it is built already.
pub(crate) fn built(build: CargoBuild) -> PathBuf {
    let build = build.manifest_path(WORKSPACE).all_features().args(["--workspace", "--locked"]);
    without_variables_of_cargo(build).run().unwrap().path().to_owned()
}

/// Hides the variables that cargo sets for a test: for a build script that depends on one of them, as that of `ring`
/// does, everything above it would be built again, now and after the test.
pub(crate) fn without_variables_of_cargo(build: CargoBuild) -> CargoBuild {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let of_cargo =
        |name: &String| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    names.filter(of_cargo).fold(build, CargoBuild::env_remove)
}
