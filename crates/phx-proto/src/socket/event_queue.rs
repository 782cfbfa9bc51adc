//! Events that wait to be polled, bounded.

use alloc::collections::VecDeque;

use crate::{ChannelCloseCause, ChannelError, Event, JoinFailure};

/// A queue that keeps every outcome and pong, and a bounded number and size of everything else.
///
/// Outcomes are bounded by [`Config::max_pushes`](crate::Config::max_pushes), since a push counts
/// until its outcome has been polled; so does a ping.
#[derive(Debug)]
pub(super) struct EventQueue {
    waiting: VecDeque<Event>,
    outcomes: usize,
    pongs: usize,
    max_others: usize,
    /// Of the others.
    bytes: usize,
    max_bytes: usize,
    lost: u64,
}

/// What an event counts as.
enum Kind {
    Outcome,
    Pong,
    /// With the bytes that it holds.
    Other(usize),
}

impl EventQueue {
    pub(super) fn new(max_others: usize, max_bytes: usize) -> Self {
        EventQueue {
            waiting: VecDeque::new(),
            outcomes: 0,
            pongs: 0,
            max_others,
            bytes: 0,
            max_bytes,
            lost: 0,
        }
    }

    /// Adds an event; `false` if there was no room for it.
    pub(super) fn push(&mut self, event: Event) -> bool {
        match kind(&event) {
            Kind::Outcome => self.outcomes = self.outcomes.saturating_add(1),
            Kind::Pong => self.pongs = self.pongs.saturating_add(1),
            Kind::Other(size) => {
                if !self.has_room(size) {
                    self.lost = self.lost.saturating_add(1);
                    return false;
                }
                // Told where they are missing, before what comes after them. One more than the
                // limit, and not another one before there is room again.
                let lost = self.take_lost();
                self.waiting.extend(lost);
                self.bytes = self.bytes.saturating_add(size);
            }
        }
        self.waiting.push_back(event);
        true
    }

    fn has_room(&self, size: usize) -> bool {
        let others = self.waiting.len().saturating_sub(self.outcomes).saturating_sub(self.pongs);
        let fits = self.bytes == 0 || self.bytes.saturating_add(size) <= self.max_bytes;
        others < self.max_others && fits
    }

    pub(super) fn poll(&mut self) -> Option<Event> {
        let Some(event) = self.waiting.pop_front() else { return self.take_lost() };
        match kind(&event) {
            Kind::Outcome => self.outcomes = self.outcomes.saturating_sub(1),
            Kind::Pong => self.pongs = self.pongs.saturating_sub(1),
            Kind::Other(size) => self.bytes = self.bytes.saturating_sub(size),
        }
        Some(event)
    }

    fn take_lost(&mut self) -> Option<Event> {
        let count = core::mem::take(&mut self.lost);
        (count > 0).then_some(Event::EventsLost { count })
    }

    /// Outcomes that wait to be polled.
    pub(super) fn outcomes(&self) -> usize {
        self.outcomes
    }

    /// Pongs that wait to be polled.
    pub(super) fn pongs(&self) -> usize {
        self.pongs
    }
}

fn kind(event: &Event) -> Kind {
    let size = match event {
        Event::PushDone { .. } => return Kind::Outcome,
        Event::Pong { .. } => return Kind::Pong,
        Event::Message { event, payload, .. } => event.len().saturating_add(payload.len()),
        Event::Malformed { error, .. } => error.frame.len(),
        Event::Joined { response, .. } => response.len(),
        Event::JoinFailed { cause, .. } => match cause {
            JoinFailure::Rejected(rejection) => rejection.response.len(),
            JoinFailure::Crashed(payload) => payload.len(),
            JoinFailure::TimedOut
            | JoinFailure::NoParams
            | JoinFailure::Unsendable(_)
            | JoinFailure::Disconnected => 0,
        },
        Event::ChannelErrored { cause, .. } => match cause {
            ChannelError::Crashed(payload) => payload.len(),
            ChannelError::Disconnected => 0,
        },
        Event::ChannelClosed { cause, .. } => match cause {
            ChannelCloseCause::ByServer(payload) => payload.len(),
            ChannelCloseCause::Rejected(rejection) => rejection.response.len(),
            ChannelCloseCause::Left | ChannelCloseCause::Replaced => 0,
        },
        Event::Opened { .. }
        | Event::Closed { .. }
        | Event::HeartbeatAnswered { .. }
        | Event::EventsLost { .. } => 0,
    };
    Kind::Other(size)
}
