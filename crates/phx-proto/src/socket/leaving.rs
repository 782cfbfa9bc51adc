//! A leave that is under way, and the end of it.

use alloc::boxed::Box;
use core::time::Duration;

use bytestring::ByteString;

use super::TimeoutReason;
use super::context::Context;
use super::requests::{Leave, What};
use crate::{ChannelCloseCause, ChannelId, Event, Outcome, RequestId};

/// What a channel that is being left waits for.
#[derive(Debug)]
pub(super) struct Leaving {
    number: u64,
    join_ref: u64,
    cause: ChannelCloseCause,
    /// Whether it has an outcome for its user.
    reported: bool,
}

impl Leaving {
    /// Leaves what was joined with this ref: behind what is to be sent, and the topic is free at once.
    pub(super) fn begin(
        cx: &mut Context,
        id: ChannelId,
        (topic, join_ref): (&ByteString, u64),
        timeout: Duration,
        cause: ChannelCloseCause,
        reported: bool,
    ) -> Self {
        let leave = Box::new(Leave::new(topic.clone(), join_ref, false));
        let number = cx.begin(Some(id), timeout, What::Leave(Some(leave)), |number| {
            TimeoutReason::Push(RequestId(number))
        });
        cx.topics.leave(topic, join_ref, id);
        cx.requests.make_ready(number);
        Leaving { number, join_ref, cause, reported }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Ends the leave. Returns why the channel is closed.
    pub(super) fn end(
        self,
        cx: &mut Context,
        id: ChannelId,
        topic: &ByteString,
        outcome: Outcome,
    ) -> ChannelCloseCause {
        cx.topics.left(topic, self.join_ref);
        // One that the transport took too long to take is still sent: the server must not keep a channel that nobody
        // wants.
        if outcome != Outcome::TimedOut || !cx.requests.orphan(self.number) {
            cx.end(self.number);
        }
        if self.reported {
            cx.emit(Event::RequestDone { push: RequestId(self.number), channel: id, outcome });
        }
        self.cause
    }
}
