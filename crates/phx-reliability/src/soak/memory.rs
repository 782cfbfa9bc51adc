//! The memory of this process.

use anyhow::Context as _;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts what this program allocates: what is in use tells a leak from an allocator that keeps memory.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// What is allocated and not freed, in KiB.
pub(super) fn in_use_kib() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated) / 1024
}

/// The resident memory in KiB, as Linux tells it.
pub(super) fn resident_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status");
    let status = status.context("the memory of a process is only told by Linux")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    kib.parse().context("VmRSS is no number")
}
