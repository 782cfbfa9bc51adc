//! The deviations in docs/CONFORMANCE.md: the numbers have no gaps, those that can show in a run are those of the code,
//! and the tests that are named exist.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use phx_conformance::differential::RULES;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rows behind a heading whose first cell is a number: that, and the last cell.
fn rows(file: &str, heading: &str) -> Vec<(u8, String)> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let (_, section) = text.split_once(heading).unwrap();
    let section = section.split("\n##").next().unwrap();
    let cells = section.lines().filter_map(|line| {
        let (number, rest) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" |")?;
        Some((number.parse().ok()?, rest.rsplit("| ").next()?.to_owned()))
    });
    cells.collect()
}

#[test]
fn each_deviation_names_its_tests() {
    let listed = rows("docs/CONFORMANCE.md", "\n### The deviations\n");
    let numbers =
        |rows: &[(u8, String)]| rows.iter().map(|(number, _)| *number).collect::<Vec<_>>();
    assert_eq!(numbers(&listed), (1..=27).collect::<Vec<_>>());
    let shown = numbers(&rows("docs/CONFORMANCE.md", "\n### How they show in a run\n"));
    assert!(RULES.iter().all(|rule| shown.contains(rule)), "{shown:?}");
    for (number, tests) in listed {
        for test in tests.split(", ") {
            let (file, name) = test.trim_matches('`').split_once("::").unwrap();
            let file =
                root().join("crates/phx-proto/tests/behaviour").join(file).with_extension("rs");
            let found = fs::read_to_string(file).unwrap().contains(&format!("\nfn {name}() {{"));
            assert!(found, "{number}: there is no test {test}");
        }
    }
}
