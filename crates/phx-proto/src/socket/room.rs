//! Room that a peak has left behind, given back.
//!
//! While a connection is dead and nobody knows it yet, pushes and their outcomes pile up, and what
//! holds them grows. It is made smaller when a heartbeat was answered and when a connection ends, and,
//! if it is large, as soon as it is empty: too seldom to cost anything, and soon enough for a socket
//! that lives for weeks.

use super::Socket;

/// Room for so many entries is always kept.
const KEPT: usize = 8;

/// For how many entries what holds `len` keeps room: more than it needs, so that traffic which comes
/// and goes doesn't have it grow and shrink all the time.
pub(super) fn to_keep(len: usize) -> usize {
    len.saturating_mul(2).max(KEPT)
}

/// Whether what has room for `capacity` and holds `len` is empty after a peak.
pub(super) fn is_over(len: usize, capacity: usize) -> bool {
    const LARGE: usize = 512;
    len == 0 && capacity > LARGE
}

impl Socket {
    pub(super) fn give_back_room(&mut self) {
        self.pending.give_back_room();
        self.events.give_back_room();
    }
}
