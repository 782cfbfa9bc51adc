//! Differential runs: with all deviations every difference is explained, and without any one of them some aren't.
//!
//! `cargo xtask differential` makes many more runs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use phx_conformance::differential::{self, LONG_POLL_RULES, RULES, Summary};
use phx_conformance::official::Official;
use phx_proto::TransportKind;

const SEED: u64 = 4711;

/// The transports, with the deviations that can show over each.
const TRANSPORTS: [(TransportKind, &[u8]); 2] =
    [(TransportKind::WebSocket, &RULES), (TransportKind::LongPoll, &LONG_POLL_RULES)];

fn run(
    official: &mut Official,
    over: TransportKind,
    runs: u64,
    seed: u64,
    rules: &[u8],
) -> Summary {
    differential::run(official, over, runs, seed, rules).unwrap()
}

#[test]
fn with_all_deviations_nothing_is_unexplained() {
    for (over, rules) in TRANSPORTS {
        let summary = run(&mut Official::start().unwrap(), over, 600, SEED, rules);
        assert_eq!(summary.unexplained, 0, "{}", summary.report.unwrap_or_default());
        assert_eq!(summary.runs, 600);
        let shown = summary.deviations.keys().copied().filter(|rule| rules.contains(rule));
        assert_eq!(shown.collect::<Vec<_>>(), rules, "each deviation showed");
    }
}

/// A deviation without which nothing changes would be untested.
#[test]
fn without_any_one_deviation_something_is_unexplained() {
    let mut official = Official::start().unwrap();
    for (over, all) in TRANSPORTS {
        for without in all {
            let rules: Vec<u8> = all.iter().copied().filter(|rule| rule != without).collect();
            let summary = run(&mut official, over, 600, SEED, &rules);
            assert!(summary.unexplained > 0, "rule {without} explains nothing over {over}");
            let report = summary.report.unwrap();
            assert!(report.contains("of seed 4711"), "{report}");
            assert!(report.contains("\ncore:"), "{report}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_runs() {
    let mut official = Official::start().unwrap();
    for (over, rules) in TRANSPORTS {
        let first = run(&mut official, over, 60, SEED, rules);
        let again = run(&mut official, over, 60, SEED, rules);
        assert_eq!(first.text(), again.text());
        let other = run(&mut official, over, 60, SEED + 1, rules);
        assert_ne!(first.text(), other.text());
    }
}
