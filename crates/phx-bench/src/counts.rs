//! Instructions and allocations of the operations. These figures are the same on every run; they are stored in
//! `counts.json`, and CI compares them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use stats_alloc::INSTRUMENTED_SYSTEM;

use crate::measure::complain;
use crate::operations::{self, ALL};

/// Largest ratio of a count to the stored figure.
const TOLERANCE: f64 = 1.05;

/// Limits of the ratio of instructions of the first operation to those of the second.
const RATIOS: &[(&str, &str, f64)] = &[(operations::MANY_METAS, operations::FEW_METAS, 3.0)];

/// Repetitions of the shorter run. An operation's instructions are the difference of two runs, divided by the
/// difference of their lengths: set-up and tear-down don't count.
const SHORT_RUN: u64 = 1_000;
const LONG_RUN: u64 = 3_000;

/// Stored figures.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Counts {
    /// Version of the compiler. Instructions are compared only if it is the same.
    rustc: String,
    operations: BTreeMap<String, Count>,
}

/// Counts for one repetition of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) instructions: u64,
    pub(crate) allocations: f64,
}

/// Repeats an operation `times` times. This program runs under valgrind.
pub(crate) fn repeat(name: &str, times: u64) -> anyhow::Result<()> {
    let mut operation = operations::find(name)?.prepare()?;
    (0..times).for_each(|_| operation());
    Ok(())
}

/// Counts all operations, and fails if one costs more than the stored figures allow.
pub(crate) fn check() -> anyhow::Result<()> {
    let stored = std::fs::read_to_string(file()).context("the stored figures can't be read")?;
    let stored: Counts = serde_json::from_str(&stored).context("the stored figures are broken")?;
    let counted = count()?;
    if counted.rustc != stored.rustc {
        complain(&format!(
            "The stored figures are of rustc {}, this is {}: instructions are shown, but only \
             allocations compared.\n`cargo xtask counts-accept` stores the figures of this compiler.",
            stored.rustc, counted.rustc
        ));
    }
    complain(&table(&counted, &stored));
    let too_far_apart = too_far_apart(&counted);
    ensure!(too_far_apart.is_empty(), too_far_apart.join("\n"));
    let grown = grown(&counted, &stored);
    if grown.is_empty() {
        return Ok(());
    }
    bail!(
        "more than the stored figures and 5 %:\n  {}\nIf that is worth it: `cargo xtask counts-accept`, \
         and say why in the commit",
        grown.join("\n  ")
    );
}

/// Counts all operations, and stores the figures.
pub(crate) fn accept() -> anyhow::Result<()> {
    let counted = count()?;
    complain(&table(&counted, &counted));
    let text = serde_json::to_string_pretty(&counted)?;
    std::fs::write(file(), text + "\n").context("the figures can't be stored")
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.json")
}

fn count() -> anyhow::Result<Counts> {
    let mut counts = BTreeMap::new();
    for operation in ALL {
        let instructions = instructions(&["repeat", operation.name], SHORT_RUN, LONG_RUN)?;
        let allocations = allocations(operation.name)?;
        counts.insert(operation.name.to_owned(), Count { instructions, allocations });
    }
    Ok(Counts { rustc: rustc()?, operations: counts })
}

fn rustc() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("--version").output().context("rustc doesn't run")?;
    let text = String::from_utf8(output.stdout)?;
    text.split_whitespace().nth(1).map(str::to_owned).context("rustc prints no version")
}

/// Returns the allocations of an operation, after a warm-up in which tables and buffers have grown.
pub(crate) fn allocations(name: &str) -> anyhow::Result<f64> {
    const TIMES: u32 = 10_000;
    let mut operation = operations::find(name)?.prepare()?;
    (0..TIMES).for_each(|_| operation());
    let before = INSTRUMENTED_SYSTEM.stats();
    (0..TIMES).for_each(|_| operation());
    let made = INSTRUMENTED_SYSTEM.stats() - before;
    let each = (made.allocations + made.reallocations) as f64 / f64::from(TIMES);
    Ok((each * 100.0).round() / 100.0)
}

/// Returns the instructions for each repetition, from two runs of this program with the last arguments `short` and
/// `long`.
pub(crate) fn instructions(args: &[&str], short: u64, long: u64) -> anyhow::Result<u64> {
    instructions_with(args, short, long, &[])
}

/// As [`instructions`], in a process with these variables.
pub(crate) fn instructions_with(
    args: &[&str],
    short: u64,
    long: u64,
    variables: &[(&str, &str)],
) -> anyhow::Result<u64> {
    let total = |times: u64| -> anyhow::Result<u64> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe()?)
            .args(args)
            .arg(times.to_string())
            .envs(variables.iter().copied())
            .output()
            .context("valgrind doesn't run; `apt-get install valgrind` brings it")?;
        let output_text = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "under valgrind {args:?} failed:\n{output_text}");
        let total = output_text.lines().find_map(|line| line.split_once("Collected : "));
        Ok(total.context("valgrind prints no count")?.1.trim().parse()?)
    };
    Ok((total(long)? - total(short)?) / (long - short))
}

/// Describes the costs that have grown.
fn grown(counted: &Counts, stored: &Counts) -> Vec<String> {
    let mut grown = Vec::new();
    for (name, count) in &counted.operations {
        let Some(limit) = stored.operations.get(name) else {
            grown.push(format!("{name}: not stored yet"));
            continue;
        };
        let (now, before) = (count.instructions, limit.instructions);
        if counted.rustc == stored.rustc && now as f64 > before as f64 * TOLERANCE {
            grown.push(format!("{name}: {now} instructions instead of {before}"));
        }
        let (now, before) = (count.allocations, limit.allocations);
        if now > before * TOLERANCE {
            grown.push(format!("{name}: {now} allocations instead of {before}"));
        }
    }
    grown
}

/// Describes the operations that cost too much compared with others.
fn too_far_apart(counted: &Counts) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, other, ratio) in RATIOS {
        let of = |name: &str| counted.operations.get(name).map(|count| count.instructions);
        let Some((count, least)) = of(name).zip(of(other)) else {
            lines.push(format!("{name}, {other}: not counted"));
            continue;
        };
        if count as f64 > least as f64 * ratio {
            lines.push(format!(
                "{name}: {count} instructions, over {ratio} times the {least} of {other}"
            ));
        }
    }
    lines
}

fn table(counted: &Counts, stored: &Counts) -> String {
    let mut text =
        format!("{:<42}{:>14}{:>10}{:>14}\n", "", "instructions", "stored", "allocations");
    for (name, count) in &counted.operations {
        let stored = stored.operations.get(name).map_or(0, |count| count.instructions);
        let Count { instructions, allocations } = count;
        let _ = writeln!(text, "{name:<42}{instructions:>14}{stored:>10}{allocations:>14}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(rustc: &str, instructions: u64, allocations: f64) -> Counts {
        let count = Count { instructions, allocations };
        Counts { rustc: rustc.into(), operations: BTreeMap::from([("decode".into(), count)]) }
    }

    #[test]
    fn what_grows_by_more_than_five_percent_is_reported() {
        let stored = counts("1.95.0", 1_000, 1.0);
        assert!(grown(&counts("1.95.0", 1_050, 1.0), &stored).is_empty());
        assert!(grown(&counts("1.95.0", 10, 0.0), &stored).is_empty());
        let lines = grown(&counts("1.95.0", 1_051, 1.06), &stored);
        assert_eq!(
            lines,
            ["decode: 1051 instructions instead of 1000", "decode: 1.06 allocations instead of 1"]
        );
    }

    #[test]
    fn one_allocation_is_more_than_none() {
        let lines = grown(&counts("1.95.0", 1, 1.0), &counts("1.95.0", 1, 0.0));
        assert_eq!(lines, ["decode: 1 allocations instead of 0"]);
    }

    #[test]
    fn instructions_of_another_compiler_are_not_compared() {
        let stored = counts("1.95.0", 1_000, 1.0);
        assert!(grown(&counts("1.96.0", 2_000, 1.0), &stored).is_empty());
        assert_eq!(grown(&counts("1.96.0", 2_000, 2.0), &stored).len(), 1);
    }

    #[test]
    fn an_operation_that_is_not_stored_is_reported() {
        let stored = Counts { rustc: "1.95.0".into(), operations: BTreeMap::new() };
        assert_eq!(grown(&counts("1.95.0", 1, 1.0), &stored), ["decode: not stored yet"]);
    }

    #[test]
    fn operations_that_are_too_far_apart_are_reported() {
        let counts = |many, few| Counts {
            rustc: "1.95.0".into(),
            operations: [(operations::MANY_METAS, many), (operations::FEW_METAS, few)]
                .map(|(name, instructions)| (name.into(), Count { instructions, allocations: 1.0 }))
                .into(),
        };
        assert!(too_far_apart(&counts(300, 100)).is_empty());
        assert_eq!(too_far_apart(&counts(301, 100)).len(), 1);
        assert_eq!(too_far_apart(&self::counts("1.95.0", 1, 1.0)).len(), 1);
    }
}
