//! Settings of every client here, and the times that follow from them.

use std::time::Duration;

use phx_client::{BoxFuture, Runtime};

pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(100);
pub(super) const HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(400);
/// Longest time that a heartbeat waits while other messages arrive.
pub(super) const HEARTBEAT_LIMIT: Duration = Duration::from_millis(600);
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_millis(400);
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_millis(300);
pub(super) const PUSH_TIMEOUT: Duration = Duration::from_millis(800);

/// Time that a busy machine may add to each of these.
pub(super) const SLACK: Duration = Duration::from_secs(1);

/// Longest time of an attack.
pub(super) const ATTACK: Duration = Duration::from_secs(4);

/// Time under attack after which a client disconnects. Longer than the time between two heartbeats.
pub(super) const WATCH: Duration = Duration::from_millis(1_300);

pub(super) fn millis(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

pub(super) fn sleep<R: Runtime>(runtime: &R, time: Duration) -> BoxFuture<()> {
    runtime.timer(runtime.now() + time)
}
