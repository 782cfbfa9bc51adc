//! Memory of this process.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use cap::Cap;
use tikv_jemallocator::Jemalloc;

/// An allocator whose resident memory shows the memory in use: it places allocations low in memory, and gives every
/// free page back to the system.
///
/// glibc's allocator gives back only what is free at the end of its heap. With it the resident memory of a soak rose
/// at each new peak and stayed there, while the memory in use didn't grow.
///
/// The wrapper counts the peak of allocated memory, and can refuse more.
#[global_allocator]
static ALLOCATOR: Cap<Jemalloc> = Cap::new(Jemalloc, usize::MAX);

/// Variable from which the allocator reads its settings, and its value: one heap for all threads, and no delay
/// before pages are given back.
const SETTINGS: (&str, &str) =
    ("_RJEM_MALLOC_CONF", "narenas:1,tcache:false,dirty_decay_ms:0,muzzy_decay_ms:0");

/// Runs this program again with [`SETTINGS`], unless it has some.
pub(crate) fn with_settings() -> anyhow::Result<Option<ExitCode>> {
    let (name, settings) = SETTINGS;
    if std::env::var_os(name).is_some() {
        return Ok(None);
    }
    let program = std::env::current_exe().context("this program has no path")?;
    let again =
        Command::new(program).args(std::env::args_os().skip(1)).env(name, settings).status();
    let code = again.context("this program can't be started again")?.code();
    let code = code.and_then(|code| u8::try_from(code).ok());
    Ok(Some(code.map_or(ExitCode::FAILURE, ExitCode::from)))
}

/// Returns the resident memory in KiB, as Linux reports it.
pub(crate) fn resident_kib() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status");
    let status = status.context("the memory of a process is only reported by Linux")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    kib.parse().context("VmRSS is no number")
}

/// Returns the bytes that are allocated and not freed.
pub(crate) fn allocated() -> usize {
    ALLOCATOR.allocated()
}

/// Returns the largest memory that was allocated at any time, in bytes.
pub(crate) fn peak() -> usize {
    ALLOCATOR.max_allocated()
}

/// Sets the total in bytes beyond which an allocation ends the process.
pub(crate) fn limit(bytes: usize) -> anyhow::Result<()> {
    ensure!(ALLOCATOR.set_limit(bytes).is_ok(), "more than {bytes} bytes are allocated already");
    Ok(())
}
