//! The memory of this process.

use anyhow::Context as _;

/// The resident memory in KiB, as Linux tells it.
pub(super) fn resident_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status");
    let status = status.context("the memory of a process is only told by Linux")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    kib.parse().context("VmRSS is no number")
}
