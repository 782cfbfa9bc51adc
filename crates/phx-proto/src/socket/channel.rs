//! A channel's machine: new, joining, joined, errored, leaving, closed. All its transitions are in this file.
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
//! Joined also becomes Errored if the server has forgotten the channel, or by a `phx_close` if the policy joins again.
//! A first join is Joining while it waits for connection or turn; a rejoin is Errored for the user until the action
//! that asks for its params or sends it. See `attempt.rs` for the steps of an attempt, `pushes.rs` for pushes.

use alloc::boxed::Box;
use core::mem;
use core::time::Duration;

use bytestring::ByteString;

use super::TimeoutReason;
use super::attempt::Attempt;
use super::context::Context;
use super::leaving::{LeaveReason, Leaving};
use super::pushes::{Pushes, is_unmatched};
use super::requests::{Request, What};
use super::state::{ChannelState, Params};
use super::timers::TimerKey;
use crate::{
    CallError, ChannelCloseCause, ChannelErrorCause, ChannelId, Event, Message, Outcome, Payload,
    PushError, Ref, Rejection, Rejoin, RequestId, Status, events,
};

/// One channel of a socket.
#[derive(Debug)]
pub(super) struct Channel {
    id: ChannelId,
    topic: ByteString,
    params: Params,
    state: State,
    /// The ref of the latest attempt to join: what the server calls the channel's current life.
    join_ref: Option<u64>,
    join_timeout: Duration,
    /// The call of `join`, as long as it waits for its outcome.
    join_call: Option<u64>,
    has_been_joined: bool,
    /// `true` if it was Errored since the last time that it was Joined.
    joins_again: bool,
    /// Number of times that the rejoin timer has fired since the schedule started over.
    tries: u32,
    pushes: Pushes,
    /// The user removed it: it is dropped without an event when it is closed.
    forgotten: bool,
}

#[derive(Debug)]
enum State {
    New,
    Joining(Attempt),
    Joined {
        /// Timer until the join proves stable; `None` after that, or if the schedule has not begun.
        stable: Option<TimerKey>,
        /// `true` if the server's answer named the join, as everything from the channel does, except in V1.
        named: bool,
    },
    Errored {
        /// `None` while it waits for the connection instead.
        rejoin: Option<TimerKey>,
    },
    Leaving(Leaving),
    Closed {
        replaced: bool,
    },
}

impl Channel {
    pub(super) fn new(id: ChannelId, topic: ByteString, params: Params) -> Self {
        Channel {
            id,
            topic,
            params,
            state: State::New,
            join_ref: None,
            join_timeout: Duration::ZERO,
            join_call: None,
            has_been_joined: false,
            joins_again: false,
            tries: 0,
            pushes: Pushes::default(),
            forgotten: false,
        }
    }

    pub(super) fn topic(&self) -> &ByteString {
        &self.topic
    }

    pub(super) fn state(&self, cx: &Context) -> ChannelState {
        match self.state {
            State::New => ChannelState::New,
            State::Joining(ref attempt)
                if self.joins_again && !attempt.is_visible(cx, &self.params) =>
            {
                ChannelState::Errored
            }
            State::Joining(_) => ChannelState::Joining,
            State::Joined { .. } => ChannelState::Joined,
            State::Errored { .. } => ChannelState::Errored,
            State::Leaving(_) => ChannelState::Leaving,
            State::Closed { .. } => ChannelState::Closed,
        }
    }

    pub(super) fn is_forgotten(&self) -> bool {
        self.forgotten
    }

    /// Returns `true` if the channel can be dropped.
    pub(super) fn is_gone(&self) -> bool {
        self.forgotten && matches!(self.state, State::Closed { .. })
    }

    /// Returns `true` if a message with this `join_ref` belongs to an older life of the channel.
    pub(super) fn has_stale_join_ref(&self, join_ref: Option<&Ref>) -> bool {
        // Broadcasts and V1 name no join.
        join_ref.is_some_and(|join_ref| join_ref.as_number() != self.join_ref)
    }
}

/// Calls of the user.
impl Channel {
    /// Joins for the first time, or, closed, once more.
    pub(super) fn join(
        &mut self,
        cx: &mut Context,
        timeout: Duration,
        connected: bool,
    ) -> Result<RequestId, CallError> {
        let again = match self.state {
            State::New => false,
            State::Joining(_) | State::Joined { .. } | State::Errored { .. } => {
                return Err(CallError::AlreadyJoined);
            }
            State::Leaving(_) => return Err(CallError::Leaving),
            State::Closed { replaced: true } => return Err(CallError::Replaced),
            State::Closed { replaced: false } => match cx.topics.owner(&self.topic) {
                Some(owner) => return Err(CallError::TopicTaken { owner }),
                None => true,
            },
        };
        if !cx.events.has_room_for_outcome() {
            return Err(CallError::TooManyPushes { max: cx.config.max_pushes });
        }
        if again {
            // Another life. A closed channel has no pushes, and its attempts get new refs.
            self.has_been_joined = false;
            self.joins_again = false;
            self.tries = 0;
            cx.topics.own(&self.topic, self.id);
        }
        // Not ready, now or later: the call has no frame, its attempts have.
        let call = cx.call(self.id, timeout, What::JoinCall { crashed: false }, false);
        self.join_timeout = timeout;
        self.join_call = Some(call);
        self.state = State::Joining(Attempt::Connection);
        if connected {
            self.begin_attempt(cx);
        }
        Ok(RequestId(call))
    }

    pub(super) fn leave(
        &mut self,
        cx: &mut Context,
        timeout: Duration,
    ) -> Result<RequestId, CallError> {
        match self.state {
            State::Leaving(_) | State::Closed { .. } => return Err(CallError::Closed),
            _ if !cx.events.has_room_for_outcome() => {
                return Err(CallError::TooManyPushes { max: cx.config.max_pushes });
            }
            _ => {}
        }
        cx.events.promise_outcome();
        Ok(RequestId(self.start_leaving(cx, timeout, LeaveReason::Call)))
    }

    /// Leaves for a user who removes it: the close won't be reported.
    pub(super) fn forget(&mut self, cx: &mut Context) {
        self.forgotten = true;
        // One that is being left goes on with that.
        self.start_leaving(cx, cx.config.leave_timeout, LeaveReason::Removed);
    }

    /// Leaves, or closes at once what the server doesn't know of. Returns the leave's number.
    pub(super) fn start_leaving(
        &mut self,
        cx: &mut Context,
        timeout: Duration,
        reason: LeaveReason,
    ) -> u64 {
        let known_to_server = match &self.state {
            State::Joined { .. } => true,
            State::Joining(attempt) => attempt.is_sent(cx),
            // While the socket disconnects, pushes accepted before are still sent: the leave goes after them.
            State::Errored { .. } => self.pushes.are_ready(cx),
            State::New => false,
            State::Leaving(_) | State::Closed { .. } => return 0,
        };
        let Some(join_ref) = self.join_ref.filter(|_| known_to_server) else {
            let leave = cx.next_number();
            reason.report(cx, self.id, leave, Outcome::Left);
            self.close(cx, reason.close_cause());
            return leave;
        };
        // What was accepted while joined is still sent, before the leave; the rest never will be.
        self.pushes.fail_held(cx, self.id, &Outcome::ChannelClosed);
        self.stop_attempt(cx);
        self.stop_timer(cx);
        self.finish_join_call(cx, Outcome::ChannelClosed);
        let leaving = Leaving::begin(cx, self.id, (&self.topic, join_ref), timeout, reason);
        self.state = State::Leaving(leaving);
        leaving.number()
    }

    pub(super) fn push(
        &mut self,
        cx: &mut Context,
        event: ByteString,
        payload: Payload,
        wants_reply: bool,
        timeout: Duration,
    ) -> Result<RequestId, PushError> {
        let joined = matches!(self.state, State::Joined { .. });
        let reason = match self.state {
            State::New => CallError::NotJoined,
            State::Leaving(_) | State::Closed { .. } => CallError::Closed,
            State::Joining(_) | State::Joined { .. } | State::Errored { .. } => {
                let message = Message::new(self.topic.clone(), event, payload);
                return self.pushes.push(cx, self.id, message, (wants_reply, joined), timeout);
            }
        };
        Err(PushError { reason, event, payload })
    }
}

/// Changes of the connection, and attempts to join.
impl Channel {
    /// Joins if it should be joined, since the connection opened.
    pub(super) fn got_connection(&mut self, cx: &mut Context) {
        if let State::Joining(Attempt::Connection) | State::Errored { .. } = self.state {
            if cx.config.stable_after.is_zero() {
                self.tries = 0;
            }
            self.begin_attempt(cx);
        }
    }

    /// The connection ended, or is being ended: nothing is joined any more, and what was sent will have no reply. While
    /// it is `draining`, what is ready is still sent: pushes and leaves, but no joins.
    pub(super) fn lost_connection(&mut self, cx: &mut Context, draining: bool) {
        self.pushes.fail_sent(cx, self.id, &Outcome::Disconnected);
        match self.state {
            State::Joined { .. } => {
                self.await_rejoin(cx, None);
                let cause = ChannelErrorCause::Disconnected;
                cx.emit(Event::ChannelErrored { channel: self.id, cause, retry_in: None });
            }
            State::New | State::Closed { .. } | State::Joining(Attempt::Connection) => {}
            State::Joining(_) => {
                self.stop_attempt(cx);
                self.await_rejoin(cx, None);
                let cause = ChannelErrorCause::Disconnected;
                cx.emit(Event::JoinFailed { channel: self.id, cause, retry_in: None });
            }
            State::Errored { .. } => self.await_rejoin(cx, None),
            State::Leaving(_) if draining => {}
            // The server forgets a channel with its connection: that is what was wanted.
            State::Leaving(_) => self.finish_leaving(cx, Outcome::Left),
        }
    }

    fn begin_attempt(&mut self, cx: &mut Context) {
        self.stop_timer(cx);
        self.await_next(Attempt::begin(cx, self.id, &self.params, self.join_timeout));
    }

    /// Starts the attempt, at the channel's turn.
    pub(super) fn start_attempt(&mut self, cx: &mut Context) {
        self.await_next(Attempt::start(cx, self.id, &self.params, self.join_timeout));
    }

    fn await_next(&mut self, attempt: Attempt) {
        if let Attempt::Answer(join_ref) = attempt {
            self.join_ref = Some(join_ref);
        }
        self.state = State::Joining(attempt);
    }

    /// The user has made the params that an attempt waits for, or couldn't.
    pub(super) fn params_made(&mut self, cx: &mut Context, request: u64, params: Option<Payload>) {
        if !matches!(self.state, State::Joining(Attempt::Params(number)) if number == request) {
            return;
        }
        let Some(params) = params else {
            return self.fail_attempt(cx, ChannelErrorCause::NoParams, Rejoin::Backoff);
        };
        cx.end(request);
        self.await_next(Attempt::join(cx, self.id, Some(Box::new(params)), self.join_timeout));
    }

    /// The transport takes a push.
    pub(super) fn take_push(&mut self, push: u64, event: ByteString, payload: Payload) -> Message {
        self.pushes.note_sent(push);
        Message::new(self.topic.clone(), event, payload).with_join_ref(self.join_ref.map(Ref::from))
    }

    /// The transport takes the join, with the params made for it.
    pub(super) fn take_join(&mut self, join_ref: u64, made: Option<Box<Payload>>) -> Message {
        Attempt::message(&self.topic, &self.params, join_ref, made)
    }

    pub(super) fn attempt_timed_out(&mut self, cx: &mut Context) {
        if let State::Joining(attempt) = &self.state {
            attempt.give_up(cx, self.id, &self.topic);
        }
        self.fail_attempt(cx, ChannelErrorCause::TimedOut, Rejoin::Backoff);
    }

    /// Ends an attempt, and schedules the next: by the schedule, or as the policy says.
    pub(super) fn fail_attempt(
        &mut self,
        cx: &mut Context,
        cause: ChannelErrorCause,
        next: Rejoin,
    ) {
        self.stop_attempt(cx);
        let retry_in = self.schedule_rejoin(cx, next);
        // Only a rejection says that the server has too much to do.
        if let ChannelErrorCause::Rejected(_) = &cause {
            let (turns, at) = cx.turns();
            turns.join_will_be_retried(at, retry_in);
        }
        cx.emit(Event::JoinFailed { channel: self.id, cause, retry_in: Some(retry_in) });
    }

    /// Takes back all that an attempt has asked for or put in line.
    fn stop_attempt(&mut self, cx: &mut Context) {
        if let State::Joining(attempt) = &mut self.state {
            attempt.stop(cx);
            *attempt = Attempt::Connection;
        }
    }

    /// Ends the call of `join`, if it waits for its outcome.
    pub(super) fn finish_join_call(&mut self, cx: &mut Context, outcome: Outcome) {
        if let Some(call) = self.join_call.take() {
            cx.finish(self.id, call, outcome);
        }
    }
}

/// Messages of the server.
impl Channel {
    /// The answer to the request of this number, which was sent; `false` if it isn't.
    pub(super) fn answered(
        &mut self,
        cx: &mut Context,
        number: u64,
        status: Status,
        message: &mut Message,
    ) -> bool {
        if self.topic != message.topic || self.has_stale_join_ref(message.join_ref.as_ref()) {
            return false;
        }
        let named = message.join_ref.is_some();
        let response = mem::take(&mut message.payload);
        match self.state {
            State::Joining(Attempt::Answer(join)) if join == number => match status {
                Status::Ok => self.join_accepted(cx, response, named),
                _ => self.join_rejected(cx, status, response),
            },
            State::Leaving(leaving) if leaving.number() == number => {
                self.finish_leaving(cx, Outcome::Left);
            }
            _ => {
                let knows_joins = matches!(self.state, State::Joined { named: true, .. });
                let forgotten = !named && knows_joins && is_unmatched(&status, &response);
                let outcome = cx.events.keep_reply(status, response);
                self.pushes.finish(cx, self.id, number, outcome);
                if forgotten {
                    // The server has no channel of this topic, although it is joined.
                    let cause = ChannelErrorCause::Forgotten;
                    self.end_life(cx, &Outcome::ChannelCrashed, cause, Rejoin::Backoff);
                }
            }
        }
        true
    }

    fn join_accepted(&mut self, cx: &mut Context, response: Payload, named: bool) {
        self.stop_attempt(cx);
        let (turns, at) = cx.turns();
        turns.join_was_accepted(at);
        let stable_after = cx.config.stable_after;
        if stable_after.is_zero() {
            self.tries = 0;
        }
        // Only a schedule that has begun can start over.
        let stable =
            (self.tries > 0).then(|| cx.arm(stable_after, TimeoutReason::ChannelStable(self.id)));
        self.state = State::Joined { stable, named };
        self.joins_again = false;
        let rejoined = mem::replace(&mut self.has_been_joined, true);
        self.pushes.make_ready(cx);
        let response = cx.events.keep(response);
        cx.emit(Event::Joined { channel: self.id, response: response.clone(), rejoined });
        self.finish_join_call(cx, Outcome::of_reply(Status::Ok, response));
    }

    fn join_rejected(&mut self, cx: &mut Context, status: Status, response: Payload) {
        let mut rejection = Rejection::new(status, response, self.has_been_joined);
        let decision = cx.config.rejoin_policy.decide(&self.topic, &rejection);
        let crashed = rejection.is_crash();
        cx.events.keep_rejection(&mut rejection);
        let outcome = Outcome::of_reply(rejection.status.clone(), rejection.response.clone());
        if decision == Rejoin::Stop {
            self.finish_join_call(cx, outcome);
            return self.close(cx, ChannelCloseCause::Rejected(rejection));
        }
        self.fail_attempt(cx, ChannelErrorCause::Rejected(rejection), decision);
        if crashed {
            // A crash isn't an answer: the call of `join` waits for a later attempt, until its deadline.
            cx.requests.note_crash(self.join_call);
        } else {
            self.finish_join_call(cx, outcome);
        }
    }

    /// A message that isn't outdated; `false` if it isn't for the channel as it is.
    pub(super) fn received(&mut self, cx: &mut Context, message: &mut Message) -> bool {
        let closed = message.event == events::CLOSE;
        if closed || message.event == events::ERROR {
            self.ended(cx, message, closed)
        } else if let State::Joined { .. } = self.state {
            // Only while joined; phoenix.js delivers broadcasts to errored channels as well.
            cx.counters.messages = cx.counters.messages.saturating_add(1);
            let event = mem::take(&mut message.event);
            let payload = mem::take(&mut message.payload);
            cx.emit_in_place(Event::Message { channel: self.id, event, payload });
            true
        } else {
            false
        }
    }

    /// `phx_close` or `phx_error`: the channel is gone on the server. V1 names no join, and while a channel joins, an
    /// end without a name belongs to the one before it. One that is being left is found by its join.
    fn ended(&mut self, cx: &mut Context, message: &mut Message, closed: bool) -> bool {
        let joined = match &self.state {
            State::Joined { .. } => true,
            State::Joining(join) if message.join_ref.is_some() && join.is_sent(cx) => false,
            _ => return false,
        };
        let payload = mem::take(&mut message.payload);
        let policy = &cx.config.close_policy;
        let next = if closed { policy.decide(&self.topic, &payload) } else { Rejoin::Backoff };
        let payload = cx.events.keep(payload);
        if closed && next == Rejoin::Stop {
            self.close(cx, ChannelCloseCause::ByServer(payload));
            return true;
        }
        let (sent, cause) = if closed {
            (Outcome::ChannelClosed, ChannelErrorCause::Closed(payload))
        } else {
            (Outcome::ChannelCrashed, ChannelErrorCause::Crashed(payload))
        };
        if joined {
            self.end_life(cx, &sent, cause, next);
        } else {
            self.fail_attempt(cx, cause, next);
            if !closed {
                cx.requests.note_crash(self.join_call);
            }
        }
        true
    }

    /// Rejoins a channel that is gone on the server. Pushes that were sent get no reply; others wait for the rejoin.
    fn end_life(
        &mut self,
        cx: &mut Context,
        sent: &Outcome,
        cause: ChannelErrorCause,
        next: Rejoin,
    ) {
        self.pushes.fail_sent(cx, self.id, sent);
        // They would go out with the ref of a join that the server no longer knows.
        self.pushes.hold(cx);
        let retry_in = Some(self.schedule_rejoin(cx, next));
        cx.emit(Event::ChannelErrored { channel: self.id, cause, retry_in });
    }

    /// The end of a leave.
    pub(super) fn finish_leaving(&mut self, cx: &mut Context, outcome: Outcome) {
        let closed = State::Closed { replaced: false };
        if let State::Leaving(leaving) = mem::replace(&mut self.state, closed) {
            let cause = leaving.end(cx, self.id, &self.topic, outcome);
            self.close(cx, cause);
        }
    }
}

/// Timeouts, and the end.
impl Channel {
    pub(super) fn rejoin_is_due(&mut self, cx: &mut Context) {
        if let State::Errored { rejoin } = &mut self.state {
            *rejoin = None;
            self.tries = self.tries.saturating_add(1);
            self.begin_attempt(cx);
        }
    }

    pub(super) fn proved_stable(&mut self) {
        if let State::Joined { stable, .. } = &mut self.state {
            *stable = None;
            self.tries = 0;
        }
    }

    /// The deadline of a push, or of the call of a join or leave, has passed.
    pub(super) fn call_timed_out(&mut self, cx: &mut Context, call: u64) {
        if let Some(outcome) = cx.requests.get(call).map(Request::outcome_of_deadline) {
            self.finish(cx, call, outcome);
        }
    }

    /// Errored until the rejoin timer fires. Only ends by the server or the clock are scheduled: both need a connection.
    fn schedule_rejoin(&mut self, cx: &mut Context, next: Rejoin) -> Duration {
        // The count itself grows when the timer fires: scheduling twice keeps the delay.
        let next_try = self.tries.saturating_add(1);
        let delay = match next {
            Rejoin::After(delay) => delay,
            Rejoin::Backoff | Rejoin::Stop => cx.config.rejoin.delay(next_try, &mut cx.rng),
        };
        let rejoin = cx.arm(delay, TimeoutReason::Rejoin(self.id));
        self.await_rejoin(cx, Some(rejoin));
        delay
    }

    /// Errored, until the timer or the connection says otherwise.
    fn await_rejoin(&mut self, cx: &mut Context, rejoin: Option<TimerKey>) {
        self.stop_timer(cx);
        self.state = State::Errored { rejoin };
        self.joins_again = true;
    }

    fn stop_timer(&mut self, cx: &mut Context) {
        if let State::Joined { stable: timer, .. } | State::Errored { rejoin: timer } =
            &mut self.state
        {
            cx.disarm(timer.take());
        }
    }

    /// Ends a push, or the call of a join or leave: forgets it everywhere, and reports its outcome.
    pub(super) fn finish(&mut self, cx: &mut Context, call: u64, outcome: Outcome) {
        match &self.state {
            _ if self.join_call == Some(call) => self.finish_join_call(cx, outcome),
            State::Leaving(leaving) if leaving.number() == call => self.finish_leaving(cx, outcome),
            _ => self.pushes.finish(cx, self.id, call, outcome),
        }
    }

    /// Closes, and ends what waits: its attempt, its call of `join` and its pushes.
    fn close(&mut self, cx: &mut Context, cause: ChannelCloseCause) {
        self.stop_attempt(cx);
        self.stop_timer(cx);
        self.state = State::Closed { replaced: matches!(cause, ChannelCloseCause::Replaced) };
        cx.topics.free(&self.topic, self.id);
        self.finish_join_call(cx, Outcome::ChannelClosed);
        self.pushes.fail_all(cx, self.id, &Outcome::ChannelClosed);
        if !self.forgotten {
            cx.emit(Event::ChannelClosed { channel: self.id, cause });
        }
    }
}
