//! Events that wait to be polled, bounded.

use alloc::collections::VecDeque;

use crate::{CloseCause, Config, Event, Outcome, Payload, PayloadDropped, Rejection, Status};

/// The capacity, in events, that is always kept.
const KEPT: usize = 8;

/// The capacity, in events, above which the queue shrinks as soon as none waits.
const LARGE: usize = 512;

/// A queue that keeps every outcome and pong, and a bounded number and size of everything else.
///
/// The number of outcomes is bounded by [`Config::max_pushes`](crate::Config::max_pushes), since a call counts from
/// when its outcome is [promised](Self::promise_outcome) until that has been polled; so does a ping. States and traffic have separate
/// limits: a flood of messages can't take the place of the end of the connection. What the server
/// answered and outcomes and states hold is limited together: see [`keep`](Self::keep).
#[derive(Debug)]
pub(super) struct EventQueue {
    waiting: VecDeque<Event>,
    /// Outcomes that are promised and not polled.
    outcomes: usize,
    max_outcomes: usize,
    /// Pongs that are promised and not polled.
    pongs: usize,
    states: usize,
    max_states: usize,
    traffic: usize,
    max_traffic: usize,
    /// Bytes that waiting traffic holds.
    bytes: usize,
    max_bytes: usize,
    /// Bytes that waiting outcomes and states hold.
    answer_bytes: usize,
    max_answer_bytes: usize,
    lost: u64,
}

/// The limit in which an event counts.
#[derive(Clone, Copy)]
enum Kind {
    /// The end of a call, with the bytes that it holds.
    Outcome(usize),
    Pong,
    /// A change of the connection or a channel, with the bytes that it holds. One call causes at most two for each
    /// channel.
    State(usize),
    /// A message or frame of the peer, with the bytes that it holds.
    Traffic(usize),
}

impl EventQueue {
    pub(super) fn new(config: &Config) -> Self {
        EventQueue {
            // An idle socket has at most its join's event and outcome.
            waiting: VecDeque::with_capacity(2),
            outcomes: 0,
            max_outcomes: config.max_pushes,
            pongs: 0,
            states: 0,
            // Enough for whatever one call causes, so a driver that polls after each call loses none.
            max_states: config.max_events.saturating_add(config.max_channels.saturating_mul(2)),
            traffic: 0,
            max_traffic: config.max_events,
            bytes: 0,
            max_bytes: config.max_event_bytes,
            answer_bytes: 0,
            max_answer_bytes: config.max_answer_bytes,
            lost: 0,
        }
    }

    /// Adds an event; `false` if there was no room for it.
    #[cfg_attr(not(for_size), inline(always))]
    pub(super) fn push(&mut self, event: Event) -> bool {
        let kind = kind(&event);
        if !self.has_room(kind) {
            self.lost = self.lost.saturating_add(1);
            return false;
        }
        // Counted where they are missing, so that a reader knows between which events the gap is.
        if self.lost > 0 {
            self.report_lost_before(kind);
        }
        self.count(kind);
        self.waiting.push_back(event);
        true
    }

    /// Lost events are reported where they are missing, before the state or traffic that comes after them. One more
    /// than the limit, and not another one before there is room again.
    #[cold]
    fn report_lost_before(&mut self, kind: Kind) {
        if let Kind::State(_) | Kind::Traffic(_) = kind
            && let Some(lost) = self.take_lost()
        {
            self.count(Kind::Traffic(0));
            self.waiting.push_back(lost);
        }
    }

    #[cfg_attr(not(for_size), inline(always))]
    fn has_room(&self, kind: Kind) -> bool {
        match kind {
            // Their number was limited when the call was accepted.
            Kind::Outcome(_) | Kind::Pong => true,
            Kind::State(_) => self.states < self.max_states,
            Kind::Traffic(size) => self.traffic < self.max_traffic && self.has_room_for(size),
        }
    }

    fn has_room_for(&self, size: usize) -> bool {
        // One event of any size is let through: otherwise a message over the limit could never arrive.
        self.bytes == 0 || self.bytes.saturating_add(size) <= self.max_bytes
    }

    fn has_room_for_answer(&self, size: usize) -> bool {
        // One answer of any size is let through, as above.
        self.answer_bytes == 0 || self.answer_bytes.saturating_add(size) <= self.max_answer_bytes
    }

    /// The payload of an answer, if the limit allows it. Call it before the first event that holds the answer, and once
    /// for all of them: an answer in two events counts twice, and must not exceed the limit by that.
    pub(super) fn keep(&self, payload: Payload) -> Result<Payload, PayloadDropped> {
        if self.has_room_for_answer(payload.len()) {
            Ok(payload)
        } else {
            Err(PayloadDropped::new(payload.len()))
        }
    }

    /// The outcome of a push that was answered, as [`keep`](Self::keep).
    #[cfg_attr(not(for_size), inline(always))]
    pub(super) fn keep_reply(&self, status: Status, response: Payload) -> Outcome {
        let outcome = Outcome::Reply { status, response };
        if self.has_room_for_answer(outcome.answer_len()) {
            outcome
        } else {
            outcome.without_response()
        }
    }

    /// The cause of a connection's end, a refusal's body dropped if there is no room for it.
    pub(super) fn keep_cause(&self, cause: CloseCause) -> CloseCause {
        match cause {
            CloseCause::UpgradeRejected(refusal)
                if !self.has_room_for_answer(refusal.answer_len()) =>
            {
                CloseCause::UpgradeRejected(refusal.without_answer())
            }
            cause => cause,
        }
    }

    /// Drops the response of a rejection for which there is no room, as [`keep`](Self::keep).
    pub(super) fn keep_rejection(&self, rejection: &mut Rejection) {
        if !self.has_room_for_answer(rejection.answer_len()) {
            rejection.drop_response();
        }
    }

    /// Returns `true` if a poll would return and change nothing.
    #[inline]
    pub(super) fn is_at_rest(&self) -> bool {
        self.waiting.is_empty() && self.lost == 0 && self.waiting.capacity() <= LARGE
    }

    pub(super) fn poll(&mut self) -> Option<Event> {
        let Some(event) = self.waiting.pop_front() else {
            // Empty and large: the memory of a burst goes back at once.
            if self.waiting.capacity() > LARGE {
                self.shrink();
            }
            return self.take_lost();
        };
        match kind(&event) {
            Kind::Outcome(size) => {
                self.outcomes = self.outcomes.saturating_sub(1);
                self.answer_bytes = self.answer_bytes.saturating_sub(size);
            }
            Kind::Pong => self.pongs = self.pongs.saturating_sub(1),
            Kind::State(size) => {
                self.states = self.states.saturating_sub(1);
                self.answer_bytes = self.answer_bytes.saturating_sub(size);
            }
            Kind::Traffic(size) => {
                self.traffic = self.traffic.saturating_sub(1);
                self.bytes = self.bytes.saturating_sub(size);
            }
        }
        Some(event)
    }

    #[cfg_attr(not(for_size), inline(always))]
    fn count(&mut self, kind: Kind) {
        match kind {
            // Outcomes and pongs were counted when they were promised.
            Kind::Outcome(size) => self.answer_bytes = self.answer_bytes.saturating_add(size),
            Kind::Pong => {}
            Kind::State(size) => {
                self.states = self.states.saturating_add(1);
                self.answer_bytes = self.answer_bytes.saturating_add(size);
            }
            Kind::Traffic(size) => {
                self.traffic = self.traffic.saturating_add(1);
                self.bytes = self.bytes.saturating_add(size);
            }
        }
    }

    fn take_lost(&mut self) -> Option<Event> {
        match core::mem::take(&mut self.lost) {
            0 => None,
            count => Some(Event::EventsLost { count }),
        }
    }

    /// Shrinks the queue after a burst: while a dead connection isn't noticed yet, outcomes
    /// pile up. Called rarely, at the ends of connections and at heartbeats. More is kept than is needed, so that
    /// traffic which comes and goes doesn't have the queue grow and shrink all the time.
    pub(super) fn shrink(&mut self) {
        self.waiting.shrink_to(self.waiting.len().saturating_mul(2).max(KEPT));
    }

    /// Returns `true` if one more call with an outcome stays within the limit.
    pub(super) fn has_room_for_outcome(&self) -> bool {
        self.outcomes < self.max_outcomes
    }

    /// A call is accepted, and will have exactly one outcome.
    pub(super) fn promise_outcome(&mut self) {
        self.outcomes = self.outcomes.saturating_add(1);
    }

    /// A ping will have exactly one pong; `false` if there would be more than `max`.
    pub(super) fn promise_pong(&mut self, max: usize) -> bool {
        // Counted until it is polled, since a pong is never dropped.
        let has_room = self.pongs < max;
        if has_room {
            self.pongs = self.pongs.saturating_add(1);
        }
        has_room
    }
}

#[cfg_attr(not(for_size), inline(always))]
fn kind(event: &Event) -> Kind {
    match event {
        Event::RequestDone { outcome, .. } => Kind::Outcome(outcome.answer_len()),
        Event::Pong { .. } => Kind::Pong,
        Event::Message { event, payload, .. } => {
            Kind::Traffic(event.len().saturating_add(payload.len()))
        }
        Event::UnjoinedMessage { topic, event, payload } => {
            Kind::Traffic(topic.len().saturating_add(event.len()).saturating_add(payload.len()))
        }
        // The error holds the frame.
        Event::Malformed { error, .. } => Kind::Traffic(error.frame.len()),
        Event::HeartbeatAnswered { .. } | Event::MessagesLost { .. } | Event::EventsLost { .. } => {
            Kind::Traffic(0)
        }
        Event::Joined { response, .. } => Kind::State(response.as_ref().map_or(0, Payload::len)),
        Event::JoinFailed { cause, .. } => Kind::State(cause.answer_len()),
        Event::ChannelErrored { cause, .. } => Kind::State(cause.answer_len()),
        Event::ChannelClosed { cause, .. } => Kind::State(cause.answer_len()),
        Event::Closed { cause: CloseCause::UpgradeRejected(refusal), .. } => {
            Kind::State(refusal.answer_len())
        }
        Event::Opened { .. } | Event::Closed { .. } | Event::RetryCancelled => Kind::State(0),
    }
}
