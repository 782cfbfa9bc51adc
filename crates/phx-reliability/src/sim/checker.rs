//! Checks every event that a client emits, and every frame that it sends, against its user's calls and the server's
//! record.

use std::time::Duration;

use phx_proto::{
    ByteString, ChannelCloseCause, ChannelErrorCause, ChannelId, ChannelState, CloseCause,
    ConnectionState, Event, Payload, PayloadDropped, TransportId,
};

use super::channels::{CallKind, Channel, MayMiss, Pulse, topic};
use super::faults::number_of_topic;
use super::violation::Rule;
use super::world::World;
use crate::ledger::Receipt;
use crate::ledger::numbered::Numbered;
use crate::ledger::room::Joined;

/// Events.
impl World {
    pub(super) fn check_event(&mut self, client: usize, event: Event) {
        match event {
            Event::Opened { .. } => self.check_opened(client),
            Event::Closed { transport, was_open, cause, retry_in, .. } => {
                self.check_closed(client, transport, was_open, &cause, retry_in.is_none());
            }
            Event::Joined { channel, response, rejoined, .. } => {
                self.check_joined(client, channel, &response, rejoined);
            }
            Event::JoinFailed { channel, cause, .. } => {
                self.check_join_failed(client, channel, &cause);
            }
            Event::ChannelErrored { channel, cause, .. } => {
                self.check_errored(client, channel, &cause);
            }
            Event::ChannelClosed { channel, cause, .. } => {
                self.check_channel_closed(client, channel, &cause);
            }
            Event::Message { channel, event, payload, .. } => {
                self.check_message(client, channel, &event, &payload);
            }
            // A broadcast that was on its way when its channel was left.
            Event::UnjoinedMessage { .. } => {}
            Event::RequestDone { push, channel, outcome, .. } => {
                self.check_outcome(client, push, channel, &outcome);
            }
            Event::Pong { ping, .. } => {
                let is_open = self.clients[client].pings.remove(&ping);
                self.ensure(is_open, Rule::OneOutcome, || format!("{ping:?} was answered twice"));
            }
            Event::MessagesLost { .. } => self.note_gap(client),
            Event::HeartbeatAnswered { .. } | Event::RetryCancelled => {}
            Event::Malformed { .. } => {
                self.clients[client].malformed += 1;
                let malformed = self.clients[client].malformed;
                let odd = self.ledger.lock().odd_frames(client);
                self.ensure(
                    malformed <= odd,
                    Rule::States,
                    || "a frame of the server's is said to be malformed",
                );
            }
            Event::EventsLost { count, .. } => {
                self.violation(Rule::Limits, format!("{count} events were lost"));
            }
            other => self.violation(Rule::States, format!("an event of no known kind: {other:?}")),
        }
    }

    /// Messages of any channel may be missing now, and the ends of channels.
    fn note_gap(&mut self, client: usize) {
        let (known, long_poll) = (&mut self.clients[client], self.settings.long_poll);
        for channel in known.channels.values_mut() {
            channel.may_miss = MayMiss { push: true, broadcast: true };
        }
        known.has_forgotten.fill(true);
        self.ensure(
            long_poll && self.clients[client].is_open,
            Rule::States,
            || "a gap in what can't have one",
        );
    }

    fn check_opened(&mut self, client: usize) {
        let known = &mut self.clients[client];
        let was_open = std::mem::replace(&mut known.is_open, true);
        if was_open {
            self.violation(Rule::States, "two connections are open");
        } else if !known.wants_connection {
            self.violation(Rule::States, "a connection opened that isn't wanted");
        }
    }

    fn check_closed(
        &mut self,
        client: usize,
        transport: TransportId,
        was_open: bool,
        cause: &CloseCause,
        is_final: bool,
    ) {
        let known = &mut self.clients[client];
        let again = !known.closed.insert(transport);
        let reported_open = std::mem::replace(&mut known.is_open, false);
        let wanted = known.wants_connection;
        if is_final {
            known.wants_connection = false;
        }
        self.ensure(!again, Rule::ClosedOnce, || format!("{transport:?} closed twice"));
        self.ensure(was_open == reported_open, Rule::States, || {
            format!("open: reported {reported_open}, closed {was_open}")
        });
        // The others are causes of the core, which closes the transport itself.
        let is_reported = matches!(
            cause,
            CloseCause::Frame { .. }
                | CloseCause::Io { .. }
                | CloseCause::ConnectFailed { .. }
                | CloseCause::UpgradeRejected(_)
        );
        let goes_on = is_reported && self.sim.goes_on(self.ids[client], transport);
        self.ensure(!goes_on, Rule::States, || {
            format!("{transport:?} is said to be closed, and goes on: {cause}")
        });
        if *cause == CloseCause::HeartbeatTimedOut {
            self.check_given_up(client);
        }
        let may_be_final = match cause {
            CloseCause::Disconnected => !wanted,
            CloseCause::UpgradeRejected(refusal) => refusal.status == 403,
            _ => false,
        };
        self.ensure(!is_final || may_be_final, Rule::Recovers, || format!("it gave up: {cause}"));
    }

    /// Checks the time of a heartbeat's timeout: while frames arrive, it may wait up to its limit.
    fn check_given_up(&mut self, client: usize) {
        let ms = Duration::from_millis;
        let Pulse { heard, beat, is_doubtful, .. } = self.clients[client].pulse;
        let (timeout, limit) = (self.settings.heartbeat_timeout, self.settings.heartbeat_limit);
        let now = self.now();
        let is_heard = now < heard + ms(timeout) && now < beat + ms(limit.max(timeout));
        self.ensure(!is_heard || is_doubtful, Rule::States, || {
            format!("given up, though heard at {heard:?} and asked at {beat:?}")
        });
    }

    fn check_joined(
        &mut self,
        client: usize,
        id: ChannelId,
        response: &Result<Payload, PayloadDropped>,
        rejoined: bool,
    ) {
        let joined = response.as_ref().ok().and_then(|response| response.decode::<Joined>().ok());
        let life = joined.map(|joined| joined.life).unwrap_or_default();
        let Some(channel) = self.known(client, id) else { return };
        let (was_joined, last_life) = (channel.is_joined, channel.life);
        let may_join = !channel.is_closed && !channel.is_left && !channel.is_replaced;
        let expected = topic(channel.room);
        channel.is_joined = true;
        channel.life = life;
        channel.last_push = 0;
        channel.last_broadcast.1 = false;
        channel.may_miss = MayMiss::default();
        self.ensure(!was_joined && may_join, Rule::States, || {
            format!("{id:?} joined, and it was joined or left")
        });
        self.ensure(rejoined == (last_life > 0), Rule::States, || {
            format!("{id:?}: rejoined is {rejoined}")
        });
        let is_true = {
            let entries = self.ledger.lock();
            entries.life(life).is_some_and(|life| *life.topic == *expected)
        };
        self.ensure(life > last_life && is_true, Rule::CurrentJoin, || {
            format!("{id:?} joined life {life} after {last_life}")
        });
        self.ensure(self.clients[client].is_open, Rule::States, || {
            format!("{id:?} joined without a connection")
        });
    }

    fn check_join_failed(&mut self, client: usize, id: ChannelId, cause: &ChannelErrorCause) {
        let rejected = self.ledger.lock().has_rejected();
        let rejoin_closed = self.settings.rejoin_closed;
        let Some(channel) = self.known(client, id) else { return };
        let is_odd = channel.is_joined || channel.is_closed || channel.is_left;
        self.ensure(!is_odd, Rule::States, || format!("a join of {id:?} failed that isn't made"));
        let is_true = match cause {
            ChannelErrorCause::Rejected(_) => rejected,
            ChannelErrorCause::EncodeFailed(_) => false,
            ChannelErrorCause::Closed(_) => rejoin_closed,
            _ => true,
        };
        self.ensure(is_true, Rule::TrueOutcome, || format!("a join of {id:?} failed: {cause:?}"));
    }

    fn check_errored(&mut self, client: usize, id: ChannelId, cause: &ChannelErrorCause) {
        let Some(channel) = self.known(client, id) else { return };
        let was_joined = std::mem::replace(&mut channel.is_joined, false);
        let (life, room) = (channel.life, channel.room);
        self.ensure(was_joined, Rule::States, || format!("{id:?} errored, and wasn't joined"));
        let has_ended = self.has_ended(life);
        let is_true = match cause {
            ChannelErrorCause::Disconnected => true,
            ChannelErrorCause::Crashed(_) => has_ended,
            ChannelErrorCause::Forgotten => has_ended && self.clients[client].has_forgotten[room],
            ChannelErrorCause::Closed(_) => {
                let has_repeated = self.clients[client].has_repeated[room];
                self.settings.rejoin_closed && (has_ended || has_repeated)
            }
            _ => false,
        };
        self.ensure(is_true, Rule::TrueOutcome, || format!("{id:?} errored, and lives: {cause:?}"));
    }

    fn check_channel_closed(&mut self, client: usize, id: ChannelId, cause: &ChannelCloseCause) {
        let always_rejoin = self.settings.always_rejoin;
        let Some(channel) = self.known(client, id) else { return };
        let was_closed = std::mem::replace(&mut channel.is_closed, true);
        let was_joined = std::mem::replace(&mut channel.is_joined, false);
        channel.is_wanted = false;
        let (is_left, is_replaced, life) = (channel.is_left, channel.is_replaced, channel.life);
        let room = channel.room;
        let has_repeated = self.clients[client].has_repeated[room];
        self.ensure(!was_closed, Rule::States, || format!("{id:?} closed twice"));
        let has_reason = match cause {
            ChannelCloseCause::Left => is_left,
            ChannelCloseCause::Replaced => is_replaced,
            ChannelCloseCause::ByServer(_) if self.settings.rejoin_closed => false,
            ChannelCloseCause::ByServer(_) if has_repeated => true,
            ChannelCloseCause::ByServer(_) if was_joined => self.has_ended(life),
            ChannelCloseCause::ByServer(_) => self.ledger.lock().has_ended_one(topic(room)),
            ChannelCloseCause::Rejected(rejection) => {
                self.ledger.lock().has_rejected() && !always_rejoin && !rejection.is_crash()
            }
            _ => false,
        };
        self.ensure(has_reason, Rule::States, || {
            format!("{id:?} closed without a reason: {cause:?}")
        });
    }

    fn check_message(
        &mut self,
        client: usize,
        id: ChannelId,
        event: &ByteString,
        payload: &Payload,
    ) {
        let Some(channel) = self.known(client, id) else { return };
        if !channel.is_joined {
            self.violation(Rule::OnlyJoined, format!("{id:?} got a message"));
            return;
        }
        let Some(message) = Numbered::read(payload) else {
            let odd = self.ledger.lock().odd_frames(client);
            self.ensure(odd > 0, Rule::InOrder, || format!("{id:?} got a damaged message"));
            return;
        };
        match &**event {
            "pushed" => self.check_server_push(client, id, message),
            "talk" => self.check_broadcast(client, id, message),
            _ => self.violation(Rule::InOrder, format!("{id:?} got `{event}`")),
        }
    }

    fn check_server_push(&mut self, client: usize, id: ChannelId, message: Numbered) {
        let Some(channel) = self.known(client, id) else { return };
        let life = channel.life;
        let last = std::mem::replace(&mut channel.last_push, message.number);
        let may_miss = std::mem::take(&mut channel.may_miss.push) && message.number > last;
        if message.of != life {
            let what = format!("{id:?} of life {life} got a message of life {}", message.of);
            self.violation(Rule::CurrentJoin, what);
            return;
        }
        let follows = may_miss || self.follows(client, message, last);
        self.ensure(follows, Rule::InOrder, || {
            format!("{id:?} got message {} after {last}", message.number)
        });
    }

    fn check_broadcast(&mut self, client: usize, id: ChannelId, message: Numbered) {
        let Some(channel) = self.known(client, id) else { return };
        let expected = number_of_topic(channel.room);
        let last = std::mem::replace(&mut channel.last_broadcast, (message.number, true));
        let may_miss = std::mem::take(&mut channel.may_miss.broadcast);
        let follows = match last {
            // A message broadcast before the join doesn't belong to this life.
            (last, is_known) if !is_known || may_miss => message.number > last,
            (last, _) => self.follows(client, message, last),
        };
        self.ensure(message.of == expected && follows, Rule::InOrder, || {
            format!("{id:?} got broadcast {message:?} after {last:?}")
        });
    }

    /// Returns true if a message is the next one after number `last`, not counting damaged ones.
    fn follows(&self, client: usize, message: Numbered, last: u64) -> bool {
        let entries = self.ledger.lock();
        let mut between = last.saturating_add(1)..message.number;
        message.number > last
            && between.all(|number| entries.is_damaged(client, message.of, number))
    }

    fn has_ended(&self, life: u64) -> bool {
        self.ledger.lock().life(life).is_some_and(|life| life.has_ended)
    }

    /// Returns the user's channel of an event.
    fn known(&mut self, client: usize, id: ChannelId) -> Option<&mut Channel> {
        let is_known =
            self.clients[client].channels.get(&id).is_some_and(|channel| !channel.is_removed);
        if !is_known {
            self.violation(
                Rule::States,
                format!("an event of {id:?}, which its user doesn't have"),
            );
            return None;
        }
        self.clients[client].channels.get_mut(&id)
    }
}

/// States and frames.
impl World {
    /// Reported states agree with the socket's.
    pub(super) fn check_states(&mut self, client: usize) {
        let known = &self.clients[client];
        let socket = self.sim.socket(self.ids[client]);
        let mut odd = Vec::new();
        let state = socket.connection_state();
        let agree = match state {
            ConnectionState::Open => known.is_open,
            // A disconnect is reported when it is complete.
            ConnectionState::Closing => true,
            _ => !known.is_open,
        };
        if !agree {
            odd.push(format!("open: reported {}, is {state:?}", known.is_open));
        }
        for (id, channel) in known.channels.iter().filter(|(_, channel)| !channel.is_removed) {
            let state = socket.channel_state(*id);
            let agree = (state == Some(ChannelState::Joined)) == channel.is_joined
                && (state == Some(ChannelState::Closed)) == channel.is_closed;
            if !agree {
                odd.push(format!("{id:?} is {state:?}, and was reported as {channel:?}"));
            }
        }
        for what in odd {
            self.violation(Rule::States, what);
        }
        self.check_open_calls(client, state);
    }

    /// Checks that no call waits for an outcome that can no longer come.
    fn check_open_calls(&mut self, client: usize, connection: ConnectionState) {
        let is_connected = matches!(connection, ConnectionState::Open | ConnectionState::Closing);
        let known = &self.clients[client];
        let mut odd = Vec::new();
        for (id, call) in known.calls.iter().filter(|(_, call)| !call.is_done) {
            let is_sent =
                matches!(call.kind, CallKind::Push { number } if self.sent.contains(&number));
            if is_sent && !is_connected {
                odd.push(format!("{id:?} was sent, and waits without a connection"));
            }
            let is_closed = known.channels.get(&call.channel).is_some_and(|it| it.is_closed);
            if is_closed {
                odd.push(format!("{id:?} waits, and its channel is closed"));
            }
        }
        for what in odd {
            self.violation(Rule::OneOutcome, what);
        }
        self.check_timers(client, connection);
    }

    /// Checks that only calls have deadlines if the user wants no connection.
    fn check_timers(&mut self, client: usize, connection: ConnectionState) {
        let known = &self.clients[client];
        if connection != ConnectionState::Closed || known.open_calls() > 0 {
            return;
        }
        let socket = self.sim.socket(self.ids[client]);
        let timer = socket.poll_timeout().and(socket.timeout_reason());
        self.ensure(timer.is_none(), Rule::NoTimers, || {
            format!("closed, and a timer is left: {timer:?}")
        });
    }

    /// Checks a push that was sent. `connection` is the number of the open connection.
    pub(super) fn check_sent(&mut self, client: usize, push: u64, connection: u64) {
        let is_new = self.sent.insert(push);
        self.ensure(is_new, Rule::PushedOnce, || format!("push {push} was sent twice"));
        let Some(owner) = self.push_owners.get(&push).copied() else {
            self.violation(Rule::PushedOnce, format!("push {push} was sent, and never made"));
            return;
        };
        let known = &mut self.clients[owner.client];
        let call = owner.call.and_then(|call| known.calls.get(&call));
        let is_done = call.is_some_and(|call| call.is_done);
        let Some(channel) = known.channels.get_mut(&owner.channel) else { return };
        let last = std::mem::replace(&mut channel.last_sent, push);
        let join = known.joins_sent[channel.room].last();
        let is_joined = join.is_some_and(|join| join.connection == connection);
        self.ensure(is_joined, Rule::CurrentJoin, || {
            format!("push {push} was sent, and its channel isn't joined")
        });
        self.ensure(!is_done, Rule::OneOutcome, || {
            format!("push {push} was sent after its outcome")
        });
        self.ensure(owner.client == client && push >= last, Rule::PushedOnce, || {
            format!("push {push} was sent after {last}")
        });
    }

    /// Checks the pushes that the server has handled since the last call.
    pub(super) fn check_received(&mut self) {
        let receipts = self.ledger.lock().take_receipts();
        for Receipt { topic: in_topic, push, is_again, is_in_order } in receipts {
            self.ensure(!is_again && self.sent.contains(&push), Rule::PushedOnce, || {
                format!("push {push} was received again, or never sent")
            });
            let owner = self.push_owners.get(&push).copied();
            let owner = owner.and_then(|it| self.clients[it.client].channels.get(&it.channel));
            let is_its_topic = owner.is_some_and(|channel| *in_topic == *topic(channel.room));
            self.ensure(is_in_order && is_its_topic, Rule::PushedOnce, || {
                format!("push {push} was received out of order by {in_topic}")
            });
        }
    }
}
