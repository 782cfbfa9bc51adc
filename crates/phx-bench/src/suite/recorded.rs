//! Scenarios with a recorder beside those without.

use anyhow::{Context as _, ensure};

use super::host::Server;
use super::rounds;
use crate::counts;

/// Largest ratios of a flood's instructions to those without a recorder.
const GOALS: [(&str, f64); 3] = [("ring", 1.15), ("hashed", 1.3), ("file", 1.8)];

/// Messages of the shorter flood and of the longer one: instructions are those of the difference.
const SHORT_FLOOD: u64 = 10_000;
const LONG_FLOOD: u64 = 40_000;

/// Returns the instructions for a message of a flood over a socket, with a recorder and without one, as a table in
/// Markdown. Other than times they are nearly the same on every run; the kernel's aren't among them.
pub(crate) fn instructions() -> anyhow::Result<String> {
    let server = Server::start()?;
    let count = |mode: &str| {
        let (args, port) = (["recorded-flood", mode], server.port());
        counts::instructions_with(&args, SHORT_FLOOD, LONG_FLOOD, &[("PERF_PORT", port)])
            .with_context(|| format!("a flood with {mode}"))
    };
    let off = count("off")?;
    let mut text =
        "| recorder | instructions | beside none | goal |\n|---|---|---|---|\n".to_owned();
    text += &format!("| off | {off} | 1.000 | |\n");
    let mut is_met = true;
    for (mode, goal) in GOALS {
        let with = count(mode)?;
        let ratio = with as f64 / off as f64;
        is_met &= ratio <= goal;
        text += &format!("| {mode} | {with} | {ratio:.3} | {goal} |\n");
    }
    ensure!(is_met, "more than the goals:\n{text}");
    Ok(text)
}

/// Returns the CPU time of each of these ways of recording beside none, as a table in Markdown.
pub(crate) fn ratios(modes: &[&str], rounds: u32) -> anyhow::Result<String> {
    let medians = rounds::measure(&rounds::recorded(modes), rounds)?;
    let mut text = "| scenario | recorder | CPU us | beside none |\n|---|---|---|---|\n".to_owned();
    for off in medians.rows().iter().filter(|cost| cost.client.ends_with(" off")) {
        for cost in medians.rows().iter().filter(|cost| cost.scenario == off.scenario) {
            let (_, mode) = cost.client.rsplit_once(' ').unwrap_or_default();
            let ratio = cost.cpu_us / off.cpu_us;
            text += &format!("| {} | {mode} | {:.3} | {ratio:.3} |\n", cost.scenario, cost.cpu_us);
        }
    }
    Ok(text)
}
