//! The memory of this process.

use std::process::{Command, ExitCode};

use anyhow::Context as _;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts what this program allocates: what is in use tells a leak from an allocator that keeps memory.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// How the C library is told how many heaps its allocator may have.
const HEAPS: &str = "MALLOC_ARENA_MAX";

/// Runs this program again with one heap for all threads, unless it was started with such a setting.
///
/// By itself the allocator has a heap for each thread, and what it keeps depends on which of them had
/// its peak when. With one heap it keeps what the process needed.
pub(super) fn with_one_heap() -> anyhow::Result<Option<ExitCode>> {
    if std::env::var_os(HEAPS).is_some() {
        return Ok(None);
    }
    let program = std::env::current_exe().context("this program has no path")?;
    let again = Command::new(program).args(std::env::args_os().skip(1)).env(HEAPS, "1").status();
    let code = again.context("this program can't be started again")?.code();
    let code = code.and_then(|code| u8::try_from(code).ok());
    Ok(Some(code.map_or(ExitCode::FAILURE, ExitCode::from)))
}

/// What is allocated and not freed, in KiB.
pub(super) fn in_use_kib() -> u64 {
    let stats = ALLOCATOR.stats();
    let bytes = stats.bytes_allocated.saturating_sub(stats.bytes_deallocated);
    u64::try_from(bytes / 1024).unwrap_or(u64::MAX)
}

/// The resident memory in KiB, as Linux tells it.
pub(super) fn resident_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status");
    let status = status.context("the memory of a process is only told by Linux")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    kib.parse().context("VmRSS is no number")
}
