//! Task that wants to run every 10 ms, and its longest delay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use phx_client::Runtime;

const EVERY: Duration = Duration::from_millis(10);

/// The task, which runs beside the client until this is dropped.
pub(super) struct Ticker(Arc<Seen>);

#[derive(Default)]
struct Seen {
    ticks: AtomicU64,
    /// Longest delay in microseconds.
    longest: AtomicU64,
    longest_wall: AtomicU64,
    over: AtomicBool,
}

impl Ticker {
    pub(super) fn start<R: Runtime + Clone>(runtime: &R) -> Self {
        let seen = Arc::new(Seen::default());
        runtime.spawn(Box::pin(tick(runtime.clone(), Arc::clone(&seen))));
        Ticker(seen)
    }

    pub(super) fn ticks(&self) -> u64 {
        self.0.ticks.load(Ordering::Relaxed)
    }

    /// Returns the longest time for which the task was kept from running, while its thread was running.
    pub(super) fn longest(&self) -> Duration {
        Duration::from_micros(self.0.longest.load(Ordering::Relaxed))
    }

    /// Returns the same in wall-clock time, including the time of other processes.
    pub(super) fn longest_wall(&self) -> Duration {
        Duration::from_micros(self.0.longest_wall.load(Ordering::Relaxed))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

async fn tick<R: Runtime>(runtime: R, seen: Arc<Seen>) {
    while !seen.over.load(Ordering::Relaxed) {
        let (began, began_used) = (Instant::now(), processor_time());
        runtime.timer(runtime.now() + EVERY).await;
        let late = began.elapsed().saturating_sub(EVERY);
        let used = processor_time().saturating_sub(began_used);
        // Nothing here blocks the thread, so other processes had the time that it didn't use.
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        seen.longest.fetch_max(micros(late.min(used)), Ordering::Relaxed);
        seen.longest_wall.fetch_max(micros(late), Ordering::Relaxed);
        seen.ticks.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns the processor time that the calling thread has used.
#[cfg(unix)]
fn processor_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanos)
}

/// On systems without that clock, all time counts.
#[cfg(not(unix))]
fn processor_time() -> Duration {
    static EPOCH: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    EPOCH.elapsed()
}
