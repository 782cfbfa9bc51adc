//! A leave that is under way, and the end of it.

use core::time::Duration;

use bytestring::ByteString;

use super::TimeoutReason;
use super::context::Context;
use super::requests::{Leave, What};
use crate::{ChannelCloseCause, ChannelId, Event, Outcome, RequestId};

/// The reason for a leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeaveReason {
    /// A call of `leave`, which has an outcome.
    Call,
    /// Another channel takes the topic.
    Replaced,
    /// The user removes the channel.
    Removed,
}

impl LeaveReason {
    /// Reports the outcome of the leave of this number to the user who called for it.
    pub(super) fn report(
        self,
        cx: &mut Context,
        channel: ChannelId,
        number: u64,
        outcome: Outcome,
    ) {
        if self == LeaveReason::Call {
            cx.emit(Event::RequestDone { push: RequestId(number), channel, outcome });
        }
    }

    /// The cause of the close after it.
    pub(super) fn close_cause(self) -> ChannelCloseCause {
        match self {
            LeaveReason::Call | LeaveReason::Removed => ChannelCloseCause::Left,
            LeaveReason::Replaced => ChannelCloseCause::Replaced,
        }
    }
}

/// The leave that a channel waits for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    number: u64,
    join_ref: u64,
    reason: LeaveReason,
}

impl Leaving {
    /// Leaves the join of this ref. The leave is sent after all that is ready; the topic is free at once.
    pub(super) fn begin(
        cx: &mut Context,
        id: ChannelId,
        (topic, join_ref): (&ByteString, u64),
        timeout: Duration,
        reason: LeaveReason,
    ) -> Self {
        let leave = What::Leave(Some(Leave::new(topic.clone(), join_ref, false)));
        let why = |number| TimeoutReason::Push(RequestId(number));
        let number = cx.begin(Some(id), timeout, leave, true, why);
        // At once: another channel may join the topic while this leave is under way.
        cx.topics.leave(topic, join_ref, id);
        Leaving { number, join_ref, reason }
    }

    pub(super) fn number(self) -> u64 {
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
        // One that the transport took too long to take is still sent: the server must not keep a channel without a
        // user.
        if outcome != Outcome::TimedOut || !cx.requests.orphan(self.number) {
            cx.end(self.number);
        }
        self.reason.report(cx, id, self.number, outcome);
        self.reason.close_cause()
    }
}
