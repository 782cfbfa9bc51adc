//! Settings of a session.

use core::time::Duration;

use crate::time::Instant;

/// Settings of a [`Session`](super::Session).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionConfig {
    /// The largest body of an answer, in bytes, decompressed; a larger one ends the session. The session holds at most
    /// two answers of this size, or more small ones, up to 1 MiB. Default: 64 MiB.
    pub max_answer_bytes: usize,
    /// Bytes that are kept of the body of an answer that refuses the session. Default: 16 KiB.
    pub max_refusal_body: usize,
    /// Time for the answer to a poll or a POST; without one the session ends. It begins again whenever the driver
    /// [reports progress](super::Session::handle_progress), up to six times it for the whole. The server answers each within
    /// the window that is set there (10 s), or 2 s later. Default: 20 s.
    pub answer_timeout: Duration,
    /// Time for which a session that answered a POST too late counts as busy, though the server doesn't know it.
    /// Default: 5 s.
    pub busy_timeout: Duration,
}

/// The time for a whole exchange, in times of [`SessionConfig::answer_timeout`]. Phoenix reads a POST of 8 MB in eight
/// parts, and gives each of them 15 s.
const TIMEOUTS: u32 = 6;

impl SessionConfig {
    /// The deadline of an exchange that began at `since`, and last moved on at `progress`.
    pub(super) fn deadline(&self, since: Instant, progress: Instant) -> Instant {
        let latest = since.saturating_add(self.answer_timeout.saturating_mul(TIMEOUTS));
        progress.saturating_add(self.answer_timeout).min(latest)
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        SessionConfig {
            max_answer_bytes: 64 << 20,
            max_refusal_body: 16 << 10,
            // That of phoenix.js.
            answer_timeout: Duration::from_secs(20),
            // A dead session answers in the same way: the longer it is, the later that is noticed.
            busy_timeout: Duration::from_secs(5),
        }
    }
}
