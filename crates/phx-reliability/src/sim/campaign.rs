//! Campaigns of many runs, and their results.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

use super::plan::Plan;
use super::shrink::shrink;
use super::violation::{Rule, Violation};
use super::world::{Outcome, run, run_logged, run_recorded};
use crate::matrix::in_parallel;

/// Run the simulation many times, each with a different seed.
///
/// Exits with 1 if a promise was broken, and keeps the shrunk plan that broke it.
#[derive(Clone, Debug, clap::Args)]
#[non_exhaustive]
pub struct Args {
    /// Number of runs
    #[arg(long, default_value_t = 20_000)]
    pub runs: usize,
    /// Seed of the first run; each further run adds one
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Run one kept plan instead, and print all frames and events
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Record the plan's clients for `phx replay`, each in a new file: the first client's session here, and that of client
    /// N in `FILE.client-N`
    #[arg(long, value_name = "FILE", requires = "plan")]
    pub record: Option<PathBuf>,
    /// Directory for plans that broke a promise; the tests run those in `plans/` of this package
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/plans"))]
    pub keep: PathBuf,
}

/// Failing seeds that are shrunk and kept; more are only counted.
const KEPT: usize = 3;

/// One run in this many is made twice, to check that both are equal.
const TWICE_EVERY: usize = 8;

#[derive(Debug, Default)]
struct Total {
    faults: BTreeMap<&'static str, u64>,
    violations: u64,
    events: u64,
    /// The first violation of each seed.
    broken: BTreeMap<u64, Violation>,
    longest_recovery: Duration,
    /// Longest recovery, in hundredths of its bound.
    nearest_to_bound: u128,
}

/// Runs the campaign, prints the result, and returns true if all promises were kept.
///
/// # Errors
///
/// If a plan can't be read or kept.
#[expect(clippy::print_stdout, reason = "what it prints is what it is for")]
pub fn campaign(args: &Args) -> anyhow::Result<bool> {
    if let Some(path) = &args.plan {
        let plan = Plan::read(path)?;
        if let Some(record) = &args.record {
            let (outcome, recordings) = run_recorded(&plan);
            for (path, recording) in recorded_in(record).zip(recordings) {
                write_new(&path, &recording)?;
                println!("{}", path.display());
            }
            outcome.violations.iter().for_each(|violation| println!("{violation}"));
            return Ok(outcome.violations.is_empty());
        }
        let (outcome, log) = run_logged(&plan);
        log.iter().for_each(|line| println!("{line}"));
        outcome.violations.iter().for_each(|violation| println!("{violation}"));
        return Ok(outcome.violations.is_empty());
    }
    let total = run_all(args.seed, args.runs);
    for (kind, count) in &total.faults {
        println!("{count:>10}  {kind}");
    }
    println!(
        "{} events were checked; the longest recovery took {:.1} s, the nearest to what is promised \
         {} % of it",
        total.events,
        total.longest_recovery.as_secs_f64(),
        total.nearest_to_bound,
    );
    for (seed, violation) in &total.broken {
        println!("seed {seed}: {violation}");
    }
    for seed in total.broken.keys().take(KEPT) {
        let small = shrink(&Plan::from_seed(*seed));
        let path = keep(&args.keep, *seed, &small)?;
        println!("seed {seed} in {} steps: {}", small.steps.len(), path.display());
    }
    let faults: u64 = total.faults.values().sum();
    println!("sim: runs={} faults={faults} violations={}", args.runs, total.violations);
    Ok(total.violations == 0)
}

impl Plan {
    /// Reads a kept plan.
    ///
    /// # Errors
    ///
    /// If the file can't be read, or holds no plan.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} holds no plan", path.display()))
    }
}

/// The files for the sessions of the clients.
fn recorded_in(first: &Path) -> impl Iterator<Item = PathBuf> {
    let others = (2_u32..).map(move |number| {
        let mut path = first.as_os_str().to_owned();
        path.push(format!(".client-{number}"));
        PathBuf::from(path)
    });
    [first.to_owned()].into_iter().chain(others)
}

fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    File::create_new(path)
        .and_then(|mut file| file.write_all(bytes))
        .with_context(|| format!("can't write {}", path.display()))
}

fn keep(folder: &Path, seed: u64, plan: &Plan) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("seed-{seed}.json"));
    let text = serde_json::to_string_pretty(plan)?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&path, text + "\n"))
        .with_context(|| format!("can't write {}", path.display()))?;
    Ok(path)
}

fn run_all(first: u64, runs: usize) -> Total {
    let total = Mutex::new(Total::default());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    in_parallel(threads, runs, |number| {
        let seed = first.wrapping_add(u64::try_from(number).unwrap_or_default());
        let outcome = run_seed(seed, number.is_multiple_of(TWICE_EVERY));
        total.lock().unwrap_or_else(PoisonError::into_inner).add(seed, outcome);
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn run_seed(seed: u64, twice: bool) -> Outcome {
    let plan = Plan::from_seed(seed);
    let mut outcome = run(&plan);
    if twice && run(&plan) != outcome {
        outcome.violations.push(Violation {
            rule: Rule::Deterministic,
            at: Duration::ZERO,
            what: "a second run was another".to_owned(),
        });
    }
    outcome
}

impl Total {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        for (kind, count) in outcome.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        self.events += outcome.events;
        self.violations += u64::try_from(outcome.violations.len()).unwrap_or(u64::MAX);
        if let Some(violation) = outcome.violations.into_iter().next() {
            self.broken.insert(seed, violation);
        }
        self.longest_recovery = self.longest_recovery.max(outcome.recovery);
        let bound = outcome.recovery_bound.as_millis().max(1);
        self.nearest_to_bound =
            self.nearest_to_bound.max(outcome.recovery.as_millis() * 100 / bound);
    }
}
