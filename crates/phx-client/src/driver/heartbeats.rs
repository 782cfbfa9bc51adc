//! The heartbeats that have no answer yet, as far as reading is concerned.

use std::collections::VecDeque;

use phx_proto::Instant;

/// When the heartbeats and pings were sent that have no answer yet. The core decides when one of
/// them has been too long; this is about reading in time to find the answer that is there.
pub(super) struct Heartbeats {
    unanswered: VecDeque<Instant>,
}

impl Heartbeats {
    pub(super) fn new() -> Self {
        // Only pings come on top of the one.
        Heartbeats { unanswered: VecDeque::with_capacity(1) }
    }

    pub(super) fn sent(&mut self, now: Instant) {
        self.unanswered.push_back(now);
    }

    pub(super) fn answered(&mut self) {
        self.unanswered.pop_front();
    }

    pub(super) fn clear(&mut self) {
        self.unanswered.clear();
    }

    /// When the oldest was sent.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.unanswered.front().copied()
    }
}
