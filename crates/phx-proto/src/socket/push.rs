//! Pushes: accepted or refused at the call, kept in order until the transport takes them, and ended
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

use bytestring::ByteString;

use super::outbox::Outgoing;
use super::pending::{Pending, PendingPush, UnsentPush};
use super::{ChannelState, Socket, TimeoutReason};
use crate::{
    ChannelId, Event, Message, Outcome, Payload, PushError, PushErrorKind, PushId, Ref, WhenFull,
    events,
};

/// Which of a channel's pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Those that wait for a join, and aren't in the outbox.
    Waiting,
    Sent,
    All,
}

impl Socket {
    pub(super) fn start_push(
        &mut self,
        id: ChannelId,
        event: ByteString,
        payload: Payload,
        timeout: Duration,
    ) -> Result<PushId, PushError> {
        let Some(channel) = self.known(id) else {
            return Err(PushError { reason: PushErrorKind::UnknownChannel, event, payload });
        };
        // Made of what is given, and taken apart again: a copy would cost an allocation.
        let message = Message::new(channel.topic.clone(), event, payload);
        let checked = self.check_push(id, &message);
        let Message { event, payload, .. } = message;
        if let Err(reason) = checked {
            return Err(PushError { reason, event, payload });
        }
        let push = PushId(self.next_number());
        let deadline = self.timers.arm(self.now, timeout, TimeoutReason::Push(push));
        let unsent = UnsentPush { event, payload };
        self.buffered_bytes = self.buffered_bytes.saturating_add(unsent.size());
        let pending = PendingPush { channel: id, deadline, unsent: Some(unsent) };
        self.pending.insert(push.0, Pending::Push(pending));
        self.counters.pushes = self.counters.pushes.saturating_add(1);
        if let Some(channel) = self.channels.get_mut(id.0) {
            channel.unsent.insert(push);
            if let (true, Some(join_ref)) = (channel.is_joined(), channel.join_ref) {
                self.outbox.insert(push.0, Outgoing::Push { join_ref });
            }
        }
        Ok(push)
    }

    /// Whether the push is accepted; makes room for it if that is what the configuration wants.
    fn check_push(&mut self, id: ChannelId, message: &Message) -> Result<(), PushErrorKind> {
        let Message { event, payload, .. } = message;
        let channel = self.known(id).ok_or(PushErrorKind::UnknownChannel)?;
        match channel.state() {
            ChannelState::New => return Err(PushErrorKind::NotJoined),
            ChannelState::Leaving | ChannelState::Closed => return Err(PushErrorKind::Closed),
            ChannelState::Joining | ChannelState::Joined | ChannelState::Errored => {}
        }
        if event.is_empty() {
            return Err(PushErrorKind::EmptyEvent);
        }
        if events::is_reserved(event) {
            return Err(PushErrorKind::ReservedEvent);
        }
        self.config.serializer.check(message).map_err(PushErrorKind::Encode)?;
        if !self.has_room_for_outcome() {
            return Err(PushErrorKind::TooMany { max: self.config.max_pushes });
        }
        let oldest = match channel.unsent.first() {
            Some(oldest) if channel.unsent.len() >= self.config.max_buffered_pushes => {
                Some(*oldest)
            }
            None if self.config.max_buffered_pushes == 0 => {
                return Err(PushErrorKind::BufferFull { max: 0 });
            }
            _ => None,
        };
        if oldest.is_some() && self.config.when_full == WhenFull::Refuse {
            return Err(PushErrorKind::BufferFull { max: self.config.max_buffered_pushes });
        }
        let freed = oldest.map_or(0, |oldest| self.unsent_size(oldest));
        let size = event.len().saturating_add(payload.len());
        let total = self.buffered_bytes.saturating_sub(freed).saturating_add(size);
        if total > self.config.max_buffered_bytes {
            return Err(PushErrorKind::TooManyBytes { max: self.config.max_buffered_bytes });
        }
        if let Some(oldest) = oldest {
            self.finish(oldest, Outcome::Evicted);
        }
        Ok(())
    }

    /// Whether one more call with an outcome stays within the limit.
    pub(super) fn has_room_for_outcome(&self) -> bool {
        let held = self.pending.reported().saturating_add(self.events.outcomes());
        held < self.config.max_pushes
    }

    fn unsent_size(&mut self, push: PushId) -> usize {
        let unsent = self.pending.push_mut(push.0).and_then(|push| push.unsent.as_ref());
        unsent.map_or(0, UnsentPush::size)
    }

    /// The transport can take the push now.
    pub(super) fn take_push(&mut self, push: PushId, join_ref: u64) -> Option<Message> {
        let pending = self.pending.push_mut(push.0)?;
        let unsent = pending.unsent.take()?;
        self.buffered_bytes = self.buffered_bytes.saturating_sub(unsent.size());
        let channel = self.channels.get_mut(pending.channel.0)?;
        channel.unsent.remove(&push);
        channel.sent.insert(push);
        let message = Message::new(channel.topic.clone(), unsent.event, unsent.payload)
            .with_join_ref(Some(Ref::from(join_ref)))
            .with_reference(Some(Ref::from(push.0)));
        Some(message)
    }

    /// A deadline that a call armed has passed.
    pub(super) fn push_timed_out(&mut self, push: PushId) {
        let outcome = match self.pending.find(push.0) {
            Some(&Pending::Leave { channel, .. }) => {
                self.finish_leaving(channel, Outcome::TimedOut);
                return;
            }
            Some(Pending::Push(push)) if push.unsent.is_some() => Outcome::NotSent,
            Some(Pending::JoinCall { crashed: true, .. }) => Outcome::JoinCrashed,
            _ => Outcome::TimedOut,
        };
        self.finish(push, outcome);
    }

    /// Decides the outcome of a push or join, if it is still open.
    pub(super) fn cancel_push(&mut self, push: PushId) -> bool {
        let open =
            matches!(self.pending.find(push.0), Some(Pending::Push(_) | Pending::JoinCall { .. }));
        if open {
            self.finish(push, Outcome::Cancelled);
        }
        open
    }

    /// Ends a push, join call or leave: forgets it everywhere, and reports its outcome.
    pub(super) fn finish(&mut self, push: PushId, outcome: Outcome) {
        let (channel_id, deadline, reported) = match self.pending.remove(push.0) {
            Some(Pending::Push(pending)) => {
                if let Some(unsent) = &pending.unsent {
                    self.buffered_bytes = self.buffered_bytes.saturating_sub(unsent.size());
                    self.outbox.remove(push.0);
                }
                if let Some(channel) = self.channels.get_mut(pending.channel.0) {
                    let is_sent = pending.unsent.is_none();
                    let pushes = if is_sent { &mut channel.sent } else { &mut channel.unsent };
                    pushes.remove(&push);
                }
                (pending.channel, pending.deadline, true)
            }
            Some(Pending::JoinCall { channel, deadline, .. }) => {
                self.forget_join_call(channel);
                (channel, deadline, true)
            }
            Some(Pending::Leave { channel, deadline, reported }) => (channel, deadline, reported),
            Some(other) => {
                // Not a call's number. Nothing reports it, so nothing may take it away.
                self.pending.insert(push.0, other);
                return;
            }
            None => return,
        };
        self.timers.disarm(deadline);
        if reported {
            self.emit_in_place(Event::PushDone { push, channel: channel_id, outcome });
        }
    }

    /// Ends these pushes of a channel, in the order of their calls.
    pub(super) fn fail_pushes(&mut self, id: ChannelId, which: Which, outcome: &Outcome) {
        let Some(channel) = self.channels.get(id.0) else {
            return;
        };
        let mut pushes: Vec<PushId> = Vec::new();
        if which != Which::Waiting {
            pushes.extend(&channel.sent);
        }
        match which {
            Which::Waiting => {
                let waiting = channel.unsent.iter().filter(|push| !self.outbox.contains(push.0));
                pushes.extend(waiting);
            }
            Which::Sent => {}
            Which::All => pushes.extend(&channel.unsent),
        }
        for push in pushes {
            self.finish(push, outcome.clone());
        }
    }

    /// Takes a channel's pushes out of the outbox: they wait for its rejoin.
    pub(super) fn unsend(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get(id.0) else {
            return;
        };
        for push in &channel.unsent {
            self.outbox.remove(push.0);
        }
    }
}
