//! Turns to join: how many joins are under way at a time, who waits, and how they are spread after a
//! burst that the server didn't take.
//!
//! ```text
//!   begin_attempt --> waiting --(a place is free, the pace allows)--> under way --> answered, failed, stopped
//! ```
//!
//! Channels take turns in the order in which they asked. The attempt's own time begins with its turn, so
//! waiting for one is no failure.
//!
//! Nothing is spread until the server has rejected [`MANY`] joins within a second, or a connection ended
//! with joins unanswered: by a close code that speaks against the client, or for the second time in a row. From then on turns follow each other at a pace: 10 a second at
//! first, faster with each join that is accepted, half as fast after as many rejections again.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::time::Duration;

use super::timers::TimerKey;
use super::{Socket, TimeoutReason};
use crate::{ChannelId, CloseCause, Instant};

/// Rejections within a second from which on joins are spread: fewer come back one by one, by their
/// schedules.
const MANY: u32 = 5;

/// The time in which rejections are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// How long after the last turn and the last retry a pace is kept.
const LINGER: Duration = Duration::from_secs(1);

/// Paces are counted in turns in eight seconds: each join that is accepted makes it one more.
const EIGHT_SECONDS_US: u64 = 8_000_000;
const FIRST_PACE: u64 = 80;
const SLOWEST_PACE: u64 = 8;

/// Who joins, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// By number, which is in the order in which they asked.
    waiting: BTreeMap<u64, ChannelId>,
    /// Attempts that have had their turn and aren't over.
    under_way: usize,
    /// Whether the last connection ended while joins were under way, and whether that was their fault, as
    /// far as can be known.
    last_end: LastEnd,
    rejected: Rejected,
    pace: Option<Box<Pace>>,
}

/// How the last connection ended, as far as joins are concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LastEnd {
    /// Without joins under way.
    #[default]
    Idle,
    /// With joins under way, which may be chance.
    Joining,
    /// With joins under way, and they were too much for the server.
    TooMuch,
}

/// Rejections of the current window.
#[derive(Debug, Default)]
struct Rejected {
    count: u32,
    since: Instant,
}

/// How turns are spread.
#[derive(Debug)]
struct Pace {
    turns: u64,
    /// It doesn't become faster than this.
    fastest: u64,
    /// When there may be the next turn.
    next: Instant,
    /// Set to that moment while somebody waits for it.
    timer: Option<TimerKey>,
    /// The last moment at which a channel is expected to ask.
    until: Instant,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Pace { turns: FIRST_PACE, fastest: u64::MAX, next: now, timer: None, until: now }
    }

    fn spacing(&self) -> Duration {
        Duration::from_micros(EIGHT_SECONDS_US.checked_div(self.turns).unwrap_or(EIGHT_SECONDS_US))
    }

    fn slow_down(&mut self) {
        let three_quarters = self.turns.saturating_sub(self.turns / 4);
        self.fastest = three_quarters.max(SLOWEST_PACE);
        self.turns = (self.turns / 2).max(SLOWEST_PACE);
    }

    fn speed_up(&mut self) {
        if self.turns < self.fastest {
            self.turns = self.turns.saturating_add(1);
        }
    }
}

impl Turns {
    /// Whether somebody waits for a turn.
    pub(super) fn is_awaited(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// An attempt goes on that was stopped for a moment.
    pub(super) fn go_on(&mut self) {
        self.under_way = self.under_way.saturating_add(1);
    }

    /// An attempt that has had its turn is over.
    pub(super) fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// A channel doesn't wait for its turn any more.
    pub(super) fn leave(&mut self, number: u64) {
        self.waiting.remove(&number);
    }

    /// A join was accepted.
    pub(super) fn accepted(&mut self) {
        if let Some(pace) = &mut self.pace {
            pace.speed_up();
        }
    }

    /// The connection ended, and nobody here wanted that.
    pub(super) fn connection_lost(&mut self, cause: &CloseCause) {
        // Normal, going away, and the restart of a service are no answer to what a client did.
        let blames_us = matches!(cause, CloseCause::Frame { code, .. }
            if !matches!(code.as_u16(), 1000 | 1001 | 1012));
        self.last_end = match self.last_end {
            _ if self.under_way == 0 => LastEnd::Idle,
            LastEnd::Idle if !blames_us => LastEnd::Joining,
            _ => LastEnd::TooMuch,
        };
    }

    /// Whether a turn can be given now.
    fn has_room(&self, now: Instant, max: usize) -> bool {
        self.under_way < max.max(1) && self.pace.as_ref().is_none_or(|pace| pace.next <= now)
    }

    fn begin(&mut self, now: Instant) {
        self.under_way = self.under_way.saturating_add(1);
        if let Some(pace) = &mut self.pace {
            pace.next = now.saturating_add(pace.spacing());
            pace.until = pace.until.max(pace.next);
        }
    }

    fn slow_down(&mut self, now: Instant) {
        match &mut self.pace {
            Some(pace) => pace.slow_down(),
            None => self.pace = Some(Box::new(Pace::new(now))),
        }
    }
}

impl Socket {
    /// Takes a turn, if there is one at once; or else gets in line.
    pub(super) fn takes_turn(&mut self) -> bool {
        if self.turns.is_awaited() {
            return false;
        }
        let now = self.now;
        if self.turns.pace.as_ref().is_some_and(|pace| now > pace.until.saturating_add(LINGER)) {
            self.drop_pace();
        }
        let takes = self.turns.has_room(now, self.config.max_joins_in_flight);
        if takes {
            self.turns.begin(now);
        }
        takes
    }

    /// Puts a channel in line; the number is its place.
    pub(super) fn await_turn(&mut self, id: ChannelId) -> u64 {
        let number = self.next_number();
        self.turns.waiting.insert(number, id);
        self.await_pace();
        number
    }

    /// Gives those who wait their turns, as far as there are any.
    pub(super) fn give_turns(&mut self) {
        while self.connection.is_open()
            && self.turns.has_room(self.now, self.config.max_joins_in_flight)
            && let Some((_, id)) = self.turns.waiting.pop_first()
        {
            self.turns.begin(self.now);
            self.start_attempt(id);
        }
        self.await_pace();
    }

    pub(super) fn turn_is_due(&mut self) {
        if let Some(pace) = &mut self.turns.pace {
            pace.timer = None;
        }
        self.give_turns();
    }

    /// Who waits for nothing but the pace is woken by a timer.
    fn await_pace(&mut self) {
        let has_place = self.turns.under_way < self.config.max_joins_in_flight.max(1);
        if !self.turns.is_awaited() || !has_place {
            return;
        }
        if let Some(pace) = &mut self.turns.pace
            && pace.timer.is_none()
        {
            let after = pace.next.saturating_duration_since(self.now);
            pace.timer = Some(self.timers.arm(self.now, after, TimeoutReason::NextJoin));
        }
    }

    /// The server rejected a join, which will be tried again in this time.
    pub(super) fn join_will_be_retried(&mut self, retry_in: Duration) {
        if self.config.max_joins_in_flight == usize::MAX {
            return;
        }
        let now = self.now;
        let rejected = &mut self.turns.rejected;
        if now.saturating_duration_since(rejected.since) >= WINDOW {
            *rejected = Rejected { count: 0, since: now };
        }
        rejected.count = rejected.count.saturating_add(1);
        if rejected.count == MANY {
            self.turns.slow_down(now);
        }
        if let Some(pace) = &mut self.turns.pace {
            pace.until = pace.until.max(now.saturating_add(retry_in));
        }
    }

    /// A connection opened, and channels are about to join.
    pub(super) fn begin_turns(&mut self) {
        if self.turns.last_end == LastEnd::TooMuch && self.config.max_joins_in_flight < usize::MAX {
            self.turns.slow_down(self.now);
            if let Some(pace) = &mut self.turns.pace {
                pace.until = pace.until.max(self.now);
            }
        }
    }

    /// The connection is over, and nobody waits for a turn.
    pub(super) fn stop_turns(&mut self) {
        if let Some(timer) = self.turns.pace.as_mut().and_then(|pace| pace.timer.take()) {
            self.timers.disarm(timer);
        }
    }

    fn drop_pace(&mut self) {
        self.stop_turns();
        self.turns.pace = None;
    }
}
