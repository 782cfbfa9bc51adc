//! Simulated runs keep the promises, and so do the plans that broke one in the past.

use std::fs;
use std::path::Path;
use std::process::Command;

use phx_recorder::{Timeline, replay};
use phx_reliability::sim::{Plan, run, run_recorded};

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

/// 60 runs, or as many as `PHX_RECORDED_RUNS` says.
#[test]
fn recorded_runs_are_the_same_and_replay_without_a_difference() {
    let count = std::env::var("PHX_RECORDED_RUNS").ok();
    let count = count.map_or(60, |count| count.parse().expect("a number"));
    let mut outputs = 0;
    for seed in 0..count {
        let plan = Plan::from_seed(seed);
        let (outcome, recordings) = run_recorded(&plan);
        assert_eq!(outcome, run(&plan), "seed {seed}");
        assert_eq!(recordings.len(), plan.clients.max(1), "seed {seed}");
        for recording in recordings {
            let replayed =
                replay(&recording[..]).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert!(replayed.is_complete, "seed {seed}");
            outputs += replayed.outputs;
        }
    }
    assert!(outputs > 400 * count, "{outputs}");
}

/// The file of a kept plan, for `phx replay`.
#[test]
fn a_kept_plan_is_recorded_for_the_viewer() {
    let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans/dead-connection.json");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recorded-plan");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("night.jsonl");
    let record = || {
        Command::new(env!("CARGO_BIN_EXE_phx-reliability"))
            .args(["sim", "--plan"])
            .arg(&plan)
            .arg("--record")
            .arg(&path)
            .output()
            .expect("the program runs")
    };
    let ended = record();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(String::from_utf8_lossy(&ended.stdout), format!("{}\n", path.display()));
    let recording = fs::read(&path).expect("the recording");
    let mut timeline = Timeline::new(&recording[..]).expect("a recording");
    let mut words = String::new();
    while let Some(happening) = timeline.next_happening().expect("it is whole") {
        words += &happening.words;
        words.push('\n');
    }
    assert!(words.contains("connecting: connection 2, attempt "), "{words}");
    assert!(timeline.replayed().expect("the same outputs").is_complete);

    let again = record();
    assert!(!again.status.success(), "an existing file isn't overwritten: {again:?}");
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
