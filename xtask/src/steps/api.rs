//! The public APIs are as their texts in `api/` say, and those of the adapters are the same up to the
//! crate's name.
//!
//! The texts are made from rustdoc's JSON, whose format belongs to one compiler; so that compiler is
//! pinned, and the crate that reads it too.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};

use crate::command::Program;
use crate::step::Outcome;
use crate::tools;

/// Those that must not differ.
const ADAPTERS: [&str; 3] = ["phx-async-std", "phx-smol", "phx-tokio"];

/// The other crates whose API is kept as a text.
const BELOW: [&str; 3] = ["phx-client", "phx-proto", "phx-tungstenite"];

/// Lines of a difference that are shown.
const SHOWN: usize = 20;

pub(crate) fn check() -> Outcome {
    let mut faults = Vec::new();
    for (name, text) in texts()? {
        let kept = fs::read_to_string(path(name)).unwrap_or_default();
        faults.extend(difference(&path(name), &kept, &text));
    }
    for fault in &faults {
        println!("{fault}");
    }
    ensure!(
        faults.is_empty(),
        "the public API isn't what api/ says: if that is meant, run `cargo xtask api-accept`, and \
         look at the difference before you commit it"
    );
    Ok(Some(format!("{} crates", ADAPTERS.len().saturating_add(BELOW.len()))))
}

/// Writes the texts anew.
pub(crate) fn accept() -> Outcome {
    fs::create_dir_all("api").context("can't make the directory api")?;
    for (name, text) in texts()? {
        fs::write(path(name), text).with_context(|| format!("can't write {}", path(name)))?;
    }
    Ok(None)
}

/// The APIs as they are; an error if the adapters' differ, accepted or not.
fn texts() -> anyhow::Result<Vec<(&'static str, String)>> {
    let toolchain = tools::api_toolchain()?;
    let names = ADAPTERS.into_iter().chain(BELOW);
    let texts = names.map(|name| Ok((name, text(toolchain, name)?)));
    let texts = texts.collect::<anyhow::Result<Vec<_>>>()?;
    same_up_to_the_name(texts.iter().filter(|(name, _)| ADAPTERS.contains(name)))?;
    Ok(texts)
}

fn path(name: &str) -> String {
    format!("api/{name}.txt")
}

fn text(toolchain: &str, name: &str) -> anyhow::Result<String> {
    Program::cargo_of(toolchain)
        // Rustdoc's JSON isn't stable; with the compiler pinned it can't change.
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["rustdoc", "--locked", "--quiet", "-p", name, "--lib", "--all-features"])
        .args(["--target-dir", "target/api", "--", "-Z", "unstable-options"])
        .args(["--output-format", "json", "--cap-lints", "allow"])
        .run()?;
    let json = PathBuf::from(format!("target/api/doc/{}.json", name.replace('-', "_")));
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()
        .with_context(|| format!("can't read the API of {name}"))?;
    let mut text = String::new();
    for item in api.items() {
        text.push_str(&item.to_string());
        text.push('\n');
    }
    Ok(text)
}

fn same_up_to_the_name<'a>(
    texts: impl Iterator<Item = &'a (&'static str, String)>,
) -> anyhow::Result<()> {
    let mut first: Option<(&str, String)> = None;
    for (name, text) in texts {
        let text = text.replace(&name.replace('-', "_"), "phx_adapter");
        match &first {
            None => first = Some((name, text)),
            Some((first_name, first_text)) => {
                if let Some(difference) = difference(first_name, first_text, &text) {
                    println!("{difference}");
                    bail!("the API of {name} isn't that of {first_name}");
                }
            }
        }
    }
    Ok(())
}

/// The lines that are in one text only, if there are any.
fn difference(name: &str, kept: &str, text: &str) -> Option<String> {
    let only = |one: &str, other: &str, sign: char| -> Vec<String> {
        let lines = one.lines().filter(|line| !other.lines().any(|it| it == *line));
        lines.map(|line| format!("{sign} {line}")).collect()
    };
    let mut lines = only(kept, text, '-');
    lines.extend(only(text, kept, '+'));
    if lines.is_empty() && kept == text {
        return None;
    }
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    Some(format!("{name}, {more} lines more than these:\n{}", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown() {
        assert_eq!(difference("a", "x\ny\n", "x\ny\n"), None);
        let shown = difference("a", "x\ny\n", "x\nz\n");
        assert_eq!(shown.unwrap(), "a, 0 lines more than these:\n- y\n+ z");
        assert!(difference("a", "x\ny\n", "y\nx\n").is_some(), "another order");
    }

    #[test]
    fn adapters_may_differ_in_their_names_only() {
        let tokio = ("phx-tokio", "pub fn phx_tokio::socket()".to_owned());
        let smol = ("phx-smol", "pub fn phx_smol::socket()".to_owned());
        same_up_to_the_name([tokio.clone(), smol].iter()).unwrap();
        let other = ("phx-smol", "pub fn phx_smol::plug()".to_owned());
        same_up_to_the_name([tokio, other].iter()).unwrap_err();
    }
}
