//! Goals, and their comparison with the medians.

use std::hint::black_box;
use std::time::Instant;

use serde::Serialize;

use super::rounds::Medians;
use crate::{counts, operations};

/// A goal: a figure and its limit.
#[derive(Debug, Serialize)]
pub(super) struct Goal {
    what: String,
    unit: &'static str,
    figure: f64,
    at_most: f64,
    /// The two figures of a ratio.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<[f64; 2]>,
    met: bool,
}

impl Goal {
    fn new(what: impl Into<String>, unit: &'static str, figure: f64, at_most: f64) -> Self {
        Goal { what: what.into(), unit, figure, at_most, of: None, met: figure <= at_most }
    }

    fn ratio(what: impl Into<String>, figure: f64, floor: f64, at_most: f64) -> Self {
        let mut goal = Goal::new(what, "x", figure / floor, at_most);
        goal.of = Some([figure, floor]);
        goal
    }
}

const TOKIO: &str = "phx-tokio";

/// Compares the medians with the goals; with `micro` also single operations.
pub(super) fn check(medians: &Medians, micro: bool) -> anyhow::Result<Vec<Goal>> {
    let cpu = |scenario: &str, client: &str| medians.find(scenario, client).map(|cost| cost.cpu_us);
    let mut goals = Vec::new();
    let mut beside = |what: &str, scenario: &str, floor: (&str, &str), at_most: f64| {
        if let (Some(figure), Some(floor)) = (cpu(scenario, TOKIO), cpu(floor.0, floor.1)) {
            goals.push(Goal::ratio(what, figure, floor, at_most));
        }
    };
    beside("flood 80 B, raw: CPU beside the floor `task`", "flood-80", ("flood-80", "task"), 0.9);
    beside("flood 80 B, raw: CPU beside `none` (stretch)", "flood-80", ("flood-80", "none"), 1.6);
    beside("flood 80 B, typed: CPU beside `task`", "typed-80", ("flood-80", "task"), 1.0);
    beside("flood 4 KiB, raw: CPU beside `task`", "flood-4060", ("flood-4060", "task"), 0.9);
    beside("echo, 1 in flight: CPU beside `each`", "echo-1", ("echo-1", "each"), 1.25);
    beside("echo, 64 in flight: CPU beside `batch`", "echo-64", ("echo-64", "batch"), 1.5);
    beside(
        "10,000 channels beside 1: CPU (the goal of 1.1 is for instructions)",
        "chans-10000",
        ("chans-1", TOKIO),
        1.1,
    );
    if let Some(cost) = medians.find("flood-80", TOKIO) {
        goals.push(Goal::new("flood 80 B, raw: allocations", "", cost.allocs, 2.0));
    }
    if let Some(cost) = medians.find("join-10000", TOKIO) {
        goals.push(Goal::new("join of 10,000 channels: CPU each", "us", cost.cpu_us, 5.0));
        let memory = cost.rss_each_kib.unwrap_or(f64::NAN);
        goals.push(Goal::new("join of 10,000 channels: memory each", "KiB", memory, 3.0));
    }
    if let Some(memory) = medians.find("conns-1000", TOKIO).and_then(|cost| cost.rss_each_kib) {
        goals.push(Goal::new("1,000 idle connections: memory each", "KiB", memory, 9.0));
    }
    for cost in medians.rows().iter().filter(|cost| cost.client == TOKIO) {
        for other in ["phx-async-std", "phx-smol"] {
            if let Some(figure) = cpu(&cost.scenario, other) {
                let what = format!("{}: CPU of {other} beside {TOKIO}", cost.scenario);
                goals.push(Goal::ratio(what, figure, cost.cpu_us, 1.3));
            }
        }
    }
    if micro {
        operations_goals(&mut goals)?;
    }
    Ok(goals)
}

fn operations_goals(goals: &mut Vec<Goal>) -> anyhow::Result<()> {
    let reply = "decode a reply of 150 B";
    goals.push(Goal::new("decode of a 150 B reply", "ns", nanoseconds(reply)?, 60.0));
    let allocations = counts::allocations(reply)?;
    goals.push(Goal::new("decode of a 150 B reply: allocations", "", allocations, 0.0));
    let allocations = counts::allocations("encode a push with a ready payload")?;
    goals.push(Goal::new("encode of a push: allocations", "", allocations, 1.0));
    let many = nanoseconds("presence diff, 10,000 users")?;
    let few = nanoseconds("presence diff, 100 users")?;
    // A look-up among a hundred times as many users may take twice as many steps.
    let what = "presence diff among 10,000 users beside 100: time";
    goals.push(Goal::ratio(what, many, few, 2.0));
    Ok(())
}

/// Returns the median time of an operation.
fn nanoseconds(name: &str) -> anyhow::Result<f64> {
    const RUNS: usize = 15;
    const TIMES: u32 = 20_000;
    let mut operation = operations::find(name)?.prepare()?;
    let mut runs: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..TIMES {
                black_box(&mut operation)();
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES)
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    Ok(runs.get(RUNS / 2).copied().unwrap_or_default())
}

/// Returns the goals as a table in Markdown.
pub(super) fn table(goals: &[Goal]) -> String {
    let mut text = "| goal | measured | at most | met |\n|---|---|---|---|\n".to_owned();
    for Goal { what, unit, figure, at_most, of, met } in goals {
        let of = of.map_or(String::new(), |[figure, floor]| format!(" ({figure:.3} / {floor:.3})"));
        let met = if *met { "yes" } else { "no" };
        text += &format!("| {what} | {figure:.2} {unit}{of} | {at_most} {unit} | {met} |\n");
    }
    text
}
