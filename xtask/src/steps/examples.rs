//! Checks that the examples run, end by themselves and exit with 0.

use std::time::Duration;

use anyhow::{bail, ensure};

use crate::command::Program;
use crate::step::Outcome;
use crate::workspace::Workspace;

/// Example that newcomers run first; its package has no dependency that it doesn't use.
const QUICKSTART: &str = "quickstart";

/// Dependencies that would make the first build long: other runtimes, and TLS, which needs a C compiler.
const NOT_IN_QUICKSTART: [&str; 3] = ["async-std", "ring", "smol"];

/// All examples; none waits for a person. `chat` and `browser_chat` end with their input, which is empty here;
/// examples/tests/chat.rs types text, and examples/tests/browser opens the page.
const EXAMPLES: [&str; 16] = [
    "bare_loop",
    "testing_your_app",
    "typed",
    "presence",
    "mio_loop",
    "game_loop",
    "blocking",
    "simulation",
    "no_std_smoke",
    "smol",
    "async_std",
    "proxy",
    "supabase",
    "liveview",
    "chat",
    "browser_chat",
];

/// Time limit of an example, without its build.
const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn check() -> Outcome {
    let workspace = Workspace::load()?;
    let present = workspace.packages.iter().flat_map(|package| &package.examples);
    let present: Vec<&str> = present.map(String::as_str).collect();
    agree(&present)?;
    let tree = Program::cargo().args(["tree", "--locked", "--prefix", "none", "-p", QUICKSTART]);
    if let Some(package) = needless(&tree.output()?) {
        bail!("{QUICKSTART} builds {package}, which it doesn't run");
    }

    // Built first, so that the deadlines don't include the build.
    let mut build = Program::cargo().args(["build", "--locked"]);
    for name in EXAMPLES {
        build = build.args(["--example", name]);
    }
    build.run()?;
    Program::cargo().args(["build", "--locked", "-p", QUICKSTART]).run()?;

    let mut failed = Vec::new();
    let examples = EXAMPLES.map(|name| ("--example", name));
    for (kind, name) in [("-p", QUICKSTART)].into_iter().chain(examples) {
        let run = Program::cargo().args(["run", "--locked", "--quiet", kind, name]);
        if let Err(error) = run.run_within(DEADLINE) {
            println!("{error:#}");
            failed.push(name);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(Some(format!("{} examples", EXAMPLES.len() + 1)))
}

/// Returns the first package of the tree that a newcomer doesn't need.
fn needless(tree: &str) -> Option<&str> {
    let mut names = tree.lines().filter_map(|line| line.split(' ').next());
    names.find(|name| NOT_IN_QUICKSTART.contains(name))
}

/// Checks that [`EXAMPLES`] has exactly the examples of the package.
fn agree(present: &[&str]) -> anyhow::Result<()> {
    if let Some(name) = present.iter().find(|name| !EXAMPLES.contains(name)) {
        bail!("the example {name} isn't in the list in xtask/src/steps/examples.rs");
    }
    if let Some(name) = EXAMPLES.iter().find(|name| !present.contains(name)) {
        bail!("there is no example {name}, which xtask/src/steps/examples.rs lists");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_cannot_be_forgotten() {
        let mut present: Vec<&str> = EXAMPLES.to_vec();
        agree(&present).unwrap();
        present.push("brand_new");
        assert!(agree(&present).unwrap_err().to_string().contains("brand_new"));
    }

    #[test]
    fn a_listed_example_must_exist() {
        assert!(agree(&[]).unwrap_err().to_string().contains("bare_loop"));
    }

    #[test]
    fn quickstart_builds_nothing_for_later() {
        assert_eq!(needless("quickstart v0.1.0\nphx-tokio v0.1.0\ntokio v1.54.1"), None);
        assert_eq!(needless("quickstart v0.1.0\nring v0.17.14\n"), Some("ring"));
    }
}
