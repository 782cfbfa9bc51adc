//! The POSTs of an open session: one at a time, so that their order is kept.

use core::time::Duration;

use super::batch::Body;
use super::config::SessionConfig;
use super::exchange::ExchangeId;
use super::poll::pause;
use super::token::Place;
use crate::close::{CloseCause, ExchangeKind, LongPollCause};
use crate::time::Instant;

/// Times in a row that a POST wasn't read before the session is given up.
const MAX_UNREAD: u32 = 5;

/// The pause before a POST is sent again that the session was too busy to take.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// The POSTs of one session.
pub(super) struct Posting {
    state: State,
    unread_in_row: u32,
}

enum State {
    /// The next batch may be sent.
    Idle,
    /// This body must be sent again.
    Again(Body),
    UnderWay(UnderWay),
    /// The session didn't read this body: it is sent again then, or when a poll has found the session.
    Unread {
        body: Body,
        until: Option<Instant>,
    },
    /// The server answered too late, or the session is dead: a poll that starts at this number finds out.
    Late {
        poll: ExchangeId,
    },
}

/// A POST that has no answer yet.
struct UnderWay {
    id: ExchangeId,
    place: Place,
    since: Instant,
    deadline: Instant,
    body: Body,
}

impl Posting {
    pub(super) fn new() -> Self {
        Posting { state: State::Idle, unread_in_row: 0 }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Number and place of the POST that is under way.
    pub(super) fn under_way(&self) -> Option<(ExchangeId, Place)> {
        match &self.state {
            State::UnderWay(post) => Some((post.id, post.place)),
            State::Idle | State::Again(_) | State::Unread { .. } | State::Late { .. } => None,
        }
    }

    /// Returns `true` while a POST is under way that the server hasn't turned away before: if the session doesn't
    /// answer, it may be busy with it.
    pub(super) fn may_keep_busy(&self) -> bool {
        matches!(self.state, State::UnderWay(_)) && self.unread_in_row == 0
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        match &self.state {
            State::UnderWay(post) => Some(post.deadline),
            State::Unread { until, .. } => *until,
            State::Idle | State::Again(_) | State::Late { .. } => None,
        }
    }

    /// Takes the body that must be sent again.
    pub(super) fn take_again(&mut self) -> Option<Body> {
        self.take(|state| matches!(state, State::Again(_)))
    }

    pub(super) fn start(
        &mut self,
        now: Instant,
        id: ExchangeId,
        place: Place,
        body: Body,
        config: &SessionConfig,
    ) {
        let deadline = config.deadline(now, now);
        self.state = State::UnderWay(UnderWay { id, place, since: now, deadline, body });
    }

    /// The POST with this number goes on.
    pub(super) fn on_progress(&mut self, now: Instant, id: ExchangeId, config: &SessionConfig) {
        if let State::UnderWay(post) = &mut self.state
            && post.id == id
        {
            post.deadline = config.deadline(post.since, now);
        }
    }

    pub(super) fn on_timeout(&mut self, now: Instant) -> Result<(), CloseCause> {
        match &self.state {
            State::UnderWay(post) if post.deadline <= now => {
                Err(CloseCause::LongPoll(LongPollCause::timed_out(ExchangeKind::Post)))
            }
            State::Unread { until: Some(until), .. } if *until <= now => {
                self.send_again();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The session has read the POST that was under way.
    pub(super) fn on_read(&mut self) {
        self.state = State::Idle;
        self.unread_in_row = 0;
    }

    /// The session has read it, and is late or dead. Polls from this number on find out.
    pub(super) fn on_late(&mut self, poll: ExchangeId) {
        self.state = State::Late { poll };
        self.unread_in_row = 0;
    }

    /// The server certainly didn't read it: it is sent again, once at once, and further times in a row after pauses.
    pub(super) fn on_not_read(
        &mut self,
        now: Instant,
        cause: CloseCause,
    ) -> Result<(), CloseCause> {
        self.count_unread(cause)?;
        match pause(self.unread_in_row.saturating_sub(1)) {
            Duration::ZERO => self.send_again(),
            pause => self.wait_unread(Some(now.saturating_add(pause))),
        }
        Ok(())
    }

    /// The server didn't know the session, or not the token in that place. `next` is the place for the next request;
    /// `is_known` whether the poll has no other place to ask for.
    pub(super) fn on_unknown(
        &mut self,
        now: Instant,
        next: Place,
        is_known: bool,
    ) -> Result<(), CloseCause> {
        self.count_unread(CloseCause::LongPoll(LongPollCause::Gone))?;
        let was_there = self.under_way().is_some_and(|(_, place)| place == next);
        if !was_there {
            self.send_again();
        } else {
            self.wait_unread(is_known.then(|| now.saturating_add(BUSY_PAUSE)));
        }
        Ok(())
    }

    fn wait_unread(&mut self, until: Option<Instant>) {
        if let Some(body) = self.take(|state| matches!(state, State::UnderWay(_))) {
            self.state = State::Unread { body, until };
        }
    }

    /// The poll with this number found the session, and brought messages or not.
    pub(super) fn on_found(&mut self, poll: ExchangeId, has_messages: bool) {
        match &self.state {
            State::Unread { .. } => self.send_again(),
            // An older poll is answered 204 at its own time, even if the session is dead.
            State::Late { poll: first } if has_messages || *first <= poll => {
                self.state = State::Idle;
            }
            State::Idle | State::Again(_) | State::UnderWay(_) | State::Late { .. } => {}
        }
    }

    /// The token goes to another place from now on.
    pub(super) fn on_new_place(&mut self) {
        if let State::Unread { .. } = self.state {
            self.send_again();
        }
    }

    fn send_again(&mut self) {
        let body = self.take(|state| matches!(state, State::UnderWay(_) | State::Unread { .. }));
        if let Some(body) = body {
            self.state = State::Again(body);
        }
    }

    /// Takes the body out of such a state.
    fn take(&mut self, is_it: impl FnOnce(&State) -> bool) -> Option<Body> {
        if !is_it(&self.state) {
            return None;
        }
        match core::mem::replace(&mut self.state, State::Idle) {
            State::Again(body) | State::Unread { body, .. } => Some(body),
            State::UnderWay(post) => Some(post.body),
            State::Idle | State::Late { .. } => None,
        }
    }

    fn count_unread(&mut self, cause: CloseCause) -> Result<(), CloseCause> {
        self.unread_in_row = self.unread_in_row.saturating_add(1);
        if self.unread_in_row > MAX_UNREAD { Err(cause) } else { Ok(()) }
    }
}
