//! Costs: time, CPU time, allocations, memory.

use std::io::Write as _;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use serde::{Deserialize, Serialize};
use stats_alloc::{INSTRUMENTED_SYSTEM, Stats};

use crate::runtime::Runtime;

/// Start of a measurement of the whole process.
pub(crate) struct Start {
    at: Instant,
    user: Duration,
    system: Duration,
    allocated: Stats,
}

impl Start {
    pub(crate) fn now() -> Self {
        let (user, system) = cpu_time();
        Start { at: Instant::now(), user, system, allocated: INSTRUMENTED_SYSTEM.stats() }
    }

    /// Returns the costs since the start, for each of `n` repetitions.
    pub(crate) fn cost_of(&self, client: &str, scenario: String, n: u64) -> Cost {
        let (user, system) = cpu_time();
        let (user, system) = (user.saturating_sub(self.user), system.saturating_sub(self.system));
        let allocated = INSTRUMENTED_SYSTEM.stats() - self.allocated;
        let wall = self.at.elapsed().as_secs_f64();
        let each = |total: f64| total / n.max(1) as f64;
        Cost {
            client: client.to_owned(),
            scenario,
            n,
            wall_s: wall,
            rate: n as f64 / wall,
            cpu_us: each((user + system).as_secs_f64() * 1e6),
            user_us: each(user.as_secs_f64() * 1e6),
            sys_us: each(system.as_secs_f64() * 1e6),
            allocs: each((allocated.allocations + allocated.reallocations) as f64),
            alloc_bytes: each(allocated.bytes_allocated as f64),
            rss_mib: None,
            rss_each_kib: None,
        }
    }
}

/// Costs of `n` repetitions. All fields but `n` and `wall_s` are for one of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) client: String,
    pub(crate) scenario: String,
    pub(crate) n: u64,
    pub(crate) wall_s: f64,
    pub(crate) rate: f64,
    pub(crate) cpu_us: f64,
    pub(crate) user_us: f64,
    pub(crate) sys_us: f64,
    pub(crate) allocs: f64,
    pub(crate) alloc_bytes: f64,
    /// Resident memory of the process, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rss_mib: Option<f64>,
    /// Growth of the resident memory for each of the `n`, in KiB.
    #[serde(rename = "rss_per_conn_kib", skip_serializing_if = "Option::is_none")]
    pub(crate) rss_each_kib: Option<f64>,
}

impl Cost {
    /// Adds the resident memory, and its growth since `before` bytes.
    pub(crate) fn with_memory(mut self, before: u64) -> Self {
        let now = resident();
        self.rss_mib = Some(now as f64 / 1048576.0);
        let grown = now.saturating_sub(before) as f64;
        self.rss_each_kib = Some(grown / 1024.0 / self.n.max(1) as f64);
        self
    }
}

/// Measures `count` connections opened since `start`, and their heartbeats for this many seconds. `answered` counts
/// the heartbeats.
pub(crate) async fn idle(
    runtime: Runtime,
    client: &str,
    (count, start, memory): (u64, Start, u64),
    (heartbeat, seconds): (Duration, u64),
    answered: impl Fn() -> u64,
) -> Vec<Cost> {
    let connected = start.cost_of(client, format!("connect-{count}"), count);
    runtime.sleep(heartbeat + Duration::from_millis(500)).await;
    let connected = connected.with_memory(memory);
    let before = answered();
    let start = Start::now();
    runtime.sleep(Duration::from_secs(seconds)).await;
    let mut idle = start.cost_of(client, format!("conns-{count}"), answered() - before);
    idle.rss_each_kib = connected.rss_each_kib;
    vec![connected, idle]
}

/// Prints a line of JSON for each measurement.
pub(crate) fn print(costs: &[Cost]) -> anyhow::Result<()> {
    for cost in costs {
        writeln!(std::io::stdout(), "{}", serde_json::to_string(cost)?)?;
    }
    Ok(())
}

/// Returns the resident memory of this process in bytes; 0 if unknown.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or_default() * 1024
}

/// Prints a line for people to standard error; standard output is for programs.
pub(crate) fn complain(line: &str) {
    // A closed standard error can't be reported anywhere.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn cpu_time() -> (Duration, Duration) {
    let time = |value: TimeVal| Duration::from_micros(value.num_microseconds().unsigned_abs());
    match getrusage(UsageWho::RUSAGE_SELF) {
        Ok(usage) => (time(usage.user_time()), time(usage.system_time())),
        Err(_) => (Duration::ZERO, Duration::ZERO),
    }
}
