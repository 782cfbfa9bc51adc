//! Simulated runs keep the promises, and so do the plans that broke one in the past.

use std::fs;
use std::path::Path;

use phx_reliability::sim::{Plan, run};

#[test]
fn the_first_seeds() {
    for seed in 0..300 {
        let outcome = run(&Plan::from_seed(seed));
        assert_eq!(outcome.violations, [], "seed {seed}: cargo xtask sim --seed {seed} --runs 1");
    }
}

#[test]
fn equal_plans_give_equal_runs_and_others_give_others() {
    let plan = Plan::from_seed(7);
    let outcome = run(&plan);
    assert_eq!(outcome, run(&plan));
    assert!(outcome.events > 0);
    assert_ne!(outcome.digest, run(&Plan::from_seed(8)).digest);
}

/// `plans/README.md` lists the faults that they found.
#[test]
fn kept_plans() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let files = fs::read_dir(&folder).expect("the folder of kept plans");
    let paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    let plans = paths.iter().filter(|path| path.extension().is_some_and(|it| it == "json"));
    let mut count = 0;
    for path in plans {
        let plan = Plan::read(path).expect("a plan");
        assert_eq!(run(&plan).violations, [], "{}", path.display());
        count += 1;
    }
    assert!(count > 0, "no plans in {}", folder.display());
}
