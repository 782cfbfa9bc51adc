//! Attempts to join: one at a time for a channel, from its params to the server's answer.
//!
//! ```text
//!   begin --> turn --> params --(handle_params)--> transport --(polled)--> reply --> answered
//!              |                                   ^
//!              +------ params are fixed -----------+     each step: failed, timed out, stopped
//! ```
//!
//! What an attempt has armed, asked for or put in line ends with it.

use alloc::boxed::Box;
use core::time::Duration;

use super::channel::Channel;
use super::outbox::{Outgoing, OutgoingLeave};
use super::pending::Pending;
use super::timers::TimerKey;
use super::{Params, Socket, TimeoutReason};
use crate::{
    ChannelId, Event, JoinFailure, Message, Outcome, ParamsRequestId, Payload, Ref, events,
};

/// What an attempt to join waits for.
#[derive(Debug)]
pub(super) enum Awaits {
    Connection,
    /// The number is its place in line.
    Turn {
        number: u64,
    },
    Params {
        request: ParamsRequestId,
        timeout: TimerKey,
    },
    Transport {
        /// Those made for this attempt; `None` if the channel's are fixed.
        params: Option<Box<Payload>>,
        timeout: TimerKey,
    },
    Reply {
        timeout: TimerKey,
    },
}

impl Socket {
    pub(super) fn begin_attempt(&mut self, id: ChannelId) {
        self.stop_channel_timers(id);
        if self.takes_turn() {
            self.start_attempt(id);
            return;
        }
        let number = self.await_turn(id);
        if let Some(channel) = self.channels.get_mut(id.0) {
            channel.await_next(Awaits::Turn { number });
        }
    }

    /// It is the channel's turn.
    pub(super) fn start_attempt(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get(id.0) else {
            self.turns.end();
            return;
        };
        match &channel.params {
            Params::Fixed(_) => self.queue_join(id, None),
            Params::OnRequest => {
                let timeout =
                    self.timers.arm(self.now, channel.join_timeout, TimeoutReason::Join(id));
                let request = ParamsRequestId(self.next_number());
                self.pending.insert(request.0, Pending::Params { channel: id });
                self.params_requests.insert(request, id);
                if let Some(channel) = self.channels.get_mut(id.0) {
                    channel.await_next(Awaits::Params { request, timeout });
                }
            }
        }
    }

    fn queue_join(&mut self, id: ChannelId, params: Option<Box<Payload>>) {
        let join_ref = self.next_number();
        let Some(channel) = self.channels.get_mut(id.0) else {
            self.turns.end();
            return;
        };
        channel.join_ref = Some(join_ref);
        let timeout = self.timers.arm(self.now, channel.join_timeout, TimeoutReason::Join(id));
        channel.await_next(Awaits::Transport { params, timeout });
        self.pending.insert(join_ref, Pending::JoinAttempt { channel: id });
        self.outbox.insert(join_ref, Outgoing::Join(id));
    }

    /// The transport can take the join now.
    pub(super) fn take_join(&mut self, id: ChannelId, join_ref: u64) -> Option<Message> {
        let channel = self.channels.get_mut(id.0)?;
        let Some(Awaits::Transport { params, timeout }) = channel.awaits() else { return None };
        let timeout = *timeout;
        let params = match (params.as_deref(), &channel.params) {
            (Some(params), _) | (None, Params::Fixed(params)) => params.clone(),
            (None, Params::OnRequest) => return None,
        };
        channel.await_next(Awaits::Reply { timeout });
        let reference = Some(Ref::from(join_ref));
        let join = Message::new(channel.topic.clone(), events::JOIN, params)
            .with_join_ref(reference.clone())
            .with_reference(reference);
        Some(join)
    }

    /// Ends an attempt, and schedules the next: by the schedule, or `after` that time.
    pub(super) fn fail_attempt(
        &mut self,
        id: ChannelId,
        cause: JoinFailure,
        after: Option<Duration>,
    ) {
        if self.channels.get(id.0).and_then(Channel::awaits).is_none() {
            return;
        }
        self.stop_attempt(id);
        let retry_in = self.schedule_rejoin(id, after);
        if let (JoinFailure::Rejected(_), Some(retry_in)) = (&cause, retry_in) {
            self.join_will_be_retried(retry_in);
        }
        self.emit(Event::JoinFailed { channel: id, cause, retry_in });
    }

    /// Takes back all that an attempt has armed, asked for or put in line.
    pub(super) fn stop_attempt(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(id.0) else {
            return;
        };
        let Some(awaits) = channel.awaits() else { return };
        match awaits {
            Awaits::Connection => {}
            Awaits::Turn { number } => self.turns.leave(*number),
            Awaits::Params { request, timeout } => {
                self.turns.end();
                self.timers.disarm(*timeout);
                self.params_requests.remove(request);
                self.pending.remove(request.0);
            }
            Awaits::Transport { timeout, .. } | Awaits::Reply { timeout } => {
                self.turns.end();
                self.timers.disarm(*timeout);
                if let Some(join_ref) = channel.join_ref {
                    self.outbox.remove(join_ref);
                    self.pending.remove(join_ref);
                }
            }
        }
        channel.await_next(Awaits::Connection);
    }

    /// The user has made the params that an attempt waits for, or couldn't.
    pub(super) fn params_made(&mut self, request: ParamsRequestId, params: Option<Payload>) {
        let Some(&Pending::Params { channel: id }) = self.pending.find(request.0) else {
            return;
        };
        self.pending.remove(request.0);
        let Some(params) = params else {
            self.fail_attempt(id, JoinFailure::NoParams, None);
            return;
        };
        let awaits = self.channels.get(id.0).and_then(Channel::awaits);
        let Some(&Awaits::Params { timeout, .. }) = awaits else { return };
        self.timers.disarm(timeout);
        self.params_requests.remove(&request);
        self.queue_join(id, Some(Box::new(params)));
    }

    pub(super) fn attempt_timed_out(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get(id.0) else {
            return;
        };
        if let (Some(Awaits::Reply { .. }), Some(join_ref)) = (channel.awaits(), channel.join_ref) {
            // The server may yet accept it: it must not keep a channel that nobody waits for.
            let topic = channel.topic.clone();
            let number = self.next_number();
            let leave = OutgoingLeave { channel: id, topic, join_ref };
            self.outbox.insert(number, Outgoing::Leave(Box::new(leave)));
        }
        self.fail_attempt(id, JoinFailure::TimedOut, None);
    }
}

/// The call of `join` that the attempts are made for.
impl Socket {
    /// A crash isn't an answer: the call of `join` waits for a later attempt, until its deadline.
    pub(super) fn note_join_crash(&mut self, id: ChannelId) {
        if let Some(call) = self.channels.get(id.0).and_then(|channel| channel.join_call) {
            self.pending.note_crash(call.0);
        }
    }

    /// The call of `join` has its outcome.
    pub(super) fn forget_join_call(&mut self, id: ChannelId) {
        if let Some(channel) = self.channels.get_mut(id.0) {
            channel.join_call = None;
        }
    }

    pub(super) fn finish_join_call(&mut self, id: ChannelId, outcome: Outcome) {
        let Some(channel) = self.channels.get_mut(id.0) else {
            return;
        };
        if let Some(call) = channel.join_call.take() {
            self.finish(call, outcome);
        }
    }
}
