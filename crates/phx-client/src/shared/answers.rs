//! What the server answered and nobody has read yet, bounded in bytes.

use std::task::{Context, Poll, Waker};

use phx_proto::{ChannelCloseCause, Outcome, Payload, PayloadDropped, PushId};

use super::waiting::Waiting;
use crate::channel::ChannelFailure;

/// Bytes of answers that are kept, of which no more than the limit are, but one answer of any size.
pub(crate) struct Budget {
    held: usize,
    max: usize,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Self {
        Budget { held: 0, max }
    }

    /// Counts the outcome, without its response if there is no room for it.
    fn keep_outcome(&mut self, outcome: Outcome) -> Outcome {
        let fits = self.has_room(outcome.answer_len());
        let kept = if fits { outcome } else { outcome.without_response() };
        self.take(kept.answer_len());
        kept
    }

    /// Counts the cause, without its payload if there is no room for it.
    pub(crate) fn keep_cause(&mut self, cause: ChannelCloseCause) -> ChannelCloseCause {
        let fits = self.has_room(cause.answer_len());
        let kept = if fits { cause } else { cause.without_payload() };
        self.take(kept.answer_len());
        kept
    }

    /// Counts the failure, without its payload if there is no room for it.
    pub(crate) fn keep_failure(&mut self, failure: ChannelFailure) -> ChannelFailure {
        let fits = self.has_room(failure.answer_len());
        let kept = if fits { failure } else { failure.without_payload() };
        self.take(kept.answer_len());
        kept
    }

    /// Counts the payload, if there is room for it.
    pub(crate) fn keep(&mut self, payload: Payload) -> Result<Payload, PayloadDropped> {
        let len = payload.len();
        if !self.has_room(len) {
            return Err(PayloadDropped::new(len));
        }
        self.take(len);
        Ok(payload)
    }

    /// What was counted is gone.
    pub(crate) fn give_back(&mut self, size: usize) {
        self.held = self.held.saturating_sub(size);
    }

    fn has_room(&self, size: usize) -> bool {
        self.held == 0 || self.held.saturating_add(size) <= self.max
    }

    fn take(&mut self, size: usize) {
        self.held = self.held.saturating_add(size);
    }
}

/// The futures of pushes, joins and leaves, and the outcomes that they haven't taken.
pub(crate) struct Outcomes {
    futures: Waiting<PushId, Outcome>,
    budget: Budget,
}

impl Outcomes {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Outcomes { futures: Waiting::default(), budget: Budget::new(max_bytes) }
    }

    pub(crate) fn expect(&mut self, push: PushId) {
        self.futures.expect(push);
    }

    /// Keeps the outcome for the push's future; where there is none, nobody can read it.
    pub(crate) fn resolve(&mut self, push: &PushId, outcome: Outcome) -> Option<Waker> {
        let budget = &mut self.budget;
        self.futures.resolve(push, || budget.keep_outcome(outcome))
    }

    pub(crate) fn poll(
        &mut self,
        push: &PushId,
        cx: &Context<'_>,
    ) -> (Poll<Outcome>, Option<Waker>) {
        let (polled, old) = self.futures.poll(push, cx);
        if let Poll::Ready(outcome) = &polled {
            self.budget.give_back(outcome.answer_len());
        }
        (polled, old)
    }

    /// The push's future is gone, and so is what was kept for it.
    pub(crate) fn forget(&mut self, push: &PushId) -> (Option<Waker>, Option<Outcome>) {
        let (old, outcome) = self.futures.forget(push);
        if let Some(outcome) = &outcome {
            self.budget.give_back(outcome.answer_len());
        }
        (old, outcome)
    }

    pub(crate) fn give_back_room(&mut self) {
        self.futures.give_back_room();
    }

    pub(crate) fn take_wakers(&mut self, wakers: &mut Vec<Waker>) {
        self.futures.take_wakers(wakers);
    }
}
