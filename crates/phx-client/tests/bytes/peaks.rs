//! The peak of the heap at each limit of SECURITY.md's tables, decoding included.
//!
//! Each row has an entry here. An entry runs a peer or a program that offers far more than the limit, and compares the
//! peak with [`allowed`]; or it names a test elsewhere that does so, or the row whose limit covers the same bytes, or why
//! what is limited is no memory.

mod handles;
mod rows;
mod sans_io;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};

use allocation_counter::{AllocationInfo, measure};

use rows::{ROWS, Shown};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Memory of an item that a row counts: a push, a channel, an event. Most take less than half of it.
const THING: usize = KIB;

/// A setting so large that no test reaches it: the peak exceeds the allowance then.
const UNLIMITED: usize = 16 * MIB;

/// Items or bytes that are offered: more than any limit here, and less than `UNLIMITED`.
const OFFERED: usize = 10_000;
const OFFERED_BYTES: usize = 8 * MIB;
/// Bytes that are offered at a time where bytes are limited.
const PIECE: usize = 8 * KIB;

/// Returns the allowed peak where `limit` bytes may be kept: twice the limit, and 96 KiB.
///
/// Twice, since a growing buffer or table exists twice while it is copied, and a decoded value exists beside its text.
/// The constant covers memory without any load, mostly a connection's read-ahead (64 KiB), and the test's own.
const fn allowed(limit: usize) -> usize {
    2 * limit + 96 * KIB
}

fn peak(run: impl FnOnce()) -> usize {
    let AllocationInfo { bytes_max, .. } = measure(run);
    usize::try_from(bytes_max).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_peak_at_each_limit_stays_within_its_allowance() {
    let mut failures = Vec::new();
    for row in ROWS {
        let (limit, peaks): (_, Vec<_>) = match &row.shown {
            Shown::Setting { limit, unit, runs } => {
                (limit * unit, runs.iter().map(|run| run(*limit)).collect())
            }
            Shown::Constant { bytes, runs } => (*bytes, runs.iter().map(|run| run()).collect()),
            Shown::Test { .. } | Shown::Within { .. } | Shown::NoMemory { .. } => continue,
        };
        println!("{}: {peaks:?} of {} allowed", row.name, allowed(limit));
        if peaks.iter().any(|peak| *peak > allowed(limit)) {
            failures.push(format!("{}: {peaks:?} of {} allowed", row.name, allowed(limit)));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Each setting limits the peak: with an unlimited one the peak exceeds the allowance.
#[test]
fn without_its_limit_a_peak_would_be_beyond_the_allowance() {
    for row in ROWS {
        let Shown::Setting { limit, unit, runs } = &row.shown else { continue };
        for (number, run) in runs.iter().enumerate() {
            let (peak, allowed) = (run(UNLIMITED), allowed(limit * unit));
            assert!(peak > allowed, "{} run {number}: {peak} of {allowed} allowed", row.name);
        }
    }
}

/// Returns the limits in the rows of SECURITY.md, without times: `Config::max_channels`, `http.rs MAX_HEAD`.
fn limits_in_the_tables() -> Vec<String> {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what "));
    rows.filter_map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [_, limit, default, ..] = cells[..] else { panic!("not a row of a limit: {line}") };
        let code: Vec<_> = limit.split('`').skip(1).step_by(2).collect();
        let name = match code[..] {
            [setting] => setting.to_owned(),
            [file, constant] => format!("{} {constant}", file.rsplit('/').next().unwrap()),
            _ => panic!("not a setting or a constant: {line}"),
        };
        // Times take no memory.
        let is_time = [" s", " ms", " µs"].iter().any(|unit| default.ends_with(unit));
        (!is_time).then_some(name)
    })
    .collect()
}

#[test]
fn each_row_of_the_tables_has_its_entry() {
    let mut listed = limits_in_the_tables();
    assert!(listed.len() > 40, "the tables are read wrongly: {listed:?}");
    let mut entries: Vec<_> = ROWS.iter().map(|row| row.name.to_owned()).collect();
    listed.sort_unstable();
    entries.sort_unstable();
    for name in &listed {
        let count = |names: &[String]| names.iter().filter(|other| *other == name).count();
        assert_eq!(count(&entries), count(&listed), "entries and rows of `{name}`");
    }
    assert_eq!(entries, listed);
}

#[test]
fn the_tests_and_rows_that_entries_name_measure_peaks() {
    for row in ROWS {
        match &row.shown {
            Shown::Test { file, name } => {
                let source = fs::read_to_string(root().join("crates").join(file)).unwrap();
                assert!(source.contains(&format!("fn {name}(")), "{}: no test {name}", row.name);
                assert!(source.contains("bytes_max"), "{}: {file} measures no peak", row.name);
            }
            Shown::Within { row: other, why } => {
                assert!(!why.is_empty(), "{}", row.name);
                let other = ROWS.iter().find(|row| row.name == *other).expect(other);
                let measures =
                    !matches!(other.shown, Shown::Within { .. } | Shown::NoMemory { .. });
                assert!(measures, "{} measures nothing either", other.name);
            }
            Shown::NoMemory { why } => assert!(!why.is_empty(), "{}", row.name),
            Shown::Setting { .. } | Shown::Constant { .. } => {}
        }
    }
}
