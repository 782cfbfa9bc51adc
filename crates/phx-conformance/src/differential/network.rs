//! What a network and a server would do: connections that open, close and break when the script says so,
//! and lines of the server that refer to what the client has sent.
//!
//! `js/differential/network.mjs` is the same for the official client; the two must not differ.

use std::collections::BTreeMap;

use phx_proto::TransportId;
use serde_json::{Value, json};

use super::script::{Join, Script};

/// A browser's own patience with a server that doesn't answer the upgrade, in microseconds.
const GIVE_UP: u64 = 20_011_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Connecting,
    Open,
    Closing,
    Closed,
}

#[derive(Debug)]
struct Connection {
    transport: TransportId,
    state: State,
}

/// A frame that the client sent.
#[derive(Debug)]
struct Sent {
    connection: usize,
    join_ref: Option<String>,
    reference: Option<String>,
    topic: String,
    event: String,
    /// Of the joins: which.
    nth: u32,
    answered: bool,
    /// Of a join: the channel isn't there any more.
    dead: bool,
}

/// Something that the network does later.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    GiveUp { connection: usize },
    Answer { frame: usize },
    Closed { connection: usize, code: u16 },
}

/// What comes to the client.
#[derive(Debug)]
pub(super) enum Arrival {
    Opened(TransportId),
    Frame(TransportId, String),
    Lost(TransportId),
    Closed(TransportId, u16),
}

#[derive(Debug)]
pub(super) struct Network<'a> {
    script: &'a Script,
    connections: Vec<Connection>,
    sent: Vec<Sent>,
    joins: u32,
    lines: u32,
    due: BTreeMap<(u64, u64), Due>,
    last_due: u64,
}

impl<'a> Network<'a> {
    pub(super) fn new(script: &'a Script) -> Self {
        Network {
            script,
            connections: Vec::new(),
            sent: Vec::new(),
            joins: 0,
            lines: 0,
            due: BTreeMap::new(),
            last_due: 0,
        }
    }

    fn later(&mut self, at: u64, due: Due) {
        self.last_due += 1;
        self.due.insert((at, self.last_due), due);
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// Does what is due first.
    pub(super) fn fire(&mut self) -> Vec<Arrival> {
        let Some((_, due)) = self.due.pop_first() else { return Vec::new() };
        match due {
            Due::GiveUp { connection } => {
                if self.connections[connection].state == State::Connecting {
                    self.end(connection, None)
                } else {
                    Vec::new()
                }
            }
            Due::Answer { frame } => {
                let sent = &self.sent[frame];
                if sent.connection + 1 != self.connections.len() || sent.answered {
                    return Vec::new();
                }
                let status = self.verdict(frame);
                self.answer(frame, status, true)
            }
            Due::Closed { connection, code } => self.end(connection, Some(code)),
        }
    }

    /// The number of a transport, from 1.
    pub(super) fn number(&self, transport: TransportId) -> usize {
        self.index(transport) + 1
    }

    fn index(&self, transport: TransportId) -> usize {
        let found = self.connections.iter().position(|one| one.transport == transport);
        found.unwrap_or(self.connections.len())
    }

    pub(super) fn connected(&mut self, now: u64, transport: TransportId) {
        let connection = self.connections.len();
        self.connections.push(Connection { transport, state: State::Connecting });
        self.later(now + GIVE_UP, Due::GiveUp { connection });
    }

    pub(super) fn sent(&mut self, now: u64, transport: TransportId, frame: &Value) {
        let text = |index: usize| frame[index].as_str().map(str::to_owned);
        let event = text(3).unwrap_or_default();
        let sent = Sent {
            connection: self.index(transport),
            join_ref: text(0),
            reference: text(1),
            topic: text(2).unwrap_or_default(),
            nth: self.joins,
            answered: false,
            dead: false,
            event,
        };
        if sent.event == "phx_join" {
            self.joins += 1;
        }
        let auto = &self.script.auto;
        let answers = match sent.event.as_str() {
            "phx_join" => auto.joins,
            "phx_leave" => auto.leaves,
            "heartbeat" => auto.heartbeats,
            _ => auto.pushes,
        };
        let frame = self.sent.len();
        self.sent.push(sent);
        if answers {
            // A little later for each frame, so that no two things happen at the same moment.
            let delay = self.script.auto.delay + self.sent.len() as u64;
            self.later(now + delay, Due::Answer { frame });
        }
    }

    fn verdict(&self, frame: usize) -> &'static str {
        let sent = &self.sent[frame];
        let is_one = |bits: u8| sent.event == "phx_join" && (bits >> (sent.nth % 8)) & 1 == 1;
        if is_one(self.script.auto.crash) {
            "phoenix"
        } else if is_one(self.script.auto.reject) {
            "error"
        } else {
            "ok"
        }
    }

    /// Whether the client may close it: as in a browser, what is closing or closed stays so.
    pub(super) fn closing(&mut self, now: u64, transport: TransportId, code: u16) -> bool {
        let connection = self.index(transport);
        if matches!(self.connections[connection].state, State::Closing | State::Closed) {
            return false;
        }
        self.connections[connection].state = State::Closing;
        let answers = &self.script.close_answers;
        if let Some(delay) = answers[(connection + 1) % answers.len()] {
            self.later(now + delay, Due::Closed { connection, code });
        }
        true
    }

    fn latest(&self) -> Option<&Connection> {
        self.connections.last()
    }

    fn is_open(&self) -> bool {
        self.latest().is_some_and(|latest| latest.state == State::Open)
    }

    fn end(&mut self, connection: usize, code: Option<u16>) -> Vec<Arrival> {
        let Connection { transport, state } = &mut self.connections[connection];
        *state = State::Closed;
        vec![match code {
            Some(code) => Arrival::Closed(*transport, code),
            None => Arrival::Lost(*transport),
        }]
    }

    pub(super) fn open(&mut self) -> Vec<Arrival> {
        match self.connections.last_mut() {
            Some(latest) if latest.state == State::Connecting => {
                latest.state = State::Open;
                vec![Arrival::Opened(latest.transport)]
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn closed(&mut self, code: u16) -> Vec<Arrival> {
        if self.is_open() { self.end(self.connections.len() - 1, Some(code)) } else { Vec::new() }
    }

    pub(super) fn lost(&mut self) -> Vec<Arrival> {
        match self.latest().map(|latest| latest.state) {
            Some(State::Connecting | State::Open) => self.end(self.connections.len() - 1, None),
            _ => Vec::new(),
        }
    }
}

/// Lines of the server.
impl Network<'_> {
    fn deliver(&self, message: &Value) -> Option<Arrival> {
        self.text(message.to_string())
    }

    fn text(&self, text: String) -> Option<Arrival> {
        let latest = self.latest().filter(|latest| latest.state == State::Open)?;
        Some(Arrival::Frame(latest.transport, text))
    }

    fn next_line(&mut self) -> u32 {
        self.lines += 1;
        self.lines - 1
    }

    fn answer(&mut self, frame: usize, status: &str, named: bool) -> Vec<Arrival> {
        if !self.is_open() {
            return Vec::new();
        }
        let line = self.next_line();
        let sent = &mut self.sent[frame];
        sent.answered = true;
        if sent.event == "phx_join" && status != "ok" {
            sent.dead = true;
        }
        let (status, response, named) = match (status, sent.event.as_str()) {
            ("phoenix", "phx_join") => ("error", json!({ "reason": "join crashed" }), named),
            ("phoenix", _) => ("error", json!({ "reason": "unmatched topic" }), false),
            ("imitation", _) => ("error", json!({ "reason": "unmatched topic" }), named),
            _ => (status, json!({ "n": line }), named),
        };
        if sent.event == "say" && status == "error" && !named {
            // The server knows the channel no more.
            let gone = sent.join_ref.clone();
            let joins = self.sent.iter_mut().filter(|one| one.event == "phx_join");
            joins.filter(|one| one.reference == gone).for_each(|one| one.dead = true);
        }
        let sent = &self.sent[frame];
        let join_ref = sent.join_ref.as_ref().filter(|_| named);
        let payload = json!({ "status": status, "response": response });
        let reply = json!([join_ref, sent.reference, sent.topic, "phx_reply", payload]);
        let mut arrivals: Vec<Arrival> = self.deliver(&reply).into_iter().collect();
        if sent.event == "phx_leave" {
            let (left, topic) = (sent.join_ref.clone(), sent.topic.clone());
            let join = self
                .sent
                .iter_mut()
                .find(|one| one.event == "phx_join" && one.reference == left && !one.dead);
            if let Some(join) = join {
                join.dead = true;
                if named {
                    arrivals.extend(self.deliver(&json!([left, left, topic, "phx_close", {}])));
                }
            }
        }
        arrivals
    }

    /// The join that a line names, and the one that it means: `None` if there is nothing that it could
    /// be.
    fn join_of(&self, topic: &str, which: Join) -> Option<(Option<usize>, Option<String>)> {
        let current = self.connections.len().checked_sub(1);
        let here = self.sent.iter().enumerate();
        let mut here = here.filter(|(_, one)| one.event == "phx_join" && one.topic == topic);
        let latest = here.clone().rfind(|(_, one)| Some(one.connection) == current);
        let alive = latest.filter(|(_, one)| one.answered && !one.dead);
        let named = |(index, one): (usize, &Sent)| (Some(index), one.reference.clone());
        match which {
            Join::Alive => alive.map(named),
            Join::Broadcast => alive.map(|_| (None, None)),
            Join::Latest => latest.map(named),
            Join::Null => Some((latest.map(|(index, _)| index), None)),
            Join::Stale => {
                let latest = latest.map(|(index, _)| index);
                let older = here.rfind(|(index, _)| Some(*index) != latest);
                let older = older.and_then(|(_, one)| one.reference.clone());
                Some((None, Some(older.unwrap_or_else(|| "9999".to_owned()))))
            }
        }
    }

    pub(super) fn reply(
        &mut self,
        back: usize,
        any: bool,
        status: &str,
        named: bool,
    ) -> Vec<Arrival> {
        let Some(chosen) = self.chosen(back, any) else { return Vec::new() };
        // A status of the application's own is for pushes: Phoenix answers joins with ok or error.
        let suits = match (status, self.sent[chosen].event.as_str()) {
            ("ok" | "error", _) | (_, "say") => true,
            (status, "phx_join") => status == "phoenix",
            _ => false,
        };
        self.answer(chosen, if suits { status } else { "ok" }, named)
    }

    /// A reply that names another join: nobody's.
    pub(super) fn stale_reply(&mut self, back: usize, any: bool) -> Vec<Arrival> {
        let Some(chosen) = self.chosen(back, any) else { return Vec::new() };
        let response = json!({ "n": self.next_line() });
        let sent = &self.sent[chosen];
        // A heartbeat's reply names none, and is the heartbeat's whatever it names.
        if sent.event == "heartbeat" {
            return Vec::new();
        }
        let payload = json!({ "status": "ok", "response": response });
        let reply = json!(["9999", sent.reference, sent.topic, "phx_reply", payload]);
        self.deliver(&reply).into_iter().collect()
    }

    /// The frame that is answered.
    fn chosen(&self, back: usize, any: bool) -> Option<usize> {
        if !self.is_open() {
            return None;
        }
        let current = self.connections.len() - 1;
        let fits = |one: &Sent| any || (one.connection == current && !one.answered);
        let candidates: Vec<usize> =
            (0..self.sent.len()).filter(|&index| fits(&self.sent[index])).collect();
        let place = back.checked_rem(candidates.len())?;
        candidates.iter().rev().nth(place).copied()
    }

    pub(super) fn end_of_channel(&mut self, topic: &str, event: &str, join: Join) -> Vec<Arrival> {
        if !self.is_open() {
            return Vec::new();
        }
        let Some((meant, named)) = self.join_of(topic, join) else { return Vec::new() };
        if let Some(meant) = meant {
            self.sent[meant].dead = true;
        }
        let line = json!([named, null, topic, event, { "n": self.next_line() }]);
        self.deliver(&line).into_iter().collect()
    }

    pub(super) fn message(&mut self, topic: &str, name: &str, join: Join) -> Vec<Arrival> {
        if !self.is_open() {
            return Vec::new();
        }
        let Some((_, named)) = self.join_of(topic, join) else { return Vec::new() };
        let line = json!([named, null, topic, name, { "n": self.next_line() }]);
        self.deliver(&line).into_iter().collect()
    }

    pub(super) fn garbage(&self, text: &str) -> Vec<Arrival> {
        self.text(text.to_owned()).into_iter().collect()
    }
}
