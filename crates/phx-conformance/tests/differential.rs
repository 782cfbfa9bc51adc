//! The checker of the differential runs needs every one of its rules, and finds nothing with all of them.
//!
//! Many more runs are a step of their own: `cargo xtask differential`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use phx_conformance::differential::{self, RULES};
use phx_conformance::official::Official;

const SEED: u64 = 4711;

#[test]
fn with_all_deviations_nothing_is_unexplained() {
    let summary = differential::run(&mut Official::start().unwrap(), 600, SEED, &RULES).unwrap();
    assert_eq!(summary.unexplained, 0, "{}", summary.report.unwrap_or_default());
    assert_eq!(summary.runs, 600);
    let shown: Vec<u8> = summary.deviations.keys().copied().collect();
    assert_eq!(shown, RULES, "each deviation showed");
}

/// Were a rule of no use, it could be anything.
#[test]
fn without_any_one_deviation_something_is_unexplained() {
    let mut official = Official::start().unwrap();
    for without in RULES {
        let rules: Vec<u8> = RULES.into_iter().filter(|&rule| rule != without).collect();
        let summary = differential::run(&mut official, 600, SEED, &rules).unwrap();
        assert!(summary.unexplained > 0, "rule {without} explains nothing");
        let report = summary.report.unwrap();
        assert!(report.contains("of seed 4711"), "{report}");
        assert!(report.contains("\ncore:"), "{report}");
    }
}

#[test]
fn the_same_seed_gives_the_same_runs() {
    let mut official = Official::start().unwrap();
    let first = differential::run(&mut official, 60, SEED, &RULES).unwrap();
    let again = differential::run(&mut official, 60, SEED, &RULES).unwrap();
    assert_eq!(first.text(), again.text());
    assert_ne!(
        first.text(),
        differential::run(&mut official, 60, SEED + 1, &RULES).unwrap().text()
    );
}
