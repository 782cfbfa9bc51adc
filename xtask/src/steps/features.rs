//! Checks each crate alone: with default features, without them, with each single feature, and with all.
//!
//! In a build of the whole workspace the features of one crate hide those that another one lacks. Clippy checks, so
//! that code which is unused in one of the sets is found as well: in the crate alone, since those that it depends on
//! have their own sets.

use anyhow::ensure;

use crate::command::Program;
use crate::step::Outcome;
use crate::tools;
use crate::workspace::{Package, Workspace};

pub(crate) fn check() -> Outcome {
    tools::clippy()?;
    let workspace = Workspace::load()?;
    let mut checked = 0_usize;
    let mut failed = Vec::new();
    for package in &workspace.packages {
        for set in sets(package) {
            let check = Program::cargo()
                .args(["clippy", "--locked", "--quiet", "--no-deps", "-p", &package.name])
                .args(set.iter().map(String::as_str))
                .args(["--", "-D", "warnings"]);
            if let Err(error) = check.run() {
                println!("{error:#}");
                failed.push(format!("{} [{}]", package.name, set.join(" ")));
            }
            checked = checked.saturating_add(1);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join("; "));
    Ok(Some(format!("{checked} sets of features in {} crates", workspace.packages.len())))
}

/// Returns the arguments for each set of features, without repetitions.
fn sets(package: &Package) -> Vec<Vec<String>> {
    let named: Vec<&String> = package.features.iter().filter(|name| *name != "default").collect();
    let has_default = named.len() < package.features.len();

    let mut sets = vec![Vec::new()];
    if has_default {
        sets.push(vec!["--no-default-features".to_owned()]);
    }
    for feature in &named {
        sets.push(vec![
            "--no-default-features".to_owned(),
            "--features".to_owned(),
            (*feature).clone(),
        ]);
    }
    if named.len() > 1 {
        sets.push(vec!["--all-features".to_owned()]);
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets_of(features: &[&str]) -> Vec<String> {
        let package = Package {
            name: "crate".to_owned(),
            features: features.iter().copied().map(String::from).collect(),
            examples: Vec::new(),
            rust_version: None,
            is_published: true,
        };
        sets(&package).iter().map(|set| set.join(" ")).collect()
    }

    #[test]
    fn a_crate_without_features_is_built_once() {
        assert_eq!(sets_of(&[]), [""]);
    }

    #[test]
    fn without_defaults_the_plain_build_is_the_one_without_features() {
        assert_eq!(sets_of(&["tls"]), ["", "--no-default-features --features tls"]);
    }

    #[test]
    fn every_set_once() {
        assert_eq!(
            sets_of(&["default", "tls", "websocket"]),
            [
                "",
                "--no-default-features",
                "--no-default-features --features tls",
                "--no-default-features --features websocket",
                "--all-features",
            ]
        );
    }
}
