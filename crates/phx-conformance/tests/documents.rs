//! The tables in docs/CONFORMANCE.md: the numbers of the deviations have no gaps, those that can show in a run are those
//! of the code, each fact of long-poll has a test, and the tests named there exist.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use phx_conformance::differential::{LONG_POLL_RULES, RULES};

/// Number of facts about long-poll.
const FACTS: usize = 26;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the section of a document below a heading.
fn section(file: &str, heading: &str) -> String {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let (_, section) = text.split_once(heading).unwrap();
    section.split("\n##").next().unwrap().to_owned()
}

/// Returns the rows below a heading whose first cell is a number: the number and the last cell.
fn rows(file: &str, heading: &str) -> Vec<(u8, String)> {
    let section = section(file, heading);
    let cells = section.lines().filter_map(|line| {
        let (number, rest) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" |")?;
        Some((number.parse().ok()?, rest.rsplit("| ").next()?.to_owned()))
    });
    cells.collect()
}

/// Returns true if there is such a test: `file::name`, in this folder.
fn exists(folder: &str, test: &str) -> bool {
    let (file, name) = test.split_once("::").unwrap();
    let file = root().join("crates").join(folder).join(file).with_extension("rs");
    let text = fs::read_to_string(file).unwrap_or_default();
    let is_test = |(before, _): (&str, &str)| {
        let mut attributes = before.rsplit('\n').skip(1).take_while(|line| !line.is_empty());
        attributes.any(|line| line.trim_start().starts_with("#[") && line.contains("test"))
    };
    text.split_once(&format!("fn {name}(")).is_some_and(is_test)
}

#[test]
fn each_deviation_names_its_tests() {
    let listed = rows("docs/CONFORMANCE.md", "\n### The deviations\n");
    let numbers =
        |rows: &[(u8, String)]| rows.iter().map(|(number, _)| *number).collect::<Vec<_>>();
    assert_eq!(numbers(&listed), (1..=35).collect::<Vec<_>>());
    let shown = numbers(&rows("docs/CONFORMANCE.md", "\n### How they show in a run\n"));
    assert!(RULES.iter().chain(&LONG_POLL_RULES).all(|rule| shown.contains(rule)), "{shown:?}");
    for (number, tests) in listed {
        for test in tests.split(", ") {
            let found = exists("phx-proto/tests/behaviour", test.trim_matches('`'));
            assert!(found, "{number}: there is no test {test}");
        }
    }
}

#[test]
fn each_fact_of_long_poll_has_its_tests() {
    let section = section("docs/CONFORMANCE.md", "\n### The facts of long-poll\n");
    let facts: Vec<_> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert_eq!(facts.len(), FACTS);
    for fact in facts {
        let mut cells = fact.trim_matches('|').rsplit('|');
        let (clients, kits) = (cells.next().unwrap(), cells.next().unwrap());
        for test in names(kits) {
            assert!(exists("phx-testing/tests/kit/server/longpoll", test), "no test {test}");
        }
        assert_ne!(names(clients).count(), 0, "no test for the client: {fact}");
        for name in names(clients) {
            let (side, test) = name.split_once(' ').unwrap();
            let folder = match side {
                "proto" => "phx-proto/tests/behaviour/longpoll",
                "core" => "phx-proto/tests/behaviour",
                "client" => "phx-client/tests/longpoll",
                "kit" => "phx-testing/tests/kit",
                side => panic!("no such side: {side}"),
            };
            assert!(exists(folder, test), "no test {name}");
        }
    }
}

/// The names in a cell.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}
