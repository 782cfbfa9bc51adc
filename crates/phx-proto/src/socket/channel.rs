//! A channel's machine: new, joining, joined, errored, leaving, closed. All its transitions are in
//! this file.
//!
//! ```text
//!          join            attempt answered ok            leave
//!   New ---------> Joining ---------------------> Joined ---------> Leaving
//!                   ^   |                           |                  |
//!   rejoin timer,   |   | rejected (policy: retry), | phx_error,       | reply, phx_close,
//!   connection open |   | timed out, crashed,       | connection lost  | timeout, connection lost
//!                   |   | connection lost           |                  v
//!                   |   v                           |               Closed
//!                  Errored <------------------------+
//!
//!   any state -> Closed: leave with nothing to leave, phx_close (policy: final), rejected (policy: final)
//!   Closed -> Joining: join, unless it was replaced or another channel has its topic
//! ```
//!
//! Joined becomes Errored, too, if the server has forgotten the channel, and by a `phx_close` after which
//! the policy joins again.
//!
//! A first join that waits for the connection or its turn is Joining already. Of a rejoin the user sees
//! Errored until its params are asked for or its join is sent: the action is what reports the change.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use bytestring::ByteString;

use super::attempt::Awaits;
use super::outbox::{Outgoing, OutgoingLeave};
use super::pending::Pending;
use super::push::Which;
use super::timers::TimerKey;
use super::{ChannelState, Params, Socket, TimeoutReason};
use crate::{
    ChannelCloseCause, ChannelError, ChannelId, CloseCause, Event, JoinError, JoinFailure, Outcome,
    Payload, PushId, Ref, Rejection, Rejoin, Status,
};

/// One channel of a socket.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) topic: ByteString,
    pub(super) params: Params,
    state: State,
    /// The ref of the latest attempt to join: what the server calls the channel's current life.
    pub(super) join_ref: Option<u64>,
    pub(super) join_timeout: Duration,
    /// The call of `join`, as long as it waits for its outcome.
    pub(super) join_call: Option<PushId>,
    has_been_joined: bool,
    /// It was Errored since it was joined, or since its join was asked for.
    joins_again: bool,
    /// How often the rejoin timer has fired since the schedule started over.
    tries: u32,
    /// Accepted and not taken by the transport: waiting for a join, or in the outbox.
    pub(super) unsent: BTreeSet<PushId>,
    /// Taken by the transport, and not answered.
    pub(super) sent: BTreeSet<PushId>,
    /// The user removed it: it goes without a word when it is closed.
    forgotten: bool,
}

#[derive(Debug)]
enum State {
    New,
    Joining(Awaits),
    Joined {
        /// Until the join proves stable.
        stable: Option<TimerKey>,
        /// Whether the server named the join in its answer to it, as it does in all that is from the
        /// channel, unless the format (V1) has no place for that.
        named: bool,
    },
    Errored {
        /// `None` while it waits for the connection instead.
        rejoin: Option<TimerKey>,
    },
    Leaving {
        leave: u64,
        /// In a box, since it is larger than all other states, and most channels aren't being left.
        cause: Box<ChannelCloseCause>,
    },
    Closed {
        replaced: bool,
    },
}

impl Channel {
    pub(super) fn new(topic: ByteString, params: Params) -> Self {
        Channel {
            topic,
            params,
            state: State::New,
            join_ref: None,
            join_timeout: Duration::ZERO,
            join_call: None,
            has_been_joined: false,
            joins_again: false,
            tries: 0,
            unsent: BTreeSet::new(),
            sent: BTreeSet::new(),
            forgotten: false,
        }
    }

    pub(super) fn state(&self) -> ChannelState {
        match self.state {
            State::New => ChannelState::New,
            State::Joining(Awaits::Turn { .. } | Awaits::Transport { params: None, .. })
                if self.joins_again =>
            {
                ChannelState::Errored
            }
            State::Joining(_) => ChannelState::Joining,
            State::Joined { .. } => ChannelState::Joined,
            State::Errored { .. } => ChannelState::Errored,
            State::Leaving { .. } => ChannelState::Leaving,
            State::Closed { .. } => ChannelState::Closed,
        }
    }

    /// What its attempt to join waits for, if it is joining.
    pub(super) fn awaits(&self) -> Option<&Awaits> {
        match &self.state {
            State::Joining(awaits) => Some(awaits),
            _ => None,
        }
    }

    /// An attempt to join begins, or goes on: nothing else becomes Joining by that.
    pub(super) fn await_next(&mut self, awaits: Awaits) {
        if let State::Joining(_) | State::Errored { .. } = self.state {
            self.state = State::Joining(awaits);
        }
    }

    pub(super) fn is_forgotten(&self) -> bool {
        self.forgotten
    }

    pub(super) fn is_joined(&self) -> bool {
        matches!(self.state, State::Joined { .. })
    }

    /// Whether all that the server says for the channel names its join, as far as is known.
    pub(super) fn is_named(&self) -> bool {
        matches!(self.state, State::Joined { named: true, .. })
    }

    /// Whether a message with this `join_ref` belongs to an older life of the channel.
    pub(super) fn is_outdated(&self, join_ref: Option<&Ref>) -> bool {
        join_ref.is_some_and(|join_ref| join_ref.as_number() != self.join_ref)
    }
}

/// What the user wants.
impl Socket {
    /// Whether the channel can be joined for the first time, or, closed, once more.
    pub(super) fn check_join(&self, id: ChannelId) -> Result<(), JoinError> {
        let channel = self.known(id).ok_or(JoinError::UnknownChannel)?;
        match channel.state {
            State::New => Ok(()),
            State::Joining(_) | State::Joined { .. } | State::Errored { .. } => {
                Err(JoinError::AlreadyJoined)
            }
            State::Leaving { .. } => Err(JoinError::Leaving),
            State::Closed { replaced: true } => Err(JoinError::Replaced),
            State::Closed { replaced: false } => match self.topics.get(&channel.topic) {
                Some(&owner) => Err(JoinError::TopicTaken { owner }),
                None => Ok(()),
            },
        }
    }

    /// Joins a channel that [can be joined](Self::check_join).
    pub(super) fn start_joining(&mut self, id: ChannelId, timeout: Duration) -> PushId {
        let call = PushId(self.next_number());
        let deadline = self.timers.arm(self.now, timeout, TimeoutReason::Push(call));
        self.pending.insert(call.0, Pending::JoinCall { channel: id, deadline, crashed: false });
        if let Some(channel) = self.channels.get_mut(id.0) {
            if let State::Closed { .. } = channel.state {
                // Another life. A closed channel has no pushes, and its attempts get refs of their own.
                channel.has_been_joined = false;
                channel.joins_again = false;
                channel.tries = 0;
                self.topics.insert(channel.topic.clone(), id);
            }
            channel.join_timeout = timeout;
            channel.join_call = Some(call);
            channel.state = State::Joining(Awaits::Connection);
        }
        if self.connection.is_open() {
            self.begin_attempt(id);
        }
        call
    }

    /// Leaves, or closes at once what the server doesn't know of. `reported` is whether the leave
    /// has an outcome for its user.
    pub(super) fn start_leaving(
        &mut self,
        id: ChannelId,
        timeout: Duration,
        cause: ChannelCloseCause,
        reported: bool,
    ) -> PushId {
        let leave = PushId(self.next_number());
        let Some(channel) = self.channels.get_mut(id.0) else {
            return leave;
        };
        let known_to_server = match &channel.state {
            State::Joined { .. } | State::Joining(Awaits::Reply { .. }) => true,
            // While the socket disconnects, what was accepted before that is still sent, so the
            // leave goes after it instead of taking it away.
            State::Errored { .. } => channel.unsent.iter().any(|push| self.outbox.contains(push.0)),
            State::New | State::Joining(_) => false,
            State::Leaving { .. } | State::Closed { .. } => return leave,
        };
        let Some(join_ref) = channel.join_ref.filter(|_| known_to_server) else {
            if reported {
                self.emit(Event::PushDone { push: leave, channel: id, outcome: Outcome::Left });
            }
            self.close_channel(id, cause);
            return leave;
        };
        let topic = channel.topic.clone();
        // What was accepted while joined is still sent, before the leave; the rest never will be.
        self.fail_pushes(id, Which::Waiting, &Outcome::ChannelClosed);
        self.stop_attempt(id);
        self.stop_channel_timers(id);
        self.finish_join_call(id, Outcome::ChannelClosed);
        let deadline = self.timers.arm(self.now, timeout, TimeoutReason::Push(leave));
        self.pending.insert(leave.0, Pending::Leave { channel: id, deadline, reported });
        self.pending.insert(join_ref, Pending::LeavingJoin { channel: id });
        self.leaving.insert((topic.clone(), join_ref));
        let outgoing = OutgoingLeave { channel: id, topic: topic.clone(), join_ref };
        self.outbox.insert(leave.0, Outgoing::Leave(Box::new(outgoing)));
        self.free_topic(id, &topic);
        if let Some(channel) = self.channels.get_mut(id.0) {
            channel.state = State::Leaving { leave: leave.0, cause: Box::new(cause) };
        }
        leave
    }

    /// Lets a channel go: its close will not be told.
    pub(super) fn forget(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(id.0) else {
            return;
        };
        channel.forgotten = true;
        if let State::Closed { .. } = channel.state {
            self.channels.remove(id.0);
        } else {
            // One that is being left goes on with that.
            let timeout = self.config.leave_timeout;
            self.start_leaving(id, timeout, ChannelCloseCause::Left, false);
        }
    }
}

/// What the connection brings.
impl Socket {
    /// The connection opened: whoever wants to be joined joins now.
    pub(super) fn channels_got_connection(&mut self) {
        let starts_over = self.config.stable_after.is_zero();
        let waiting: Vec<ChannelId> = self
            .channels
            .iter()
            .filter(|(_, channel)| {
                matches!(channel.state, State::Joining(Awaits::Connection) | State::Errored { .. })
            })
            .map(|(id, _)| ChannelId(id))
            .collect();
        for id in waiting {
            if let (true, Some(channel)) = (starts_over, self.channels.get_mut(id.0)) {
                channel.tries = 0;
            }
            self.begin_attempt(id);
        }
    }

    /// The connection ended, or is being ended: nothing is joined any more, and what was sent will
    /// have no reply. While it is `draining`, the outbox is still sent: pushes and leaves, but no
    /// joins.
    pub(super) fn channels_lost_connection(&mut self, cause: &CloseCause, draining: bool) {
        self.turns_lost_connection(cause);
        let all: Vec<ChannelId> = self.channels.keys().map(ChannelId).collect();
        for id in all {
            self.channel_lost_connection(id, draining);
        }
    }

    fn channel_lost_connection(&mut self, id: ChannelId, draining: bool) {
        self.fail_pushes(id, Which::Sent, &Outcome::Disconnected);
        let Some(channel) = self.channels.get_mut(id.0) else {
            return;
        };
        match &channel.state {
            State::Joined { .. } => {
                self.stop_channel_timers(id);
                self.set_errored(id, None);
                let cause = ChannelError::Disconnected;
                self.emit(Event::ChannelErrored { channel: id, cause, retry_in: None });
            }
            State::Joining(Awaits::Connection) => {}
            State::Joining(_) => {
                self.stop_attempt(id);
                self.set_errored(id, None);
                let cause = JoinFailure::Disconnected;
                self.emit(Event::JoinFailed { channel: id, cause, retry_in: None });
            }
            State::Errored { .. } => {
                self.stop_channel_timers(id);
                self.set_errored(id, None);
            }
            State::Leaving { .. } if draining => {}
            // The server forgets a channel with its connection: that is what was wanted.
            State::Leaving { .. } => self.finish_leaving(id, Outcome::Left),
            State::New | State::Closed { .. } => {}
        }
    }
}

/// What the server says.
impl Socket {
    /// `named` is whether the answer named the join.
    pub(super) fn join_answered(
        &mut self,
        id: ChannelId,
        status: Status,
        response: Payload,
        named: bool,
    ) {
        if status == Status::Ok {
            self.join_accepted(id, response, named);
        } else {
            self.join_rejected(id, status, response);
        }
    }

    fn join_accepted(&mut self, id: ChannelId, response: Payload, named: bool) {
        self.stop_attempt(id);
        self.join_was_accepted();
        let stable_after = self.config.stable_after;
        let Some(channel) = self.channels.get_mut(id.0) else {
            return;
        };
        if stable_after.is_zero() {
            channel.tries = 0;
        }
        // Only a schedule that has begun can start over.
        let stable = (channel.tries > 0)
            .then(|| self.timers.arm(self.now, stable_after, TimeoutReason::ChannelStable(id)));
        channel.state = State::Joined { stable, named };
        channel.joins_again = false;
        let rejoined = core::mem::replace(&mut channel.has_been_joined, true);
        if let Some(join_ref) = channel.join_ref {
            for push in &channel.unsent {
                self.outbox.insert(push.0, Outgoing::Push { join_ref });
            }
        }
        let response = self.events.keep(response);
        self.emit(Event::Joined { channel: id, response: response.clone(), rejoined });
        self.finish_join_call(id, Outcome::of_reply(Status::Ok, response));
    }

    fn join_rejected(&mut self, id: ChannelId, status: Status, response: Payload) {
        let Some(channel) = self.channels.get(id.0) else {
            return;
        };
        let mut rejection = Rejection::new(status, response, channel.has_been_joined);
        let decision = self.config.rejoin_policy.decide(&rejection);
        let crashed = rejection.is_crash();
        self.events.keep_rejection(&mut rejection);
        let outcome = Outcome::of_reply(rejection.status.clone(), rejection.response.clone());
        let after = match decision {
            Rejoin::Backoff => None,
            Rejoin::After(delay) => Some(delay),
            Rejoin::Stop => {
                self.finish_join_call(id, outcome);
                self.close_channel(id, ChannelCloseCause::Rejected(rejection));
                return;
            }
        };
        self.fail_attempt(id, JoinFailure::Rejected(rejection), after);
        if crashed {
            self.note_join_crash(id);
        } else {
            self.finish_join_call(id, outcome);
        }
    }

    /// `phx_error`: the channel is gone on the server. `named` is whether the message named this
    /// channel's join.
    pub(super) fn channel_crashed(&mut self, id: ChannelId, payload: Payload, named: bool) -> bool {
        let Some(channel) = self.channels.get(id.0) else {
            return false;
        };
        match &channel.state {
            State::Joined { .. } => {
                let cause = ChannelError::Crashed(self.events.keep(payload));
                self.end_life(id, &Outcome::ChannelCrashed, cause, None);
            }
            State::Joining(Awaits::Reply { .. }) if named => {
                let payload = self.events.keep(payload);
                self.fail_attempt(id, JoinFailure::Crashed(payload), None);
                self.note_join_crash(id);
            }
            // One that is being left has no topic, and is found by its join: see `deliver_to_leaving`.
            _ => return false,
        }
        true
    }

    /// `phx_close`: the channel ended on the server. `named` as for a crash. V1 names no join, and
    /// while a channel joins, a close without a name belongs to the one before it.
    pub(super) fn channel_closed(&mut self, id: ChannelId, payload: Payload, named: bool) -> bool {
        let Some(channel) = self.channels.get(id.0) else {
            return false;
        };
        let joined = match &channel.state {
            State::Joined { .. } => true,
            State::Joining(Awaits::Reply { .. }) if named => false,
            _ => return false,
        };
        let decision = self.config.close_policy.decide(&payload);
        let payload = self.events.keep(payload);
        let after = match decision {
            Rejoin::Backoff => None,
            Rejoin::After(delay) => Some(delay),
            Rejoin::Stop => {
                self.close_channel(id, ChannelCloseCause::ByServer(payload));
                return true;
            }
        };
        if joined {
            let cause = ChannelError::Closed(payload);
            self.end_life(id, &Outcome::ChannelClosed, cause, after);
        } else {
            self.fail_attempt(id, JoinFailure::Closed(payload), after);
        }
        true
    }

    /// The server has no channel of this topic, although it is joined.
    pub(super) fn channel_forgotten(&mut self, id: ChannelId) {
        self.end_life(id, &Outcome::ChannelCrashed, ChannelError::Forgotten, None);
    }

    /// A joined channel is gone on the server, and is joined again: by the schedule, or `after` that
    /// time. What was sent has no reply any more; what wasn't waits for the rejoin.
    fn end_life(
        &mut self,
        id: ChannelId,
        in_flight: &Outcome,
        cause: ChannelError,
        after: Option<Duration>,
    ) {
        self.fail_pushes(id, Which::Sent, in_flight);
        self.stop_channel_timers(id);
        self.unsend(id);
        let retry_in = self.schedule_rejoin(id, after);
        self.emit(Event::ChannelErrored { channel: id, cause, retry_in });
    }

    /// The end of a leave.
    pub(super) fn finish_leaving(&mut self, id: ChannelId, outcome: Outcome) {
        let Some(channel) = self.channels.get_mut(id.0) else {
            return;
        };
        let closed = State::Closed { replaced: false };
        let State::Leaving { leave, cause } = core::mem::replace(&mut channel.state, closed) else {
            return;
        };
        if let Some(join_ref) = channel.join_ref {
            self.pending.remove(join_ref);
            self.leaving.remove(&(channel.topic.clone(), join_ref));
        }
        // One that the transport took too long to take is still sent: the server must not keep a
        // channel that nobody wants.
        if outcome != Outcome::TimedOut {
            self.outbox.remove(leave);
        }
        self.finish(PushId(leave), outcome);
        self.close_channel(id, *cause);
    }
}

/// What time brings.
impl Socket {
    pub(super) fn rejoin_is_due(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(id.0) else {
            return;
        };
        if let State::Errored { rejoin } = &mut channel.state {
            *rejoin = None;
            channel.tries = channel.tries.saturating_add(1);
            if self.connection.is_open() {
                self.begin_attempt(id);
            }
        }
    }

    pub(super) fn channel_proved_stable(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(id.0) else {
            return;
        };
        if let State::Joined { stable, .. } = &mut channel.state {
            *stable = None;
            channel.tries = 0;
        }
    }
}

impl Socket {
    fn set_errored(&mut self, id: ChannelId, rejoin: Option<TimerKey>) {
        if let Some(channel) = self.channels.get_mut(id.0) {
            channel.state = State::Errored { rejoin };
            channel.joins_again = true;
        }
    }

    /// Errored, until the rejoin timer or the connection says otherwise. The timer is that of the
    /// schedule, or goes off `after` that time.
    pub(super) fn schedule_rejoin(
        &mut self,
        id: ChannelId,
        after: Option<Duration>,
    ) -> Option<Duration> {
        let channel = self.channels.get_mut(id.0)?;
        let next_try = channel.tries.saturating_add(1);
        if !self.connection.is_open() {
            self.set_errored(id, None);
            return None;
        }
        let delay = after.unwrap_or_else(|| self.config.rejoin.delay(next_try, &mut self.rng));
        let rejoin = self.timers.arm(self.now, delay, TimeoutReason::Rejoin(id));
        self.set_errored(id, Some(rejoin));
        Some(delay)
    }

    pub(super) fn stop_channel_timers(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(id.0) else {
            return;
        };
        let (State::Joined { stable: timer, .. } | State::Errored { rejoin: timer }) =
            &mut channel.state
        else {
            return;
        };
        if let Some(key) = timer.take() {
            self.timers.disarm(key);
        }
    }
}

/// The end.
impl Socket {
    /// Closes a channel: whatever of its pushes waits fails.
    pub(super) fn close_channel(&mut self, id: ChannelId, cause: ChannelCloseCause) {
        self.stop_attempt(id);
        self.stop_channel_timers(id);
        let Some(channel) = self.channels.get_mut(id.0) else {
            return;
        };
        channel.state = State::Closed { replaced: matches!(cause, ChannelCloseCause::Replaced) };
        let topic = channel.topic.clone();
        let forgotten = channel.forgotten;
        self.free_topic(id, &topic);
        self.finish_join_call(id, Outcome::ChannelClosed);
        self.fail_pushes(id, Which::All, &Outcome::ChannelClosed);
        if forgotten {
            self.channels.remove(id.0);
        } else {
            self.emit(Event::ChannelClosed { channel: id, cause });
        }
    }

    fn free_topic(&mut self, id: ChannelId, topic: &ByteString) {
        if self.topics.get(topic) == Some(&id) {
            self.topics.remove(topic);
        }
    }
}
