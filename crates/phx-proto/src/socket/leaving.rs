//! A leave that is under way, and the end of it.

use alloc::boxed::Box;
use core::time::Duration;

use bytestring::ByteString;

use super::TimeoutReason;
use super::context::Context;
use super::requests::{Leave, What};
use crate::{ChannelCloseCause, ChannelId, Event, Outcome, PushId};

/// What a channel that is being left waits for.
#[derive(Debug)]
pub(super) struct Leaving {
    number: u64,
    join_ref: u64,
    cause: ChannelCloseCause,
}

impl Leaving {
    /// Leaves what was joined with this ref: behind what is to be sent, and the topic is free at once. `reported` is
    /// whether the leave has an outcome for its user.
    pub(super) fn begin(
        cx: &mut Context,
        id: ChannelId,
        (topic, join_ref): (&ByteString, u64),
        timeout: Duration,
        cause: ChannelCloseCause,
        reported: bool,
    ) -> Self {
        let leave = Leave::new(topic.clone(), join_ref, reported);
        let number = cx.begin(Some(id), timeout, What::Leave(Box::new(leave)), |number| {
            TimeoutReason::Push(PushId(number))
        });
        cx.topics.leave(topic, join_ref, id);
        cx.requests.make_ready(number);
        Leaving { number, join_ref, cause }
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
        let reported = if outcome == Outcome::TimedOut {
            // One that the transport took too long to take is still sent: the server must not keep a
            // channel that nobody wants.
            cx.requests.orphan(self.number)
        } else {
            cx.end(self.number).is_some_and(|request| request.is_reported())
        };
        if reported {
            cx.emit(Event::PushDone { push: PushId(self.number), channel: id, outcome });
        }
        self.cause
    }
}
