//! The end of a run: all faults end, and everything must recover. Then everything is closed, and nothing may be
//! left.

use std::time::Duration;

use phx_proto::{ConnectionState, Payload, RequestId};

use super::channels::topic;
use super::plan::{MAX_CHANNELS, Op, Push, ROOMS};
use super::violation::Rule;
use super::world::World;
use crate::ledger::room::Order;

/// Time after which all calls of the plan have their outcome, also where timers wait for a clock that was set back.
const ALL_DONE: Duration = Duration::from_secs(30);

/// Time after which the server has ended an idle connection, for which it waits a minute.
const SERVER_GIVES_UP: Duration = Duration::from_secs(90);

/// Timeout of a push that waits for a recovery, in milliseconds.
const LONG: u64 = 300_000;

impl World {
    pub(super) fn finish(&mut self) {
        self.heal();
        let began = self.now();
        self.look_for_forgotten();
        self.recover();
        self.outcome.recovery = self.now().saturating_sub(began);
        // Pushes that waited for the rejoin may have crashed their channel.
        self.pass(ALL_DONE);
        if self.settings.long_poll {
            // The message about it may be lost, with the binary reply before it.
            self.look_for_forgotten();
            self.pass(ALL_DONE);
        }
        self.check_all_done();
        self.recover();
        self.check_that_it_waits();
        self.check_that_it_works();
        self.close_everything();
        self.check_nothing_left();
    }

    fn heal(&mut self) {
        let now = self.now();
        self.sim.with_server(|server, _| server.heal_long_poll());
        for (client, id) in self.clients.iter_mut().zip(&self.ids) {
            client.joins.clear();
            client.wake(now);
            self.sim.heal(*id);
        }
        self.collect();
    }

    /// Pushes on each channel whose crash was lost, since only a push shows it.
    fn look_for_forgotten(&mut self) {
        for (client, room) in self.joined() {
            self.push(client, Push::echo(room));
        }
        self.collect();
    }

    /// Connects clients that have disconnected or given up.
    fn connect_all(&mut self) {
        for client in 0..self.clients.len() {
            if !self.clients[client].wants_connection {
                self.act_as_user(client, &Op::Connect);
                self.collect();
            }
        }
    }

    /// Waits until every channel that should be joined is, up to the promised bound.
    fn recover(&mut self) {
        let until = self.sim.now() + self.outcome.recovery_bound;
        self.connect_all();
        while !self.is_recovered() && self.sim.step(until) {
            self.collect();
            // A refusal may have been on its way.
            self.connect_all();
        }
        if self.is_recovered() {
            return;
        }
        let sim = &self.sim;
        let late = self.clients.iter().zip(&self.ids).flat_map(|(client, id)| {
            let socket = sim.socket(*id);
            let wanted = client.channels.iter().filter(|(_, it)| it.is_wanted && !it.is_joined);
            wanted.map(|(id, it)| (topic(it.room), socket.channel_state(*id))).collect::<Vec<_>>()
        });
        let late: Vec<_> = late.collect();
        let states: Vec<_> = self.ids.iter().map(|id| sim.socket(*id).connection_state()).collect();
        let bound = self.outcome.recovery_bound;
        let what = format!("not joined after {bound:?}: {late:?}, connections {states:?}");
        self.violation(Rule::Recovers, what);
    }

    fn is_recovered(&self) -> bool {
        self.clients.iter().zip(&self.ids).all(|(client, id)| {
            let mut channels = client.channels.values();
            client.is_open
                && !self.sim.is_half_open(*id)
                && channels.all(|channel| channel.is_joined || !channel.is_wanted)
        })
    }

    fn check_all_done(&mut self) {
        let open: Vec<_> = self
            .clients
            .iter()
            .flat_map(|client| client.calls.iter().filter(|(_, call)| !call.is_done))
            .map(|(id, call)| format!("{id:?} ({:?})", call.kind))
            .collect();
        if !open.is_empty() {
            self.violation(Rule::OneOutcome, format!("no outcome: {}", open.join(", ")));
        }
        let all_answered = self.clients.iter().all(|client| client.pings.is_empty());
        self.ensure(all_answered, Rule::OneOutcome, || "a ping has no answer");
    }

    /// Checks that pushes made without a connection are sent after the rejoin, and answered.
    fn check_that_it_waits(&mut self) {
        let (joined, binary) = (self.joined(), self.carries_binary());
        self.ids.iter().for_each(|id| self.sim.cut(*id));
        self.collect();
        let calls: Vec<_> = joined
            .into_iter()
            .map(|(client, room)| {
                self.push(client, Push { binary, timeout: Some(LONG), ..Push::echo(room) });
                (client, room, self.last_call(client))
            })
            .collect();
        self.recover();
        self.pass(Duration::from_secs(1));
        for (client, room, call) in calls {
            let answered = call.and_then(|call| self.clients[client].calls.get(&call));
            let is_ok = answered.is_some_and(|call| call.is_ok);
            self.ensure(is_ok, Rule::Works, || {
                format!("{}: what waited for the rejoin isn't answered", topic(room))
            });
        }
    }

    /// Phoenix's long-poll loses binary messages that aren't UTF-8.
    fn carries_binary(&self) -> bool {
        !self.settings.long_poll
    }

    /// Checks that a push of every channel is answered, and that a message and a broadcast arrive on each.
    fn check_that_it_works(&mut self) {
        let (joined, binary) = (self.joined(), self.carries_binary());
        let before: Vec<_> = joined
            .iter()
            .map(|(client, room)| {
                self.push(*client, Push::echo(*room));
                self.order(*client, *room, Order::Push { binary });
                let last_push = self.clients[*client].channel_of(*room).map(|(_, it)| it.last_push);
                (self.last_call(*client), last_push.unwrap_or_default())
            })
            .collect();
        for room in 0..ROOMS {
            self.broadcast(room, false);
        }
        self.pass(Duration::from_secs(1));
        for ((client, room), (call, last_push)) in joined.into_iter().zip(before) {
            let answered = call.and_then(|call| self.clients[client].calls.get(&call));
            let answered = answered.is_some_and(|call| call.is_ok);
            let broadcasts = self.broadcasts[room];
            let heard = self.clients[client].channel_of(room).is_some_and(|(_, channel)| {
                channel.last_push > last_push && channel.last_broadcast == (broadcasts, true)
            });
            self.ensure(answered && heard, Rule::Works, || {
                format!("{}: answered {answered}, heard {heard}", topic(room))
            });
        }
    }

    /// Returns the client and the topic's number of each joined channel.
    fn joined(&self) -> Vec<(usize, usize)> {
        let all = (0..self.clients.len()).flat_map(|client| (0..ROOMS).map(move |it| (client, it)));
        all.filter(|(client, room)| {
            self.clients[*client].channel_of(*room).is_some_and(|(_, channel)| channel.is_joined)
        })
        .collect()
    }

    fn last_call(&self, client: usize) -> Option<RequestId> {
        self.clients[client].calls.last_key_value().map(|(id, _)| *id)
    }

    fn close_everything(&mut self) {
        for client in 0..self.clients.len() {
            // The first client leaves its channels before it disconnects; the others disconnect with joined channels.
            if client == 0 {
                for room in 0..ROOMS {
                    self.act_as_user(client, &Op::Leave { room });
                }
                self.pass(Duration::from_secs(1));
            }
            self.disconnect(client);
            self.collect();
        }
        self.pass(SERVER_GIVES_UP);
        for client in 0..self.clients.len() {
            for room in 0..ROOMS {
                self.remove(client, room);
            }
            self.remove_closed(client);
        }
        self.collect();
    }

    fn check_nothing_left(&mut self) {
        self.check_all_done();
        for client in 0..self.clients.len() {
            let id = self.ids[client];
            let socket = self.sim.socket(id);
            let state = socket.connection_state();
            let attempts = socket.counters().attempts;
            let timer = socket.poll_timeout().and(socket.timeout_reason());
            let reported = u64::try_from(self.clients[client].closed.len()).unwrap_or(u64::MAX);
            self.ensure(state == ConnectionState::Closed, Rule::States, || {
                format!("disconnected, and is {state:?}")
            });
            self.ensure(attempts == reported, Rule::ClosedOnce, || {
                format!("{attempts} attempts, {reported} reported closed")
            });
            self.ensure(timer.is_none(), Rule::NoTimers, || format!("a timer is left: {timer:?}"));
            self.check_all_room_is_there(client);
        }
        let (sockets, living) = (self.sim.server().sockets().count(), self.ledger.lock().living());
        self.ensure((sockets, living) == (0, 0), Rule::Limits, || {
            format!("the server has {sockets} sockets and {living} channels left")
        });
    }

    /// Checks that as many channels can be created as the limits promise.
    fn check_all_room_is_there(&mut self, client: usize) {
        let made = self.with(client, |socket, now| {
            let made: Vec<_> = (0..MAX_CHANNELS)
                .filter_map(|n| socket.channel(format!("n{n}"), Payload::empty()).ok())
                .collect();
            made.iter().filter(|channel| socket.remove(now, **channel)).count()
        });
        self.ensure(made == MAX_CHANNELS, Rule::Limits, || {
            format!("there is room for {made} of {MAX_CHANNELS} channels")
        });
    }
}
