//! Checks that the public APIs are equal to their texts in `api/`, and those of the adapters to each other up to the
//! crate's name. That of the browser's adapter may differ as [`PAGE_DIFFERENCES`] lists.
//!
//! The texts come from rustdoc's JSON, whose format changes with the compiler: the compiler and the crate that reads it
//! are pinned.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};

use crate::command::Program;
use crate::step::Outcome;
use crate::tools::{self, PAGE_TARGET};

/// Crates whose APIs must not differ.
const ADAPTERS: [&str; 3] = ["phx-async-std", "phx-smol", "phx-tokio"];

/// The adapter of the browser.
const PAGE: &str = "phx-web";

/// The lines that the browser's adapter hasn't of the others, and those that it has alone, each with the reason. A line
/// is listed by a part of it.
const PAGE_DIFFERENCES: [(char, &str, &str); 15] = [
    ('-', "Network for", "a page has the browser's WebSocket and no streams of bytes"),
    ('-', "AdapterRuntime::connect_", "the same"),
    ('-', "AdapterRuntime::resolve", "the same"),
    ('-', "Dialer", "the same"),
    ('-', "::block_on", "a page can't block"),
    ('+', "::spawn_local", "starts a program in place of `block_on`"),
    ('-', "::suspended", "timers are late in a page, and say nothing about the machine"),
    ('-', "::yield_now", "events of a page wait for its tasks: what came before is handled first"),
    ('+', "AdapterRuntime::", "pages are hidden and frozen; std's randomness is a constant there"),
    ('+', "Local<T", "the browser's objects belong to one thread"),
    ('+', "LocalFuture<F", "the same"),
    ('+', "IntoEndpoint", "the browser parses URLs, and has a type of its own for them"),
    ('+', "::into_endpoint(self)", "the same"),
    ('-', "::socket(impl", "the same"),
    ('+', "WebSocketConnector", "takes the place of `StreamConnector`"),
];

/// Other crates whose API is kept as a text.
const BELOW: [&str; 6] =
    ["phx-client", "phx-proto", "phx-recorder", "phx-supabase", "phx-tungstenite", "phx-websocket"];

/// Largest number of lines of a difference to show.
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
    Ok(Some(format!("{} crates", names().count())))
}

/// Replaces the texts.
pub(crate) fn accept() -> Outcome {
    fs::create_dir_all("api").context("can't make the directory api")?;
    for (name, text) in texts()? {
        fs::write(path(name), text).with_context(|| format!("can't write {}", path(name)))?;
    }
    Ok(None)
}

fn names() -> impl Iterator<Item = &'static str> {
    ADAPTERS.into_iter().chain([PAGE]).chain(BELOW)
}

/// Returns the current APIs; an error if those of the adapters differ.
fn texts() -> anyhow::Result<Vec<(&'static str, String)>> {
    let toolchain = tools::api_toolchain()?;
    let texts = names().map(|name| Ok((name, text(toolchain, name)?)));
    let texts = texts.collect::<anyhow::Result<Vec<_>>>()?;
    same_up_to_the_name(texts.iter().filter(|(name, _)| ADAPTERS.contains(name)))?;
    let text_of = |wanted| texts.iter().find(|(name, _)| *name == wanted);
    if let (Some(page), Some(other)) = (text_of(PAGE), text_of(ADAPTERS[0])) {
        same_but_for(&PAGE_DIFFERENCES, page, other)?;
    }
    Ok(texts)
}

fn path(name: &str) -> String {
    format!("api/{name}.txt")
}

fn text(toolchain: &str, name: &str) -> anyhow::Result<String> {
    let (target, folder) = match name {
        PAGE => (&["--target", PAGE_TARGET][..], format!("target/api/{PAGE_TARGET}/doc")),
        _ => (&[][..], "target/api/doc".to_owned()),
    };
    Program::cargo_of(toolchain)
        // Rustdoc's JSON is unstable, but doesn't change with the compiler pinned.
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["rustdoc", "--locked", "--quiet", "-p", name, "--lib", "--all-features"])
        .args(target.iter().copied())
        .args(["--target-dir", "target/api", "--", "-Z", "unstable-options"])
        .args(["--output-format", "json", "--cap-lints", "allow"])
        .run()?;
    let json = PathBuf::from(format!("{folder}/{}.json", name.replace('-', "_")));
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
        let text = renamed(name, text);
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

/// Checks that an API differs from another one by exactly the lines that the table lists.
fn same_but_for(
    table: &[(char, &str, &str)],
    (name, text): &(&str, String),
    (other_name, other): &(&str, String),
) -> anyhow::Result<()> {
    let (text, other) = (renamed(name, text), renamed(other_name, other));
    let lines = only(&other, &text, '-').into_iter().chain(only(&text, &other, '+'));
    let lines: Vec<String> = lines.collect();
    let lists = |(sign, part, _): &(char, &str, &str), line: &str| {
        line.starts_with(*sign) && line.contains(part)
    };
    let unlisted = lines.iter().filter(|line| !table.iter().any(|entry| lists(entry, line)));
    let unlisted: Vec<&String> = unlisted.collect();
    for line in &unlisted {
        println!("{line}");
    }
    ensure!(
        unlisted.is_empty(),
        "the API of {name} differs from that of {other_name} in {} lines without a reason in \
         xtask/src/steps/api.rs",
        unlisted.len()
    );
    let stale = table.iter().find(|entry| !lines.iter().any(|line| lists(entry, line)));
    ensure!(stale.is_none(), "{name} and {other_name} no longer differ in {stale:?}");
    Ok(())
}

/// Returns the text with a name that is the same for all adapters.
fn renamed(name: &str, text: &str) -> String {
    text.replace(&name.replace('-', "_"), "phx_adapter")
}

/// Returns the lines that are in one text and not in the other, with a sign before each.
fn only(one: &str, other: &str, sign: char) -> Vec<String> {
    let lines = one.lines().filter(|line| !other.lines().any(|it| it == *line));
    lines.map(|line| format!("{sign} {line}")).collect()
}

/// Returns the lines that are in one text only, if there are any.
fn difference(name: &str, kept: &str, text: &str) -> Option<String> {
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

    #[test]
    fn the_page_may_differ_as_listed_and_must() {
        let tokio =
            ("phx-tokio", "pub fn phx_tokio::socket()\npub fn phx_tokio::block_on()\n".to_owned());
        let page = ("phx-web", "pub fn phx_web::socket()\npub fn phx_web::spawn()\n".to_owned());
        let (gone, new) = (('-', "::block_on", "it can't block"), ('+', "::spawn", "instead"));
        same_but_for(&[gone, new], &page, &tokio).unwrap();
        same_but_for(&[gone], &page, &tokio).unwrap_err();
        same_but_for(&[('+', "::block_on", "")], &page, &tokio).unwrap_err();
        let stale = same_but_for(&[gone, new, ('-', "::socket", "")], &page, &tokio).unwrap_err();
        assert!(stale.to_string().contains("no longer differ"), "{stale}");
    }
}
