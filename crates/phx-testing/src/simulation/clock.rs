//! Clock of a client: the simulation's, with an offset.

use std::time::Duration;

use phx_proto::Instant;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    ahead: Duration,
    behind: Duration,
}

impl Clock {
    pub(super) fn jump_ahead(&mut self, by: Duration) {
        self.ahead = self.ahead.saturating_add(by);
    }

    pub(super) fn jump_back(&mut self, by: Duration) {
        self.behind = self.behind.saturating_add(by);
    }

    /// Its reading at a time of the simulation. It never shows less than the epoch.
    pub(super) fn read(&self, now: Instant) -> Instant {
        shifted(now, self.ahead, self.behind)
    }

    /// The time of the simulation at which it shows `reading`.
    pub(super) fn when(&self, reading: Instant) -> Instant {
        shifted(reading, self.behind, self.ahead)
    }
}

fn shifted(at: Instant, forwards: Duration, back: Duration) -> Instant {
    Instant::from_epoch(at.since_epoch().saturating_add(forwards).saturating_sub(back))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_rings_when_it_shows_the_time() {
        let at = |seconds| Instant::from_epoch(Duration::from_secs(seconds));
        let mut clock = Clock::default();
        assert_eq!((clock.read(at(7)), clock.when(at(7))), (at(7), at(7)));
        clock.jump_ahead(Duration::from_secs(5));
        assert_eq!((clock.read(at(7)), clock.when(at(12))), (at(12), at(7)));
        clock.jump_back(Duration::from_secs(9));
        assert_eq!((clock.read(at(7)), clock.when(at(3))), (at(3), at(7)));
        assert_eq!(clock.read(at(2)), Instant::EPOCH);
    }
}
