//! `cargo xtask ci` runs every check of this repository; `cargo xtask STEP` runs one of them.
//!
//! The steps are listed in [`step::ALL`], in the order in which `ci` runs them; their files are under `steps/`. A step
//! installs the tools it needs (see [`tools`]), and fails with one clear sentence when it can't. `cargo xtask PROGRAM ARGS...` runs one of [`programs`].

#![expect(clippy::print_stdout, reason = "a command-line program speaks through standard output")]
#![expect(clippy::print_stderr, reason = "usage errors belong on standard error")]

mod advisories;
mod bare_metal;
mod command;
mod lints;
mod programs;
mod step;
mod steps;
mod structure;
mod summary;
mod tools;
mod workspace;

use std::env;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use step::Step;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let ran = if let Some((program, args)) = forwarded(&words) {
        at_the_root().and_then(|()| program.run(args.iter().map(String::as_str))).map(|()| true)
    } else if let Some(steps) = step::select(&words) {
        run(&steps)
    } else {
        eprint!("{}", step::usage());
        return ExitCode::from(2);
    };
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn forwarded(words: &[String]) -> Option<(&'static programs::Forwarded, &[String])> {
    let (name, args) = words.split_first()?;
    Some((programs::find(name)?, args))
}

fn at_the_root() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the manifest of xtask has no parent directory")?;
    env::set_current_dir(root).with_context(|| format!("can't enter {}", root.display()))
}

/// Runs the steps from the root of the workspace. Returns true if all of them passed.
///
/// The steps after a failed one run as well, so that one run shows all failures.
fn run(steps: &[&'static Step]) -> anyhow::Result<bool> {
    at_the_root()?;
    let started = Instant::now();
    let mut reports = Vec::new();
    let mut beside = None;
    for step in steps {
        if steps.len() == 1 || !step.runs_beside() {
            reports.push(step.run());
        } else if beside.is_none() {
            let all = steps.iter().copied().filter(|step| step.runs_beside());
            beside = Some(step::Beside::start(all.collect()));
        }
    }
    if let Some(beside) = beside {
        reports.extend(beside.finish()?);
    }
    println!("\n{}", summary::table(&reports, started.elapsed()));
    Ok(reports.iter().all(summary::Report::passed))
}
