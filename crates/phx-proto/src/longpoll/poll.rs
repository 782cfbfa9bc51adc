//! The poll of an open session: one at a time, and when the next one is made.

use core::time::Duration;

use super::config::SessionConfig;
use super::exchange::ExchangeId;
use super::token::Place;
use crate::close::{CloseCause, ExchangeKind, LongPollCause};
use crate::time::Instant;

/// An answer without messages that comes sooner than this wasn't waited for on the server.
const AT_ONCE: Duration = Duration::from_millis(500);

/// The first pause after answers without messages that come at once, and the longest. The server keeps a session for
/// 15 s without a poll.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Polls in a row that fail before the session is given up.
const MAX_FAILURES: u32 = 5;

/// The pause before a session is looked for again that the server didn't know: it may be busy.
const BUSY_PAUSE: Duration = Duration::from_millis(500);

/// The polls of one session.
pub(super) struct Polling {
    state: State,
    /// Answers without messages that came at once, in a row.
    empty_in_row: u32,
    /// Polls without an answer of the session, in a row.
    failed_in_row: u32,
    /// Polls that were answered 410, in a row.
    unknown_in_row: u32,
    /// Until then a session that the server doesn't know may be busy with what was posted.
    busy_until: Option<Instant>,
}

#[derive(Clone, Copy)]
enum State {
    Due,
    UnderWay(UnderWay),
    Pausing {
        until: Instant,
    },
    /// The session is busy with a POST, whose answer comes first.
    BehindPost,
}

/// A poll that has no answer yet.
#[derive(Clone, Copy)]
pub(super) struct UnderWay {
    pub(super) id: ExchangeId,
    pub(super) place: Place,
    since: Instant,
    deadline: Instant,
}

impl Polling {
    pub(super) fn new() -> Self {
        Polling {
            state: State::Due,
            empty_in_row: 0,
            failed_in_row: 0,
            unknown_in_row: 0,
            busy_until: None,
        }
    }

    pub(super) fn is_due(&self) -> bool {
        matches!(self.state, State::Due)
    }

    pub(super) fn is_behind_post(&self) -> bool {
        matches!(self.state, State::BehindPost)
    }

    pub(super) fn under_way(&self) -> Option<UnderWay> {
        match self.state {
            State::UnderWay(poll) => Some(poll),
            State::Due | State::Pausing { .. } | State::BehindPost => None,
        }
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        match self.state {
            State::UnderWay(poll) => Some(poll.deadline),
            State::Pausing { until } => Some(until),
            State::Due | State::BehindPost => None,
        }
    }

    pub(super) fn start(
        &mut self,
        now: Instant,
        id: ExchangeId,
        place: Place,
        config: &SessionConfig,
    ) {
        let deadline = config.deadline(now, now);
        self.state = State::UnderWay(UnderWay { id, place, since: now, deadline });
    }

    /// The poll with this number goes on.
    pub(super) fn on_progress(&mut self, now: Instant, id: ExchangeId, config: &SessionConfig) {
        if let State::UnderWay(poll) = &mut self.state
            && poll.id == id
        {
            poll.deadline = config.deadline(poll.since, now);
        }
    }

    pub(super) fn on_timeout(&mut self, now: Instant) -> Result<(), CloseCause> {
        match self.state {
            State::UnderWay(poll) if poll.deadline <= now => {
                Err(CloseCause::LongPoll(LongPollCause::timed_out(ExchangeKind::Poll)))
            }
            State::Pausing { until } if until <= now => {
                self.state = State::Due;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The session answered.
    pub(super) fn on_answer(&mut self, now: Instant, poll: UnderWay, is_empty: bool) {
        self.failed_in_row = 0;
        self.unknown_in_row = 0;
        self.busy_until = None;
        let is_at_once = now.saturating_duration_since(poll.since) < AT_ONCE;
        self.empty_in_row =
            if is_empty && is_at_once { self.empty_in_row.saturating_add(1) } else { 0 };
        self.again_after(now, self.empty_in_row);
    }

    /// The answer, if there was one, wasn't the session's. `cause` is the end if too many were like it.
    pub(super) fn on_failure(&mut self, now: Instant, cause: CloseCause) -> Result<(), CloseCause> {
        self.failed_in_row = self.failed_in_row.saturating_add(1);
        if self.failed_in_row > MAX_FAILURES {
            return Err(cause);
        }
        // Once at once: a connection that the server has closed is found out this way.
        self.again_after(now, self.failed_in_row.saturating_sub(1));
        Ok(())
    }

    /// The server didn't know the session. Is it busy, it will be known again.
    pub(super) fn on_unknown(&mut self, now: Instant) -> Result<(), CloseCause> {
        self.unknown_in_row = self.unknown_in_row.saturating_add(1);
        let may_be_busy = match self.busy_until {
            Some(until) => now < until,
            None => self.unknown_in_row < 2,
        };
        if !may_be_busy {
            return Err(CloseCause::LongPoll(LongPollCause::Gone));
        }
        self.state = State::Pausing { until: now.saturating_add(BUSY_PAUSE) };
        Ok(())
    }

    /// The server read the token nowhere yet: the next poll asks in another place.
    pub(super) fn ask_again(&mut self) {
        self.state = State::Due;
    }

    /// Waits for the answer to the POST that is under way: until then the session is busy.
    pub(super) fn wait_for_post(&mut self) {
        self.unknown_in_row = self.unknown_in_row.saturating_add(1);
        self.state = State::BehindPost;
    }

    /// The session has read a POST.
    pub(super) fn on_posted(&mut self) {
        self.unknown_in_row = 0;
        self.on_post_answered();
    }

    /// The session has read a POST and may still be busy with it until this moment, or is dead.
    pub(super) fn on_late_post(&mut self, until: Instant) {
        self.busy_until = Some(until);
        self.on_post_answered();
    }

    /// A POST isn't under way any more.
    pub(super) fn on_post_answered(&mut self) {
        if self.is_behind_post() {
            self.state = State::Due;
        }
    }

    fn again_after(&mut self, now: Instant, count: u32) {
        self.state = match pause(count) {
            Duration::ZERO => State::Due,
            pause => State::Pausing { until: now.saturating_add(pause) },
        };
    }
}

/// The pause after this many in a row.
pub(super) fn pause(count: u32) -> Duration {
    let (first, longest) = PAUSES;
    match count.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => first.saturating_mul(2_u32.saturating_pow(doublings)).min(longest),
    }
}
