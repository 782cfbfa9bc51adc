//! The examples run, end by themselves and exit with 0.

use std::time::Duration;

use anyhow::{bail, ensure};

use crate::command::Program;
use crate::step::Outcome;
use crate::workspace::Workspace;

/// Every example that needs nobody at the keyboard, and how long it may take once it is built.
const EXAMPLES: [(&str, Duration); 16] = [
    ("quickstart", Duration::from_secs(30)),
    ("bare_loop", Duration::from_secs(30)),
    ("testing_your_app", Duration::from_secs(30)),
    ("typed", Duration::from_secs(30)),
    ("presence", Duration::from_secs(30)),
    ("mio_loop", Duration::from_secs(30)),
    ("game_loop", Duration::from_secs(30)),
    ("blocking", Duration::from_secs(30)),
    ("simulation", Duration::from_secs(30)),
    ("no_std_smoke", Duration::from_secs(30)),
    ("smol", Duration::from_secs(30)),
    ("async_std", Duration::from_secs(30)),
    ("proxy", Duration::from_secs(30)),
    ("supabase", Duration::from_secs(30)),
    // It ends with its input, which is empty; examples/tests/chat.rs types something.
    ("chat", Duration::from_secs(30)),
    // So does this; examples/tests/browser opens its page.
    ("browser_chat", Duration::from_secs(30)),
];

/// Examples that can't run here, each with the reason.
const NOT_RUN: [(&str, &str); 0] = [];

pub(crate) fn check() -> Outcome {
    let workspace = Workspace::load()?;
    let present = workspace.packages.iter().flat_map(|package| &package.examples);
    let present: Vec<&str> = present.map(String::as_str).collect();
    agree(&present)?;

    // Built first, so that the deadlines are for the running alone.
    let mut build = Program::cargo().args(["build", "--locked"]);
    for (name, _) in EXAMPLES {
        build = build.args(["--example", name]);
    }
    build.run()?;

    let mut failed = Vec::new();
    for (name, deadline) in EXAMPLES {
        let run = Program::cargo().args(["run", "--locked", "--quiet", "--example", name]);
        if let Err(error) = run.run_within(deadline) {
            println!("{error:#}");
            failed.push(name);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(Some(format!("{} examples", EXAMPLES.len())))
}

/// An error unless the lists above name exactly the examples there are.
fn agree(present: &[&str]) -> anyhow::Result<()> {
    let run = EXAMPLES.iter().map(|(name, _)| *name);
    let listed: Vec<&str> = run.chain(NOT_RUN.iter().map(|(name, _)| *name)).collect();
    if let Some(name) = present.iter().find(|name| !listed.contains(name)) {
        bail!("the example {name} isn't in the list in xtask/src/steps/examples.rs");
    }
    if let Some(name) = listed.iter().find(|name| !present.contains(name)) {
        bail!("there is no example {name}, which xtask/src/steps/examples.rs lists");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_cannot_be_forgotten() {
        let mut present: Vec<&str> = EXAMPLES.iter().map(|(name, _)| *name).collect();
        agree(&present).unwrap();
        present.push("brand_new");
        assert!(agree(&present).unwrap_err().to_string().contains("brand_new"));
    }

    #[test]
    fn a_listed_example_must_exist() {
        assert!(agree(&[]).unwrap_err().to_string().contains("quickstart"));
    }
}
