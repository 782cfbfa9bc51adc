//! Checks that phx-proto depends only on the crates listed here: no runtime, no WebSocket crate, nothing that needs std.
//!
//! The list has the allowed crates, so that every new dependency is reviewed.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};

use crate::command::Program;
use crate::step::Outcome;

/// Direct dependencies: buffers, maps, ids, randomness, numbers as text, text encodings, JSON, errors.
const DIRECT: &[&str] = &[
    "base64",
    "bytes",
    "bytestring",
    "fastrand",
    "foldhash",
    "hashbrown",
    "itoa",
    "percent-encoding",
    "serde",
    "serde_json",
    "slotmap",
    "thiserror",
    "url",
];

/// Dependencies of `serde_json`: floating-point numbers as text, searching.
const FOR_JSON: &[&str] = &["memchr", "serde_core", "zmij"];

/// Dependencies of url: international domain names, with the tables of ICU4X.
const FOR_URL: &[&str] = &[
    "form_urlencoded",
    "icu_collections",
    "icu_locale_core",
    "icu_normalizer",
    "icu_normalizer_data",
    "icu_properties",
    "icu_properties_data",
    "icu_provider",
    "idna",
    "idna_adapter",
    "litemap",
    "potential_utf",
    "smallvec",
    "stable_deref_trait",
    "tinystr",
    "utf8_iter",
    "utf_types",
    "writeable",
    "yoke",
    "zerofrom",
    "zerotrie",
    "zerovec",
];

/// Macros and their dependencies, which run in the compiler and are no part of the program.
const AT_COMPILE_TIME: &[&str] = &[
    "displaydoc",
    "proc-macro2",
    "quote",
    "serde_derive",
    "syn",
    "synstructure",
    "thiserror-impl",
    "unicode-ident",
    "yoke-derive",
    "zerofrom-derive",
    "zerovec-derive",
];

pub(crate) fn check() -> Outcome {
    let tree = Program::cargo()
        .args(["tree", "--locked", "-p", "phx-proto", "-e", "normal", "--all-features"])
        .args(["--prefix", "none", "--format", "{p}"])
        .output()?;
    let found = crates(&tree, "phx-proto")?;
    let allowed = [DIRECT, FOR_JSON, FOR_URL, AT_COMPILE_TIME].concat();
    compare(&found, &allowed.into_iter().collect())?;
    Ok(Some(format!("{} crates, all expected", found.len())))
}

/// Returns the names of the crates below `root` in the output of `cargo tree`, whose lines begin with a name and a
/// version.
fn crates<'a>(tree: &'a str, root: &str) -> anyhow::Result<BTreeSet<&'a str>> {
    let lines = tree.lines().filter(|line| !line.is_empty());
    let mut names: BTreeSet<&str> =
        lines.filter_map(|line| line.split_whitespace().next()).collect();
    if !names.remove(root) {
        bail!("cargo tree doesn't show {root}");
    }
    Ok(names)
}

fn compare(found: &BTreeSet<&str>, allowed: &BTreeSet<&str>) -> anyhow::Result<()> {
    let list = |names: Vec<&str>| (!names.is_empty()).then(|| names.join(", "));
    let new = list(found.difference(allowed).copied().collect());
    let gone = list(allowed.difference(found).copied().collect());
    let result = match (&new, &gone) {
        (None, None) => Ok(()),
        (Some(new), _) => Err(anyhow::anyhow!("phx-proto now depends on {new}")),
        (None, Some(gone)) => Err(anyhow::anyhow!("phx-proto no longer depends on {gone}")),
    };
    result.context("not what xtask/src/steps/tree.rs expects")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "phx-proto v0.1.0 (/somewhere/phx-proto)\nbytes v1.12.2\nserde v1.0.229\n\
        serde_derive v1.0.229 (proc-macro)\nbytes v1.12.2 (*)\n";

    #[test]
    fn names_once_each_without_the_root() {
        let found = crates(TREE, "phx-proto").unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["bytes", "serde", "serde_derive"]);
        assert!(crates("", "phx-proto").is_err());
    }

    #[test]
    fn what_is_new_is_named() {
        let found = BTreeSet::from(["bytes", "tokio", "mio"]);
        let error = compare(&found, &BTreeSet::from(["bytes"])).unwrap_err();
        assert!(format!("{error:#}").ends_with("phx-proto now depends on mio, tokio"), "{error:#}");
    }

    #[test]
    fn what_is_gone_is_named() {
        let error = compare(&BTreeSet::new(), &BTreeSet::from(["bytes"])).unwrap_err();
        assert!(format!("{error:#}").ends_with("no longer depends on bytes"), "{error:#}");
    }
}
