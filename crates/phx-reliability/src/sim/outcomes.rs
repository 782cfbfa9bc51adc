//! Checks the outcomes of pushes, joins and leaves.

use std::time::Duration;

use phx_proto::{ChannelId, Outcome, Payload, RequestId, Status};

use super::channels::CallKind;
use super::plan::MAX_BACK;
use super::violation::Rule;
use super::world::World;
use crate::ledger::numbered::Numbered;

impl World {
    pub(super) fn check_outcome(
        &mut self,
        client: usize,
        push: RequestId,
        channel: ChannelId,
        outcome: &Outcome,
    ) {
        let now = self.now();
        let slept = self.clients[client].slept();
        let set_ahead = self.clients[client].set_ahead;
        let Some(call) = self.clients[client].calls.get_mut(&push) else {
            self.violation(Rule::OneOutcome, format!("{push:?} is done, and was never accepted"));
            return;
        };
        let was_done = std::mem::replace(&mut call.is_done, true);
        call.is_ok = matches!(outcome, Outcome::Reply { status: Status::Ok, .. });
        let (kind, cancelled) = (call.kind, call.is_cancelled);
        let is_its_channel = call.channel == channel;
        let took = now.saturating_sub(call.called);
        // No timer is shorter than a millisecond.
        let timeout = call.timeout.max(Duration::from_millis(1));
        let slept = slept.saturating_sub(call.slept);

        self.ensure(!was_done && is_its_channel, Rule::OneOutcome, || {
            format!("{push:?} has a second outcome: {outcome:?}")
        });
        self.ensure(took <= timeout + slept + MAX_BACK, Rule::InTime, || {
            format!("{kind:?} took {took:?}, and its timeout is {timeout:?}")
        });
        if matches!(outcome, Outcome::TimedOut | Outcome::NotSent | Outcome::JoinCrashed)
            && took + set_ahead < timeout
        {
            let what = format!("{kind:?} timed out after {took:?}, before {timeout:?}");
            self.violation(Rule::InTime, what);
        }
        let is_possible = match kind {
            _ if cancelled || *outcome == Outcome::Cancelled => {
                cancelled && *outcome == Outcome::Cancelled
            }
            CallKind::Push { number } => self.is_true_of_push(client, number, outcome),
            CallKind::Join => matches!(
                outcome,
                Outcome::Reply { .. }
                    | Outcome::TimedOut
                    | Outcome::JoinCrashed
                    | Outcome::ChannelClosed
            ),
            CallKind::Leave => matches!(outcome, Outcome::Left | Outcome::TimedOut),
        };
        self.ensure(is_possible, Rule::TrueOutcome, || format!("{kind:?}: {outcome:?}"));
    }

    fn is_true_of_push(&self, client: usize, number: u64, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Reply { status, response, .. } => {
                self.is_true_reply(client, number, status, response)
            }
            Outcome::Disconnected | Outcome::TimedOut | Outcome::ChannelCrashed => {
                self.sent.contains(&number)
            }
            Outcome::NotSent => !self.sent.contains(&number),
            Outcome::Evicted => self.settings.evict_oldest && !self.sent.contains(&number),
            Outcome::ChannelClosed => true,
            _ => false,
        }
    }

    /// Returns true if a reply is what the server's rooms send: the push itself, or an error if it was damaged or over
    /// their capacity.
    fn is_true_reply(
        &self,
        client: usize,
        number: u64,
        status: &Status,
        response: &Payload,
    ) -> bool {
        let books = self.ledger.lock();
        let received = books.topics().any(|topic| topic.handled.contains(number));
        match Numbered::read(response) {
            Some(answered) => received && answered == Numbered::new(0, number),
            None if books.is_damaged(client, 0, number) => received,
            None => *status == Status::Error && !received,
        }
    }
}
