//! Settings of every client here, and the times that follow from them.

use std::time::Duration;

use phx_client::websocket::Compression;
use phx_client::{Backoff, SocketBuilder};

const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
pub(super) const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(1);
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const JOIN_TIMEOUT: Duration = Duration::from_secs(2);
pub(super) const PUSH_TIMEOUT: Duration = Duration::from_secs(8);
/// Milliseconds between attempts, then always the last.
const DELAYS: [u32; 3] = [50, 100, 200];
const JITTER_PERCENT: u8 = 25;

/// The operating system reports the fault: no timer is involved.
pub(super) const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

/// Only a heartbeat notices the fault, and nothing arrives: the client sends one an interval after the last reply,
/// and then waits for its reply.
pub(super) const SILENCE: Option<Duration> =
    Some(HEARTBEAT_INTERVAL.saturating_add(HEARTBEAT_TIMEOUT));

/// Only a heartbeat notices the fault, while all other messages arrive.
pub(super) const UNHEARD: Option<Duration> =
    Some(HEARTBEAT_INTERVAL.saturating_add(HEARTBEAT_LIMIT));

/// An attempt to connect times out.
pub(super) const ATTEMPT: Option<Duration> = Some(CONNECT_TIMEOUT);

/// The client must not notice the fault.
pub(super) const NEVER: Option<Duration> = None;

/// The longest of the delays with the most of its jitter: a client that can reconnect does so by then.
pub(super) const REJOIN: Duration = Duration::from_millis(250);

/// Time that a busy machine may add to each.
pub(super) const SLACK: Duration = Duration::from_secs(1);

pub(super) fn apply(builder: SocketBuilder, compresses: bool) -> SocketBuilder {
    let compression = Compression::new().context_takeover(true).threshold(1);
    let builder = if compresses { builder.compression(compression) } else { builder };
    let delays = DELAYS.map(|delay| Duration::from_millis(delay.into()));
    let backoff = Backoff::steps(delays).with_jitter_percent(JITTER_PERCENT);
    builder
        .heartbeat_interval(Some(HEARTBEAT_INTERVAL))
        .heartbeat_timeout(HEARTBEAT_TIMEOUT)
        .heartbeat_limit(HEARTBEAT_LIMIT)
        .connect_timeout(CONNECT_TIMEOUT)
        .join_timeout(JOIN_TIMEOUT)
        .push_timeout(PUSH_TIMEOUT)
        .reconnect(backoff.clone())
        .rejoin(backoff)
}
