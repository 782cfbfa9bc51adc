//! The list of steps, and their selection.

use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::anyhow;

use crate::command::Program;
use crate::programs;
use crate::steps::{
    api, bare_metal, cargo, counts, coverage, deny, examples, features, files, fuzz, miri, outside,
    runs, tree,
};
use crate::summary::Report;
use crate::tools;

/// Steps of `ci`, in the order in which it runs them: quick ones first.
pub(crate) const ALL: &[Step] = &[
    Step { name: "tools", about: "bring the tools and targets the steps need", check: tools::all },
    Step { name: "fmt", about: "the sources are formatted", check: cargo::fmt },
    Step { name: "files", about: "file sizes, ARCHITECTURE.md, lock files", check: files::check },
    Step { name: "tree", about: "phx-proto depends on nothing unexpected", check: tree::check },
    Step { name: "clippy", about: "no lint fires, on all targets", check: cargo::clippy },
    Step { name: "test", about: "unit, integration and doc tests", check: cargo::test },
    Step { name: "suite", about: "one behaviour suite on every adapter", check: cargo::suite },
    Step { name: "web", about: "phx-web in a real browser", check: runs::web },
    Step { name: "simulation", about: "simulated runs under faults", check: runs::simulation },
    Step { name: "differential", about: "core and phoenix.js alike", check: runs::differential },
    Step { name: "supabase", about: "Supabase's official clients", check: cargo::supabase },
    Step { name: "faults", about: "real faults, noticed and healed in time", check: runs::faults },
    Step { name: "hostile", about: "a server that attacks every adapter", check: runs::hostile },
    Step { name: "counts", about: "instructions and allocations", check: counts::check },
    Step { name: "examples", about: "the examples run and exit with 0", check: examples::check },
    Step { name: "outside", about: "the docs' programs, elsewhere", check: outside::check },
    Step { name: "soak", about: "traffic under faults, for a minute", check: runs::soak },
    Step { name: "doc", about: "the docs build without a warning", check: cargo::doc },
    Step { name: "api", about: "the public APIs are those in api/", check: api::check },
    Step { name: "fuzz-build", about: "the fuzz targets build", check: fuzz::build },
    Step { name: "fuzz-replay", about: "the fuzz targets' seeds pass", check: fuzz::replay },
    Step { name: "deny", about: "licences, bans, sources, advisories", check: deny::check },
    Step { name: "features", about: "each crate and feature alone", check: features::check },
    Step {
        name: "no-std",
        about: "phx-proto and phx-websocket on targets without std",
        check: cargo::no_std,
    },
    Step { name: "bare-metal", about: "a program for a board, in QEMU", check: bare_metal::check },
    Step { name: "msrv", about: "the oldest supported compiler", check: cargo::msrv },
];

/// Steps that aren't checks, and run only when they are named.
const ON_REQUEST: &[Step] = &[
    Step { name: "api-accept", about: "write the texts in api/ anew", check: api::accept },
    Step {
        name: "advisories",
        about: "check advisories if possible, write what was",
        check: deny::record_advisories,
    },
    Step { name: "coverage", about: "lines of phx-proto its tests reach", check: coverage::check },
    Step { name: "miri", about: "phx-proto's tests in an interpreter", check: miri::check },
    Step { name: "mutants", about: "phx-proto with faults put in", check: cargo::mutants },
    Step { name: "counts-accept", about: "store the counts of today", check: counts::accept },
];

/// Steps that run one after another beside the other steps of a run, from where the first of them stands: `soak`, which
/// mostly waits, and those that build in target directories of their own. The other steps after `soak` only build as
/// well, so nothing that measures times is disturbed, and both processors have work.
const BESIDE: [&str; 5] = ["soak", "api", "fuzz-build", "fuzz-replay", "msrv"];

/// Text of a passed step for the summary, if there is one.
pub(crate) type Outcome = anyhow::Result<Option<String>>;

/// A check of the repository.
pub(crate) struct Step {
    /// Name on the command line.
    pub(crate) name: &'static str,
    about: &'static str,
    check: fn() -> Outcome,
}

impl Step {
    /// Returns true if other steps may run at the same time.
    pub(crate) fn runs_beside(&self) -> bool {
        BESIDE.contains(&self.name)
    }

    /// Runs the step in a process of its own, and returns what it printed as well.
    fn run_elsewhere(&self) -> (Report, String) {
        let started = Instant::now();
        let ran = Program::cargo().args(["xtask", "ci", self.name]).transcript();
        let (outcome, text) = match ran {
            Ok((status, text)) if status.success() => (Ok(None), text),
            Ok((status, text)) => {
                (Err(anyhow!("`cargo xtask ci {}` ended with {status}", self.name)), text)
            }
            Err(error) => (Err(error), String::new()),
        };
        (Report { name: self.name, took: started.elapsed(), outcome }, text)
    }

    /// Runs the step under a header line.
    pub(crate) fn run(&self) -> Report {
        println!("\n=== {}: {}", self.name, self.about);
        let started = Instant::now();
        let outcome = (self.check)();
        if let Err(error) = &outcome {
            println!("{} failed: {error:#}", self.name);
        }
        Report { name: self.name, took: started.elapsed(), outcome }
    }
}

/// Steps that run one after another, while others run.
pub(crate) struct Beside {
    thread: JoinHandle<Vec<(&'static Step, Report, String)>>,
}

impl Beside {
    /// Starts the first of the steps.
    pub(crate) fn start(steps: Vec<&'static Step>) -> Self {
        for step in &steps {
            println!("\n=== {}: beside the next steps, and reported at the end", step.name);
        }
        let run = |step: &'static Step| {
            let (report, text) = step.run_elsewhere();
            (step, report, text)
        };
        Beside { thread: thread::spawn(move || steps.into_iter().map(run).collect()) }
    }

    /// Waits for the last, and prints what each printed.
    pub(crate) fn finish(self) -> anyhow::Result<Vec<Report>> {
        let ran =
            self.thread.join().map_err(|_| anyhow!("the thread of the steps beside panicked"))?;
        let report = |(step, report, text): (&Step, Report, String)| {
            println!("\n=== {}: {}", step.name, step.about);
            print!("{text}");
            report
        };
        Ok(ran.into_iter().map(report).collect())
    }
}

/// Returns the steps that the command line names. `ci` stands for all, or says that what follows is a step where a program
/// has the same name. `None` if it names no step, or an unknown one.
pub(crate) fn select(names: &[String]) -> Option<Vec<&'static Step>> {
    match names {
        [] => None,
        [name] if name == "ci" => Some(ALL.iter().collect()),
        [name, steps @ ..] if name == "ci" => select(steps),
        names => {
            let find = |name| ALL.iter().chain(ON_REQUEST).find(|step| step.name == name);
            names.iter().map(find).collect()
        }
    }
}

/// Returns the help text for a wrong command line.
pub(crate) fn usage() -> String {
    let mut text = String::from(
        "usage: cargo xtask ci [STEP...] | STEP... | PROGRAM ARGS...\n\nsteps, in the order of ci:\n",
    );
    let line = |name: &str, about: &str| format!("  {name:<14}{about}\n");
    text.extend(ALL.iter().map(|step| line(step.name, step.about)));
    text.push_str("\non request only:\n");
    text.extend(ON_REQUEST.iter().map(|step| line(step.name, step.about)));
    text.push_str("\nprograms, which have --help:\n");
    text.extend(programs::ALL.iter().map(|program| line(program.name, program.about)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(chosen: &[&str]) -> Option<Vec<&'static str>> {
        let chosen: Vec<String> = chosen.iter().copied().map(String::from).collect();
        select(&chosen).map(|steps| steps.iter().map(|step| step.name).collect())
    }

    #[test]
    fn ci_is_every_step_in_order() {
        let all: Vec<&str> = ALL.iter().map(|step| step.name).collect();
        assert_eq!(names(&["ci"]), Some(all));
    }

    #[test]
    fn steps_run_in_the_order_they_are_named() {
        assert_eq!(names(&["doc", "fmt"]), Some(vec!["doc", "fmt"]));
        assert_eq!(names(&["ci", "soak", "fmt"]), Some(vec!["soak", "fmt"]));
    }

    #[test]
    fn an_unknown_step_or_none_is_refused() {
        assert_eq!(names(&[]), None);
        assert_eq!(names(&["fmt", "fnt"]), None);
        assert_eq!(names(&["ci", "fnt"]), None);
    }

    #[test]
    fn what_runs_beside_others_is_a_step() {
        let beside: Vec<&str> =
            ALL.iter().filter(|step| step.runs_beside()).map(|step| step.name).collect();
        assert_eq!(beside, BESIDE);
    }

    #[test]
    fn usage_names_every_step() {
        let usage = usage();
        assert!(ALL.iter().all(|step| usage.contains(&format!("  {} ", step.name))), "{usage}");
    }
}
