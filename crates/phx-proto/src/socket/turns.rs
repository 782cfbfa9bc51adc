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
//! Nothing is spread until the server has rejected [`MANY`] joins within a second, or has ended a
//! connection with joins unanswered: by a close code that speaks against the client, or for the second
//! time in a row. From then on turns follow each other at a pace: 10 a second at first, faster with each
//! join that is accepted, half as fast after as many rejections again.
//!
//! The connection's end counts although the server rejected nothing: one that closes the connection of a
//! client that joins too fast would close it each time, and nobody would ever be joined.

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

/// How long a pace is kept after the last turn and the last retry.
const LINGER: Duration = Duration::from_secs(1);

/// How long a pace is kept after the end of a connection that began it or slowed it down: the next
/// connection needs it.
const LINGER_AFTER_END: Duration = Duration::from_secs(60);

/// Paces are counted in turns in eight seconds: each join that is accepted makes it one more.
const EIGHT_SECONDS_US: u64 = 8_000_000;
const FIRST_PACE: u64 = 80;
const SLOWEST_PACE: u64 = 8;
/// A pace of 1,000 a second is none.
const NO_PACE: u64 = 8_000;

/// How many joins are accepted before the pace grows twice as fast, and before the limit is lifted that
/// rejections set.
const STREAK: u64 = 32;

/// The joins that are under way, and those that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// By number, which is in the order in which they asked.
    waiting: BTreeMap<u64, ChannelId>,
    /// Attempts that have had their turn and aren't over.
    under_way: usize,
    /// Whether the last connection ended, and not by the client's wish, while joins were under way.
    ended_unanswered: bool,
    rejected: Rejected,
    pace: Option<Box<Pace>>,
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
    /// It doesn't become faster than this: a faster one was too fast.
    fastest: u64,
    /// Joins accepted since it was slowed down.
    accepted: u64,
    /// How many must be accepted until `fastest` is lifted.
    patience: u64,
    /// When there may be the next turn.
    next: Instant,
    /// Set to that moment while somebody waits for it.
    timer: Option<TimerKey>,
    /// The last moment at which a channel is expected to ask.
    until: Instant,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Pace {
            turns: FIRST_PACE,
            fastest: u64::MAX,
            accepted: 0,
            patience: STREAK,
            next: now,
            timer: None,
            until: now,
        }
    }

    fn spacing(&self) -> Duration {
        Duration::from_micros(EIGHT_SECONDS_US.checked_div(self.turns).unwrap_or(EIGHT_SECONDS_US))
    }

    fn slow_down(&mut self) {
        // A server that has accepted nothing is busy: that says nothing of the pace that it can take.
        if self.accepted > 0 {
            self.fastest = self.turns.saturating_sub(self.turns / 4).max(SLOWEST_PACE);
        }
        self.turns = (self.turns / 2).max(SLOWEST_PACE);
        self.accepted = 0;
    }

    fn speed_up(&mut self) {
        self.accepted = self.accepted.saturating_add(1);
        if self.accepted >= self.patience {
            self.fastest = u64::MAX;
        }
        let step = (self.accepted / STREAK).saturating_add(1);
        self.turns = self.turns.saturating_add(step).min(self.fastest);
    }
}

impl Turns {
    /// Whether somebody waits for a turn.
    pub(super) fn is_awaited(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// An attempt that has had its turn is over.
    pub(super) fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// A channel doesn't wait for its turn any more.
    pub(super) fn leave(&mut self, number: u64) {
        self.waiting.remove(&number);
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
}

impl Socket {
    /// Takes a turn if one is free.
    pub(super) fn takes_turn(&mut self) -> bool {
        if self.turns.is_awaited() {
            return false;
        }
        self.drop_old_pace();
        let takes = self.turns.has_room(self.now, self.config.max_joins_in_flight);
        if takes {
            self.turns.begin(self.now);
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

    /// Gives turns to the channels that wait, in order, as far as turns are free.
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

    /// Arms the timer of the pace if a channel waits for nothing else.
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
            self.slow_down();
        }
        if let Some(pace) = &mut self.turns.pace {
            pace.until = pace.until.max(now.saturating_add(retry_in));
        }
    }

    /// The server accepted a join.
    pub(super) fn join_was_accepted(&mut self) {
        let Some(pace) = &mut self.turns.pace else { return };
        pace.speed_up();
        if pace.turns >= NO_PACE {
            self.drop_pace();
        }
    }

    /// The connection ended, or is being ended; called before its attempts are stopped.
    pub(super) fn turns_lost_connection(&mut self, cause: &CloseCause) {
        self.disarm_pace();
        let wished =
            matches!(cause, CloseCause::Disconnected | CloseCause::Replaced | CloseCause::Slept);
        let unanswered = !wished && self.turns.under_way > 0;
        let in_a_row = core::mem::replace(&mut self.turns.ended_unanswered, unanswered);
        // Normal, going away, and the restart of a service are no answer to what a client did.
        let blames_us = matches!(cause, CloseCause::Frame { code, .. }
            if !matches!(code.as_u16(), 1000 | 1001 | 1012));
        if !unanswered || !(in_a_row || blames_us) || self.config.max_joins_in_flight == usize::MAX
        {
            return;
        }
        self.slow_down();
        if let Some(pace) = &mut self.turns.pace {
            // To be too fast once more would cost all that is joined.
            pace.patience = pace.patience.saturating_mul(8);
            pace.until = pace.until.max(self.now.saturating_add(LINGER_AFTER_END));
        }
    }

    /// A connection opened, and channels are about to join: with that the wait for it is over.
    pub(super) fn begin_turns(&mut self) {
        self.drop_old_pace();
        if let Some(pace) = &mut self.turns.pace {
            pace.until = self.now;
        }
    }

    fn slow_down(&mut self) {
        self.drop_old_pace();
        match &mut self.turns.pace {
            Some(pace) => pace.slow_down(),
            None => self.turns.pace = Some(Box::new(Pace::new(self.now))),
        }
    }

    fn disarm_pace(&mut self) {
        if let Some(timer) = self.turns.pace.as_mut().and_then(|pace| pace.timer.take()) {
            self.timers.disarm(timer);
        }
    }

    /// Drops a pace that nobody is expected to need any more.
    fn drop_old_pace(&mut self) {
        let now = self.now;
        if self.turns.pace.as_ref().is_some_and(|pace| now > pace.until.saturating_add(LINGER)) {
            self.drop_pace();
        }
    }

    fn drop_pace(&mut self) {
        self.disarm_pace();
        self.turns.pace = None;
    }
}
