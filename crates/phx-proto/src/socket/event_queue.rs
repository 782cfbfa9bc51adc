//! Events that wait to be polled, bounded.

use alloc::collections::VecDeque;

use crate::Event;

/// A queue that keeps every outcome and a bounded number of everything else.
///
/// Outcomes are bounded by [`Config::max_pushes`](crate::Config::max_pushes): a push counts until
/// its outcome has been polled.
#[derive(Debug)]
pub(super) struct EventQueue {
    waiting: VecDeque<Event>,
    outcomes: usize,
    max_others: usize,
    lost: u64,
}

impl EventQueue {
    pub(super) fn new(max_others: usize) -> Self {
        EventQueue { waiting: VecDeque::new(), outcomes: 0, max_others, lost: 0 }
    }

    /// Adds an event; `false` if there was no room for it.
    pub(super) fn push(&mut self, event: Event) -> bool {
        let others = self.waiting.len().saturating_sub(self.outcomes);
        if matches!(event, Event::PushDone { .. }) {
            self.outcomes = self.outcomes.saturating_add(1);
        } else if others >= self.max_others {
            self.lost = self.lost.saturating_add(1);
            return false;
        } else if let Some(lost) = self.take_lost() {
            // Told where they are missing, before what comes after them. One more than the limit,
            // and not another one before there is room again.
            self.waiting.push_back(lost);
        }
        self.waiting.push_back(event);
        true
    }

    pub(super) fn poll(&mut self) -> Option<Event> {
        match self.waiting.pop_front() {
            Some(event) => {
                if matches!(event, Event::PushDone { .. }) {
                    self.outcomes = self.outcomes.saturating_sub(1);
                }
                Some(event)
            }
            None => self.take_lost(),
        }
    }

    fn take_lost(&mut self) -> Option<Event> {
        let count = core::mem::take(&mut self.lost);
        (count > 0).then_some(Event::EventsLost { count })
    }

    /// Outcomes that wait to be polled.
    pub(super) fn outcomes(&self) -> usize {
        self.outcomes
    }
}
