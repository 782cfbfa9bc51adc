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
        if matches!(event, Event::PushDone { .. }) {
            self.outcomes = self.outcomes.saturating_add(1);
        } else if self.waiting.len().saturating_sub(self.outcomes) >= self.max_others {
            self.lost = self.lost.saturating_add(1);
            return false;
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
            None if self.lost > 0 => {
                Some(Event::EventsLost { count: core::mem::take(&mut self.lost) })
            }
            None => None,
        }
    }

    /// Outcomes that wait to be polled.
    pub(super) fn outcomes(&self) -> usize {
        self.outcomes
    }
}
