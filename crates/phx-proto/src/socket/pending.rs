//! Everything that waits for something, by number: what a reply answers is found by its ref.

use bytestring::ByteString;

use super::line::Line;
use super::timers::TimerKey;
use crate::{ChannelId, Payload, PingId};

/// What a number stands for. Refs on the wire and ids of calls are drawn from one counter, so a
/// number never means two things.
#[derive(Debug)]
pub(super) enum Pending {
    /// A push; the number is its id and its ref.
    Push(PendingPush),
    /// A call of `join` that waits for its outcome. Its number is never a ref: every attempt has one
    /// of its own.
    JoinCall {
        channel: ChannelId,
        deadline: TimerKey,
        /// Whether an attempt has crashed.
        crashed: bool,
    },
    /// A request for a channel's params.
    Params {
        channel: ChannelId,
    },
    /// An attempt to join.
    JoinAttempt {
        channel: ChannelId,
    },
    /// A leave; the number is its id and its ref.
    Leave {
        channel: ChannelId,
        deadline: TimerKey,
        /// Whether a user waits for its outcome.
        reported: bool,
    },
    /// The join that a channel which is being left was joined with. Its topic may have another
    /// channel by now.
    LeavingJoin {
        channel: ChannelId,
    },
    Heartbeat,
    Ping(PingId),
}

#[derive(Debug)]
pub(super) struct PendingPush {
    pub(super) channel: ChannelId,
    pub(super) deadline: TimerKey,
    /// What is to be sent; `None` once the transport has taken it.
    pub(super) unsent: Option<UnsentPush>,
}

#[derive(Debug)]
pub(super) struct UnsentPush {
    pub(super) event: ByteString,
    pub(super) payload: Payload,
}

impl UnsentPush {
    /// What it counts for in the limit on buffered bytes.
    pub(super) fn size(&self) -> usize {
        self.event.len().saturating_add(self.payload.len())
    }
}

impl Pending {
    /// Whether this will have an outcome that is reported.
    fn is_reported(&self) -> bool {
        match self {
            Pending::Push(_) | Pending::JoinCall { .. } => true,
            Pending::Leave { reported, .. } => *reported,
            Pending::Params { .. }
            | Pending::JoinAttempt { .. }
            | Pending::LeavingJoin { .. }
            | Pending::Heartbeat
            | Pending::Ping(_) => false,
        }
    }
}

/// The table of numbers.
#[derive(Debug, Default)]
pub(super) struct PendingTable {
    /// Numbers are drawn in order, and what comes first has nearly always its answer first.
    by_number: Line<Pending>,
    reported: usize,
}

impl PendingTable {
    pub(super) fn insert(&mut self, number: u64, pending: Pending) {
        if pending.is_reported() {
            self.reported = self.reported.saturating_add(1);
        }
        self.by_number.insert(number, pending);
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Pending> {
        let pending = self.by_number.remove(number)?;
        if pending.is_reported() {
            self.reported = self.reported.saturating_sub(1);
        }
        Some(pending)
    }

    pub(super) fn find(&self, number: u64) -> Option<&Pending> {
        self.by_number.get(number)
    }

    pub(super) fn push_mut(&mut self, number: u64) -> Option<&mut PendingPush> {
        match self.by_number.get_mut(number) {
            Some(Pending::Push(push)) => Some(push),
            _ => None,
        }
    }

    /// An attempt of this call of `join` has crashed.
    pub(super) fn note_crash(&mut self, call: u64) {
        if let Some(Pending::JoinCall { crashed, .. }) = self.by_number.get_mut(call) {
            *crashed = true;
        }
    }

    /// How many of them will have an outcome that is reported.
    pub(super) fn reported(&self) -> usize {
        self.reported
    }
}
