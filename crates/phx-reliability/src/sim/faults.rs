//! Actions of the server, the network and the clients' machines.

use std::time::Duration;

use phx_proto::{
    ByteString, CloseCode, Frame, Message, Payload, Ref, Serializer, Status, V2, V2Server, events,
};
use phx_testing::{Connectivity, UpgradeRejection};

use super::channels::{SentJoin, topic};
use super::plan::{Damage, Op, Refuse, Stray};
use super::world::World;
use crate::ledger::numbered::Numbered;
use crate::ledger::room::Order;

/// `Numbered::of` of the first topic, for broadcasts: no life has a number as large.
pub(super) const FIRST_TOPIC: u64 = 1 << 40;

impl World {
    /// Performs an operation of the server, the network or the machine, and counts it if it is a fault that takes
    /// effect.
    pub(super) fn act_as_fault(&mut self, client: usize, op: &Op) {
        let (id, ms) = (self.ids[client], Duration::from_millis);
        let is_connected = self.sim.server_socket(id).is_some();
        let strikes = match op {
            Op::CrashChannel { room } => self.order(client, *room, Order::Crash),
            Op::StopChannel { room } => self.order(client, *room, Order::Stop),
            Op::ForgetChannel { room } => self.forget(client, *room),
            Op::Stray { room, is } => self.stray(client, *room, *is),
            Op::RepeatJoin { room } => self.repeat_join(client, *room),
            Op::CloseConnection { .. }
            | Op::Cut
            | Op::CutAfter { .. }
            | Op::HalfOpen
            | Op::Busy { .. }
            | Op::Stall => is_connected,
            _ => true,
        };
        match op {
            Op::NextJoin { is } => self.clients[client].joins.plan(*is),
            Op::Broadcast { room, binary } => self.broadcast(*room, *binary),
            Op::ServerPush { room, binary } => {
                self.order(client, *room, Order::Push { binary: *binary });
            }
            Op::CloseConnection { code } => self.sim.close(id, CloseCode::from_u16(*code)),
            Op::Restart { code } => self.restart(*code),
            Op::Latency { up_to } => self.sim.set_latency(id, ms(*up_to)),
            Op::Jitter { up_to } => self.sim.set_jitter(id, ms(*up_to)),
            Op::LateHeartbeats { by } => self.sim.set_heartbeats_late_by(id, ms(*by)),
            Op::Cut => self.sim.cut(id),
            Op::CutAfter { frames } => self.sim.cut_after(id, *frames),
            Op::HalfOpen => self.sim.half_open(id),
            Op::Stall => self.sim.stall(id),
            Op::Resume => self.sim.resume(id),
            Op::Offline => self.sim.set_connectivity(id, Connectivity::Offline),
            Op::Silent => self.sim.set_connectivity(id, Connectivity::Silent),
            Op::Online => self.sim.set_connectivity(id, Connectivity::Online),
            Op::Refuse(refuse) => self.refuse(client, *refuse),
            Op::DamageReceived { how } => self.damage_received(client, *how),
            Op::DamageSent { how } => {
                let how = *how;
                self.sim.alter_next_sent(id, move |frame| how.apply(&frame));
            }
            Op::BlockSends => self.sim.block_sends(id),
            Op::UnblockSends => self.sim.unblock_sends(id),
            Op::FailPoll => self.sim.with_server(|server, _| server.fail_next_poll()),
            Op::SlowPosts { by } => self.sim.with_server(|server, _| server.delay_posts(ms(*by))),
            Op::Busy { by } => self.keep_busy(client, ms(*by)),
            Op::Suspend => {
                let now = self.now();
                self.clients[client].fall_asleep(now);
                self.sim.suspend(id);
            }
            Op::Wake => {
                let now = self.now();
                self.clients[client].wake(now);
                self.sim.wake(id);
            }
            Op::ClockAhead { by } => {
                self.clients[client].set_ahead += ms(*by);
                self.sim.set_clock_ahead(id, ms(*by));
            }
            Op::ClockBack { by } => self.sim.set_clock_back(id, ms(*by)),
            _ => {}
        }
        if matches!(op, Op::BlockSends | Op::Suspend | Op::ClockAhead { .. } | Op::ClockBack { .. })
        {
            self.clients[client].pulse.is_doubtful = true;
        }
        if let Some(kind) = op.fault().filter(|_| strikes) {
            *self.outcome.faults.entry(kind).or_default() += 1;
        }
    }

    pub(super) fn broadcast(&mut self, room: usize, binary: bool) {
        let Some(last) = self.broadcasts.get_mut(room) else { return };
        *last += 1;
        let payload = Numbered::new(number_of_topic(room), *last).payload(binary);
        self.sim.with_server(|server, now| server.broadcast(now, topic(room), "talk", payload));
    }

    /// Sends a message to a channel's process. Returns false if the server knows no such channel.
    pub(super) fn order(&mut self, client: usize, room: usize, order: Order) -> bool {
        let Some(socket) = self.sim.server_socket(self.ids[client]) else { return false };
        self.sim.with_server(|server, now| server.send(now, socket, topic(room), order))
    }

    fn keep_busy(&mut self, client: usize, time: Duration) {
        if let Some(socket) = self.sim.server_socket(self.ids[client]) {
            self.sim.with_server(|server, now| server.keep_busy(now, socket, time));
        }
    }

    /// Crashes a channel, and loses the message about it if that is the next frame.
    fn forget(&mut self, client: usize, room: usize) -> bool {
        // The channel of a repeated join has the same ref and would take its place.
        if self.clients[client].has_repeated[room] || !self.order(client, room, Order::Crash) {
            return false;
        }
        self.clients[client].has_forgotten[room] = true;
        self.sim.alter_next_received(self.ids[client], move |frame| {
            let message = V2.decode(frame.clone()).ok();
            let is_its_end = |it: Message| it.event == events::ERROR && it.topic == topic(room);
            let is_lost = message.is_some_and(is_its_end);
            let nothing = stray_message(Stray::UnknownReply, "room:none", None);
            let nothing = nothing.filter(|_| is_lost);
            nothing.and_then(|it| V2Server.encode(&it).ok()).unwrap_or(frame)
        });
        true
    }

    fn restart(&mut self, code: Option<u16>) {
        for client in 0..self.clients.len() {
            let id = self.ids[client];
            match code {
                Some(code) => self.sim.close(id, CloseCode::from_u16(code)),
                None => self.sim.cut(id),
            }
            self.sim.set_connectivity(id, Connectivity::Offline);
        }
    }

    fn refuse(&mut self, client: usize, refuse: Refuse) {
        let mut refusal = UpgradeRejection::new(refuse.status);
        if let Some(seconds) = refuse.retry_after {
            refusal = refusal.with_header("retry-after", &seconds.to_string());
        }
        self.sim.refuse_next(self.ids[client], refusal);
    }

    fn stray(&mut self, client: usize, room: usize, is: Stray) -> bool {
        let id = self.ids[client];
        let joins =
            self.clients[client].joins_sent.get(room).map(Vec::as_slice).unwrap_or_default();
        let stale = joins.iter().rev().nth(1).map(|join| join.join_ref.clone());
        let frame = match is {
            Stray::Garbage => Some(Frame::text("{\"not\": [\"a message\"")),
            Stray::BinaryGarbage => Some(Frame::binary(vec![1, 200, 3])),
            _ => stray_message(is, topic(room), stale).and_then(|it| V2Server.encode(&it).ok()),
        };
        let is_connected = self.sim.server_socket(id).is_some();
        let Some(frame) = frame.filter(|_| is_connected) else { return false };
        self.ledger.lock().note_odd_frame(client, None);
        self.sim.inject(id, frame);
        true
    }

    fn repeat_join(&mut self, client: usize, room: usize) -> bool {
        let last = self.clients[client].joins_sent.get(room).and_then(|joins| joins.last());
        let socket = self.sim.server_socket(self.ids[client]);
        let (Some(SentJoin { frame, .. }), Some(socket)) = (last.cloned(), socket) else {
            return false;
        };
        if self.clients[client].has_forgotten[room] {
            return false;
        }
        self.clients[client].has_repeated[room] = true;
        self.sim.with_server(|server, now| server.handle_frame(now, socket, frame));
        true
    }

    /// Damages a frame to the client, but no message about a channel's end: the client couldn't know of it then.
    fn damage_received(&mut self, client: usize, how: Damage) {
        let ledger = self.ledger.clone();
        self.sim.alter_next_received(self.ids[client], move |frame| {
            let message = V2.decode(frame.clone()).ok();
            let is_end = message.as_ref().is_some_and(|it| ENDS.contains(&it.event));
            if is_end {
                return frame;
            }
            let numbered = message.and_then(|it| Numbered::read(&it.payload));
            ledger.lock().note_odd_frame(client, numbered);
            how.apply(&frame)
        });
    }
}

/// Events of a channel's end on the server.
const ENDS: [ByteString; 2] = [events::CLOSE, events::ERROR];

pub(super) fn number_of_topic(room: usize) -> u64 {
    FIRST_TOPIC + u64::try_from(room).unwrap_or_default()
}

/// Makes a message that no channel may take; `None` if it needs a stale ref, and the client has had one join only.
fn stray_message(is: Stray, topic: &'static str, stale: Option<Ref>) -> Option<Message> {
    let message = match is {
        Stray::StaleClose => Message::new(topic, events::CLOSE, Payload::empty())
            .with_reference(Some(stale.clone()?))
            .with_join_ref(Some(stale?)),
        Stray::StaleError => Message::new(topic, events::ERROR, Payload::empty())
            .with_reference(Some(stale.clone()?))
            .with_join_ref(Some(stale?)),
        Stray::StalePush => Message::new(topic, "pushed", Numbered::new(0, 1).payload(false))
            .with_join_ref(Some(stale?)),
        Stray::StaleReply => {
            Message::reply(topic, Some(stale.clone()?), Status::Ok, Payload::empty())
                .with_join_ref(stale)
        }
        Stray::UnknownReply => {
            let reference = Some(Ref::from("99999999"));
            Message::reply(topic, reference, Status::Ok, Payload::empty())
        }
        _ => Message::new("room:none", "talk", Payload::empty()),
    };
    Some(message)
}

impl Damage {
    fn apply(self, frame: &Frame) -> Frame {
        let bytes = frame.as_bytes();
        let at = |percent: u8| bytes.len() * usize::from(percent.min(99)) / 100;
        let damaged = match self {
            Damage::Cut { percent } => bytes.slice(..at(percent)),
            Damage::Garble { percent } => {
                let mut garbled = bytes.to_vec();
                if let Some(byte) = garbled.get_mut(at(percent)) {
                    *byte = 0xff;
                }
                garbled.into()
            }
        };
        if frame.is_text() { Frame::text(damaged) } else { Frame::binary(damaged) }
    }
}
