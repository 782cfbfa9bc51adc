//! The deviations in the documents: DESIGN.md's table and that of docs/CONFORMANCE.md have the same numbers,
//! and the tests that are named there exist.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rows behind a heading whose first cell is a number: that, and the last cell.
fn rows(file: &str, heading: &str) -> Vec<(u8, String)> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let (_, section) = text.split_once(heading).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| {
        let (number, rest) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" |")?;
        Some((number.parse().ok()?, rest.rsplit("| ").next()?.to_owned()))
    });
    cells.collect()
}

#[test]
fn each_deviation_names_its_tests() {
    let compared = rows("docs/CONFORMANCE.md", "\n### The deviations\n");
    let compared: Vec<_> = compared.into_iter().filter(|(_, last)| last.contains("::")).collect();
    let listed = rows("DESIGN.md", "\n## Where this differs from phoenix.js, on purpose\n");
    let numbers =
        |rows: &[(u8, String)]| rows.iter().map(|(number, _)| *number).collect::<Vec<_>>();
    assert_eq!(numbers(&compared), numbers(&listed));
    for (number, tests) in compared {
        for test in tests.split(", ") {
            let (file, name) = test.trim_matches('`').split_once("::").unwrap();
            let file =
                root().join("crates/phx-proto/tests/behaviour").join(file).with_extension("rs");
            let found = fs::read_to_string(file).unwrap().contains(&format!("\nfn {name}() {{"));
            assert!(found, "{number}: there is no test {test}");
        }
    }
}
