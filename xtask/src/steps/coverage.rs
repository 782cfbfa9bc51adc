//! Checks the share of phx-proto's lines that its own tests reach, and lists the others.
//!
//! Lines of unit tests don't count. Doc tests aren't run, since measuring them needs nightly.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, ensure};

use crate::command::Program;
use crate::step::Outcome;
use crate::tools;

/// Smallest share of lines, in percent.
const LEAST_PERCENT: f64 = 98.0;

const SOURCES: &str = "crates/phx-proto/src/";
const REPORT: &str = "target/phx-proto.lcov";

pub(crate) fn check() -> Outcome {
    tools::cargo_llvm_cov()?;
    Program::cargo()
        .args(["llvm-cov", "--locked", "-p", "phx-proto", "--all-features", "--lib", "--tests"])
        .args(["--lcov", "--output-path", REPORT])
        .run()?;
    let report = fs::read_to_string(REPORT).with_context(|| format!("can't read {REPORT}"))?;
    let mut lines = Lines::default();
    for (file, numbers) in parse(&report) {
        let text = fs::read_to_string(&file).with_context(|| format!("can't read {file}"))?;
        lines.add(&file, &numbers, &text);
    }
    for missed in &lines.missed {
        println!("{missed}");
    }
    let summary = format!(
        "{:.2} % of {} lines, {} never reached",
        lines.percent(),
        lines.all,
        lines.missed.len()
    );
    println!("coverage: {summary}");
    ensure!(lines.percent() >= LEAST_PERCENT, "{summary}; {LEAST_PERCENT} % is the least");
    Ok(Some(summary))
}

#[derive(Debug, Default)]
struct Lines {
    all: usize,
    /// Lines that weren't reached: file, number and text.
    missed: Vec<String>,
}

impl Lines {
    fn add(&mut self, file: &str, numbers: &BTreeMap<usize, u64>, text: &str) {
        let tests = text.lines().position(|line| line == "#[cfg(test)]").unwrap_or(usize::MAX);
        for (&number, &times) in numbers.range(..=tests) {
            self.all += 1;
            if times == 0 {
                let line = text.lines().nth(number.saturating_sub(1)).unwrap_or_default();
                self.missed.push(format!("{file}:{number}: {}", line.trim()));
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "there are not so many lines")]
    fn percent(&self) -> f64 {
        let reached = self.all.saturating_sub(self.missed.len());
        100.0 * reached as f64 / self.all.max(1) as f64
    }
}

/// Returns how often each line of each source file was reached, by the path from the root.
fn parse(report: &str) -> BTreeMap<String, BTreeMap<usize, u64>> {
    let mut files: BTreeMap<String, BTreeMap<usize, u64>> = BTreeMap::new();
    let mut current = None;
    for line in report.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            let path = path.replace('\\', "/");
            current = path.find(SOURCES).and_then(|at| path.get(at..)).map(str::to_owned);
        } else if let (Some(file), Some(data)) = (&current, line.strip_prefix("DA:")) {
            let mut numbers = data.split(',').map(str::parse::<u64>);
            if let (Some(Ok(number)), Some(Ok(times))) = (numbers.next(), numbers.next()) {
                let number = usize::try_from(number).unwrap_or(usize::MAX);
                *files.entry(file.clone()).or_default().entry(number).or_default() += times;
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "SF:/somewhere/crates/phx-proto/src/a.rs\nDA:1,2\nDA:2,0\nDA:4,0\nend_of_record\n\
        SF:/somewhere/crates/phx-chaos/src/b.rs\nDA:1,0\nend_of_record\n";

    #[test]
    fn lines_of_tests_and_of_other_crates_do_not_count() {
        let files = parse(REPORT);
        let numbers = &files["crates/phx-proto/src/a.rs"];
        assert_eq!(files.len(), 1);
        let mut lines = Lines::default();
        lines.add("a.rs", numbers, "one\n  two\n#[cfg(test)]\nfour\n");
        assert_eq!(
            (lines.all, lines.missed.as_slice()),
            (2, ["a.rs:2: two".to_owned()].as_slice())
        );
        assert!((lines.percent() - 50.0).abs() < f64::EPSILON);
    }
}
