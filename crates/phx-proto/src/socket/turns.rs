//! Turns to join: a limit on joins under way, a line of channels that wait, and a pace after a
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
//! client that joins too fast would close it each time, and no channel would ever be joined.

use alloc::boxed::Box;
use core::time::Duration;

use super::TimeoutReason;
use super::seq_map::SeqMap;
use super::timers::{TimerKey, Timers};
use crate::{ChannelId, CloseCause, Instant};

/// Rejections within a second from which on joins are spread: fewer come back one by one, by their
/// schedules.
const MANY: u32 = 5;

/// The time in which rejections are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// Time for which a pace is kept after the last turn and the last retry.
const LINGER: Duration = Duration::from_secs(1);

/// Time for which a pace is kept after the end of a connection that began it or slowed it down: the next
/// connection needs it.
const LINGER_AFTER_END: Duration = Duration::from_secs(60);

/// Paces are counted in turns in eight seconds: each join that is accepted makes it one more.
const EIGHT_SECONDS_US: u64 = 8_000_000;
const FIRST_PACE: u64 = 80;
const SLOWEST_PACE: u64 = 8;
/// A pace of 1,000 a second is none.
const NO_PACE: u64 = 8_000;

/// Number of accepted joins before the pace grows twice as fast, and before the limit is lifted that
/// rejections set.
const STREAK: u64 = 32;

/// The joins that are under way, and those that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// By number, which is in the order in which they asked.
    waiting: SeqMap<ChannelId>,
    /// Attempts that have had their turn and aren't over.
    under_way: usize,
    /// `true` if the last connection ended while joins were under way, and not by the client's wish.
    ended_unanswered: bool,
    rejected: Rejected,
    // Boxed: most sockets never need one.
    pace: Option<Box<Pace>>,
}

/// Rejections of the current window.
#[derive(Debug, Default)]
struct Rejected {
    count: u32,
    since: Instant,
}

/// The pace at which turns follow each other.
#[derive(Debug)]
struct Pace {
    /// Turns in eight seconds, from 8 to 8,000.
    turns: u64,
    /// Upper limit of `turns`: a faster pace was too fast.
    fastest: u64,
    /// Joins accepted since it was slowed down.
    accepted: u64,
    /// Number of joins to accept until `fastest` is lifted.
    patience: u64,
    /// The earliest moment of the next turn.
    next: Instant,
    /// The timer of that moment while a channel waits for it.
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
        // Never divides by zero: see `SLOWEST_PACE`.
        Duration::from_micros(EIGHT_SECONDS_US.checked_div(self.turns).unwrap_or(EIGHT_SECONDS_US))
    }

    fn slow_down(&mut self) {
        // A server that has accepted nothing is busy: that says nothing of the pace that it can take.
        if self.accepted > 0 {
            // Three quarters: below the pace that was too fast, and not far below.
            self.fastest = self.turns.saturating_sub(self.turns / 4).max(SLOWEST_PACE);
        }
        // Half as fast, but never slower than one join a second.
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

/// The moment, the limit and the timers, as of one call.
pub(super) struct Pacing<'a> {
    now: Instant,
    /// Joins that may be under way.
    max: usize,
    timers: &'a mut Timers,
}

impl<'a> Pacing<'a> {
    pub(super) fn new(now: Instant, max_joins: usize, timers: &'a mut Timers) -> Self {
        // With a limit of zero no channel would ever join.
        Pacing { now, max: max_joins.max(1), timers }
    }

    fn is_off(&self) -> bool {
        self.max == usize::MAX
    }
}

impl Turns {
    /// Returns `true` if a channel waits for a turn.
    pub(super) fn is_awaited(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// An attempt that has had its turn is over.
    pub(super) fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// A channel doesn't wait for its turn any more.
    pub(super) fn leave(&mut self, number: u64) {
        self.waiting.remove(number);
    }

    /// Takes a turn if one is free.
    pub(super) fn take(&mut self, mut at: Pacing<'_>) -> bool {
        // Channels that asked before come first.
        if self.is_awaited() {
            return false;
        }
        self.drop_old_pace(&mut at);
        let takes = self.has_room(&at);
        if takes {
            self.begin(at.now);
        }
        takes
    }

    /// Puts a channel in line; the number is its place, behind all others.
    pub(super) fn wait(&mut self, mut at: Pacing<'_>, number: u64, channel: ChannelId) {
        self.waiting.push(number, channel);
        self.await_pace(&mut at);
    }

    /// Gives a turn to the channel that waits first, if one is free.
    pub(super) fn give(&mut self, mut at: Pacing<'_>) -> Option<ChannelId> {
        if self.has_room(&at)
            && let Some((_, channel)) = self.waiting.pop_first()
        {
            self.begin(at.now);
            return Some(channel);
        }
        self.await_pace(&mut at);
        None
    }

    /// The timer has fired.
    pub(super) fn are_due(&mut self) {
        if let Some(pace) = &mut self.pace {
            pace.timer = None;
        }
    }

    /// The server rejected a join, which will be tried again in this time.
    pub(super) fn join_will_be_retried(&mut self, mut at: Pacing<'_>, retry_in: Duration) {
        if at.is_off() {
            return;
        }
        let now = at.now;
        let rejected = &mut self.rejected;
        if now.saturating_duration_since(rejected.since) >= WINDOW {
            *rejected = Rejected { count: 0, since: now };
        }
        rejected.count = rejected.count.saturating_add(1);
        // Equal and not more: one window slows the pace down once.
        if rejected.count == MANY {
            self.slow_down(&mut at);
        }
        if let Some(pace) = &mut self.pace {
            // The pace must still be there when the rejected join is tried again.
            pace.until = pace.until.max(now.saturating_add(retry_in));
        }
    }

    /// The server accepted a join.
    pub(super) fn join_was_accepted(&mut self, mut at: Pacing<'_>) {
        let Some(pace) = &mut self.pace else { return };
        pace.speed_up();
        if pace.turns >= NO_PACE {
            self.drop_pace(&mut at);
        }
    }

    /// The connection ended, or is being ended; called before its attempts are stopped.
    pub(super) fn connection_lost(&mut self, mut at: Pacing<'_>, cause: &CloseCause) {
        self.disarm_pace(&mut at);
        let wished = matches!(
            cause,
            CloseCause::Disconnected | CloseCause::Replaced | CloseCause::Suspended
        );
        let unanswered = !wished && self.under_way > 0;
        let in_a_row = core::mem::replace(&mut self.ended_unanswered, unanswered);
        // Normal, going away, and the restart of a service are no answer to what a client did.
        let blames_us = matches!(cause, CloseCause::Frame { code, .. }
            if !matches!(code.as_u16(), 1000 | 1001 | 1012));
        if !unanswered || !(in_a_row || blames_us) || at.is_off() {
            return;
        }
        self.slow_down(&mut at);
        if let Some(pace) = &mut self.pace {
            // Too fast once more, and all joined channels would be lost with the connection.
            pace.patience = pace.patience.saturating_mul(8);
            pace.until = pace.until.max(at.now.saturating_add(LINGER_AFTER_END));
        }
    }

    /// A connection opened, and channels are about to join: with that the wait for it is over.
    pub(super) fn connection_opened(&mut self, mut at: Pacing<'_>) {
        self.drop_old_pace(&mut at);
        if let Some(pace) = &mut self.pace {
            pace.until = at.now;
        }
    }

    /// Returns `true` if a turn can be given now.
    fn has_room(&self, at: &Pacing<'_>) -> bool {
        self.under_way < at.max && self.pace.as_ref().is_none_or(|pace| pace.next <= at.now)
    }

    fn begin(&mut self, now: Instant) {
        self.under_way = self.under_way.saturating_add(1);
        if let Some(pace) = &mut self.pace {
            // From now, not from the last turn: turns that were missed don't come as a burst.
            pace.next = now.saturating_add(pace.spacing());
            pace.until = pace.until.max(pace.next);
        }
    }

    /// Arms the timer of the pace if a channel waits for nothing else.
    fn await_pace(&mut self, at: &mut Pacing<'_>) {
        if self.waiting.is_empty() || self.under_way >= at.max {
            return;
        }
        if let Some(pace) = &mut self.pace
            && pace.timer.is_none()
        {
            let after = pace.next.saturating_duration_since(at.now);
            pace.timer = Some(at.timers.arm(at.now, after, TimeoutReason::NextJoin));
        }
    }

    fn slow_down(&mut self, at: &mut Pacing<'_>) {
        self.drop_old_pace(at);
        match &mut self.pace {
            Some(pace) => pace.slow_down(),
            None => self.pace = Some(Box::new(Pace::new(at.now))),
        }
    }

    fn disarm_pace(&mut self, at: &mut Pacing<'_>) {
        if let Some(timer) = self.pace.as_mut().and_then(|pace| pace.timer.take()) {
            at.timers.disarm(timer);
        }
    }

    /// Drops a pace that is no longer needed.
    fn drop_old_pace(&mut self, at: &mut Pacing<'_>) {
        if self.pace.as_ref().is_some_and(|pace| at.now > pace.until.saturating_add(LINGER)) {
            self.drop_pace(at);
        }
    }

    fn drop_pace(&mut self, at: &mut Pacing<'_>) {
        self.disarm_pace(at);
        self.pace = None;
    }
}
