//! A channel's pushes: accepted or refused at the call, kept in order until the transport takes them, and ended
//! by exactly one outcome.
//!
//! ```text
//!   push --> unsent --(joined, transport ready)--> sent --> reply | timeout | disconnected | crashed
//!              |
//!              +--> not sent in time | cancelled | evicted | channel closed
//! ```
//!
//! A push that was not sent survives a lost connection and a crashed channel; one that was sent
//! fails at once with its connection or its channel's life, since nobody can know whether the server
//! received it. A reply may come after `phx_error` all the same: it is late.

use alloc::vec::Vec;
use core::time::Duration;

use super::context::Context;
use super::requests::What;
use super::seq_map::SeqMap;
use crate::{
    CallError, ChannelId, Message, Outcome, Payload, PushError, PushOverflow, RequestId, Status,
    events,
};

/// The numbers of a channel's pushes that wait for their outcome.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    waiting: SeqMap<()>,
    /// The last that the transport has taken. Calls are sent in their order, so those after it aren't.
    last_sent: u64,
    /// Number of pushes that aren't sent.
    unsent: usize,
}

impl Pushes {
    /// Accepts a push, or hands it back. `joined` is whether it can be sent now.
    ///
    /// The message is made of what is given and taken apart again: a copy would cost an allocation.
    pub(super) fn push(
        &mut self,
        cx: &mut Context,
        id: ChannelId,
        message: Message,
        (wants_reply, joined): (bool, bool),
        timeout: Duration,
    ) -> Result<RequestId, PushError> {
        let checked = self.check(cx, id, &message);
        let Message { event, payload, .. } = message;
        if let Err(reason) = checked {
            return Err(PushError { reason, event, payload });
        }
        let what = What::Push { message: Some((event, payload)), wants_reply };
        let push = cx.call(id, timeout, what, joined);
        cx.counters.pushes = cx.counters.pushes.saturating_add(1);
        self.waiting.push(push, ());
        self.unsent = self.unsent.saturating_add(1);
        Ok(RequestId(push))
    }

    /// Checks that a push of this message can be accepted; evicts the oldest for it if the configuration says so.
    fn check(
        &mut self,
        cx: &mut Context,
        id: ChannelId,
        message: &Message,
    ) -> Result<(), CallError> {
        let Message { event, payload, .. } = message;
        if event.is_empty() {
            return Err(CallError::EmptyEvent);
        }
        if events::is_reserved(event) {
            return Err(CallError::ReservedEvent);
        }
        cx.config.serializer.check(message).map_err(CallError::Encode)?;
        if !cx.events.has_room_for_outcome() {
            return Err(CallError::TooManyPushes { max: cx.config.max_pushes });
        }
        // The count includes pushes that wait for a slow transport, so each channel is bounded in both states.
        let max = cx.config.max_buffered_pushes;
        let is_full = self.unsent >= max;
        // With a limit of zero there is no push to evict.
        if is_full && (max == 0 || cx.config.push_overflow == PushOverflow::Reject) {
            return Err(CallError::BufferFull { max });
        }
        let oldest = if is_full { self.unsent().next() } else { None };
        // The evicted push makes place for the bytes of this one.
        let freed = oldest.map_or(0, |oldest| cx.requests.size(oldest));
        let size = event.len().saturating_add(payload.len());
        let total = cx.requests.buffered_bytes().saturating_sub(freed).saturating_add(size);
        // At most one push is evicted for another, so a large one may not fit even then.
        if total > cx.config.max_buffered_bytes {
            return Err(CallError::TooManyBytes { max: cx.config.max_buffered_bytes });
        }
        // Last: a push that is refused must not evict another.
        if let Some(oldest) = oldest {
            self.finish(cx, id, oldest, Outcome::Evicted);
        }
        Ok(())
    }

    fn unsent(&self) -> impl Iterator<Item = u64> {
        self.waiting.iter_after(self.last_sent).map(|(push, ())| push)
    }

    /// Releases all that wait, since the channel is joined.
    pub(super) fn make_ready(&self, cx: &mut Context) {
        self.unsent().for_each(|push| cx.requests.make_ready(push));
    }

    /// Holds back all that aren't sent.
    pub(super) fn hold(&self, cx: &mut Context) {
        self.unsent().for_each(|push| cx.requests.hold(push));
    }

    /// Returns `true` if some are ready to be sent: these come before the others.
    pub(super) fn are_ready(&self, cx: &Context) -> bool {
        self.unsent().next().is_some_and(|oldest| cx.requests.is_ready(oldest))
    }

    /// Notes that the transport takes the next.
    pub(super) fn note_sent(&mut self, push: u64) {
        self.last_sent = push;
        self.unsent = self.unsent.saturating_sub(1);
    }

    #[inline]
    pub(super) fn finish(&mut self, cx: &mut Context, id: ChannelId, push: u64, outcome: Outcome) {
        // Pushes are sent in the order of their numbers, so a later one isn't sent yet.
        if self.waiting.remove(push).is_some() && push > self.last_sent {
            self.unsent = self.unsent.saturating_sub(1);
        }
        cx.finish(id, push, outcome);
    }

    /// Ends those that aren't sent and aren't ready.
    pub(super) fn fail_held(&mut self, cx: &mut Context, id: ChannelId, outcome: &Outcome) {
        // Collected first, since each end changes the list.
        let held: Vec<u64> = self.unsent().filter(|push| !cx.requests.is_ready(*push)).collect();
        for push in held {
            self.finish(cx, id, push, outcome.clone());
        }
    }

    pub(super) fn fail_sent(&mut self, cx: &mut Context, id: ChannelId, outcome: &Outcome) {
        self.fail_up_to(cx, id, outcome, self.last_sent);
    }

    pub(super) fn fail_all(&mut self, cx: &mut Context, id: ChannelId, outcome: &Outcome) {
        self.fail_up_to(cx, id, outcome, u64::MAX);
    }

    fn fail_up_to(&mut self, cx: &mut Context, id: ChannelId, outcome: &Outcome, last: u64) {
        // From the front, so that outcomes come in the order of the calls.
        while let Some((push, ())) = self.waiting.first().filter(|(push, ())| *push <= last) {
            self.finish(cx, id, push, outcome.clone());
        }
    }
}

/// Recognises Phoenix's own answer that it has no channel for the topic of a push.
pub(super) fn is_unmatched(status: &Status, response: &Payload) -> bool {
    // Phoenix has no code for it: its exact text is all there is to compare.
    *status == Status::Error && response.reason().is_some_and(|reason| reason == "unmatched topic")
}
