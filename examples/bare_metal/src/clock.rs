//! Time from a counter that wraps around.

use core::time::Duration;

/// Time since the start, from a counter of milliseconds with 32 bits, which wraps around after 49 days.
///
/// The processor has no atomic counter of 64 bits, so the interrupt counts in 32, and this adds the rest. It must be asked more
/// often than every 49 days; a socket's heartbeats see to that.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    last: u32,
    wraps: u32,
}

impl Clock {
    /// Returns the time at which the counter has this value.
    pub fn at(&mut self, counter: u32) -> Duration {
        if counter < self.last {
            self.wraps = self.wraps.saturating_add(1);
        }
        self.last = counter;
        Duration::from_millis(u64::from(self.wraps) << 32 | u64::from(counter))
    }
}
