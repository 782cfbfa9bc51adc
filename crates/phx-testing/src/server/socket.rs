//! A connection's process: it reads frames, joins channels, and passes on what they send.

use std::collections::BTreeMap;
use std::sync::Arc;

use phx_proto::{
    ByteString, CloseCode, DecodeCause, DecodeError, Field, Frame, Instant, Message, PHOENIX,
    Payload, Ref, Status, events,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::action::{Action, SocketId};
use super::connect::Connection;
use super::deadline::Deadline;
use super::envelope::{ChannelMessage, Envelope, ProcessId, SocketMessage};
use super::longpoll::Session;
use super::process::Process;
use super::{Server, payload};
use crate::Reason;

pub(super) struct Socket {
    connection: Arc<Connection>,
    channels: BTreeMap<ByteString, ProcessId>,
    busy_until: Instant,
    idle_at: Option<Instant>,
    /// Of a long-poll client.
    session: Option<Session>,
}

/// 1007: a text frame wasn't UTF-8.
const INVALID_DATA: CloseCode = CloseCode::from_u16(1007);

impl Socket {
    pub(super) fn topics(&self) -> impl Iterator<Item = &ByteString> + '_ {
        self.channels.keys()
    }

    pub(super) fn process_of(&self, topic: &str) -> Option<ProcessId> {
        self.channels.get(topic).copied()
    }

    pub(super) fn has_id(&self, id: &str) -> bool {
        self.connection.id.as_deref() == Some(id)
    }

    pub(super) fn has_channels(&self) -> bool {
        !self.channels.is_empty()
    }

    pub(super) fn session_mut(&mut self) -> Option<&mut Session> {
        self.session.as_mut()
    }

    /// The time until which its process does something else.
    pub(super) fn busy_until(&self) -> Instant {
        self.busy_until
    }

    pub(super) fn block_until(&mut self, until: Instant) {
        self.busy_until = self.busy_until.max(until);
    }
}

impl Server {
    pub(super) fn open(&mut self, id: SocketId, connection: Connection, session: Option<Session>) {
        let socket = Socket {
            connection: Arc::new(connection),
            channels: BTreeMap::new(),
            busy_until: Instant::EPOCH,
            idle_at: None,
            session,
        };
        self.sockets.insert(id, socket);
        self.defer_idle(id, self.clock);
    }

    pub(super) fn deliver_to_socket(&mut self, id: SocketId, mail: SocketMessage) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        let killed = matches!(mail, SocketMessage::Kill);
        if socket.busy_until > self.world.now() && !killed {
            self.world.defer(socket.busy_until, Envelope::Socket(id, mail));
            return;
        }
        match mail {
            SocketMessage::Received(frame) => {
                self.defer_idle(id, self.world.now());
                self.receive(id, frame);
            }
            SocketMessage::Closing => self.close_now(id, CloseCode::NORMAL),
            SocketMessage::JoinReply(frame) | SocketMessage::Send(frame) => self.send_to(id, frame),
            SocketMessage::Session(mail) => self.deliver_to_session(id, mail),
            SocketMessage::Ended { process, topic, join_ref, crashed } => {
                if socket.channels.get(&topic) == Some(&process) {
                    socket.channels.remove(&topic);
                }
                self.say_ended(id, topic, join_ref, crashed);
            }
            SocketMessage::Close(code, reason) => self.close_because_now(id, code, reason),
            SocketMessage::Kill => {
                if self.end(id).is_none() {
                    self.actions.push_back(Action::Drop { socket: id });
                }
            }
        }
    }

    pub(super) fn close_now(&mut self, id: SocketId, code: CloseCode) {
        self.close_because_now(id, code, ByteString::new());
    }

    fn close_because_now(&mut self, id: SocketId, code: CloseCode, reason: ByteString) {
        if self.end(id).is_none() {
            self.actions.push_back(Action::Close { socket: id, code, reason });
        }
    }

    /// Forgets a connection and ends its channels. A client isn't notified of the end of the returned session: its
    /// requests find out.
    pub(super) fn end(&mut self, id: SocketId) -> Option<Session> {
        let socket = self.sockets.remove(&id)?;
        if let Some(at) = socket.idle_at {
            self.deadlines.remove(&(at, Deadline::Idle(id)));
        }
        for process in socket.channels.into_values() {
            let mail = self.end_channel(process, Reason::Closed);
            self.world.post_all(mail);
        }
        if let Some(session) = &socket.session {
            self.longpoll.forget(session);
        }
        socket.session
    }

    /// The connection isn't idle at `from`.
    pub(super) fn defer_idle(&mut self, id: SocketId, from: Instant) {
        // A session has its own rule.
        let socket = self.sockets.get_mut(&id).filter(|socket| socket.session.is_none());
        let (Some(socket), Some(timeout)) = (socket, self.app.idle_timeout) else {
            return;
        };
        let at = from + timeout;
        if let Some(old) = socket.idle_at.replace(at) {
            self.deadlines.remove(&(old, Deadline::Idle(id)));
        }
        self.deadlines.insert((at, Deadline::Idle(id)));
    }

    pub(super) fn receive(&mut self, id: SocketId, frame: Frame) {
        let Some(socket) = self.sockets.get(&id) else {
            return;
        };
        // A session's frames were bounded by their body.
        if frame.len() > self.app.max_frame_size && socket.session.is_none() {
            return self.close_now(id, CloseCode::TOO_BIG);
        }
        if frame.is_text() && std::str::from_utf8(frame.as_bytes()).is_err() {
            return self.close_now(id, INVALID_DATA);
        }
        let is_text = frame.is_text();
        match socket.connection.info.serializer().decode(frame) {
            Ok(mut message) if is_acceptable(&message) => {
                message.payload = payload::parsed(message.payload);
                if !is_text && message.join_ref.is_none() {
                    // A binary frame has no null.
                    message.join_ref = Some(Ref::from(""));
                }
                self.handle(id, message);
            }
            Err(DecodeError {
                reason:
                    DecodeCause::Field(Field::JoinRef | Field::Ref | Field::Topic | Field::Event),
                frame,
                ..
            }) => {
                if self.handle_odd(id, &frame).is_none() {
                    self.refuse_malformed(id);
                }
            }
            _ => self.refuse_malformed(id),
        }
    }

    fn refuse_malformed(&mut self, id: SocketId) {
        if !self.app.skips_malformed {
            self.close_now(id, CloseCode::ERROR);
        }
    }

    fn handle(&mut self, id: SocketId, message: Message) {
        if message.topic == PHOENIX && message.event == events::HEARTBEAT {
            return self.answer(id, message, None, Status::Ok, Payload::empty());
        }
        let current = self.sockets.get(&id).and_then(|socket| socket.process_of(&message.topic));
        match (current, &*message.event) {
            (None, "phx_join") => self.join(id, message),
            (Some(old), "phx_join") => {
                // The new join's reply comes before the close of the old life.
                let ended = self.end_channel(old, Reason::Duplicate);
                if let Some(socket) = self.sockets.get_mut(&id) {
                    socket.channels.remove(&message.topic);
                }
                self.join(id, message);
                self.world.post_all(ended);
            }
            (None, "phx_leave") => {
                let join_ref = message.join_ref.clone();
                self.answer(id, message, join_ref, Status::Ok, Payload::empty());
            }
            (None, _) => self.refuse(id, message, None, "unmatched topic"),
            (Some(process), event) => {
                let mail = match event {
                    "phx_leave" => ChannelMessage::Leave { reference: message.reference.clone() },
                    _ => ChannelMessage::Push(message.clone()),
                };
                self.pass_on(process, message.join_ref.as_ref(), mail);
            }
        }
    }

    /// Passes a message to its channel. The Phoenix release decides if a message with another `join_ref` than that
    /// of the channel's current life is dropped; a leave with another one always is.
    fn pass_on(&mut self, process: ProcessId, join_ref: Option<&Ref>, mail: ChannelMessage) {
        let Some(life) = self.channels.get(&process).map(|process| &process.life) else {
            return;
        };
        let (version, known) = (self.app.version, life.join_ref.as_ref());
        let is_taken = match (&mail, join_ref) {
            _ if known == join_ref => true,
            (ChannelMessage::Leave { .. }, _) => known.is_none(),
            (_, None) => !version.drops_pushes_without_join_ref(),
            (_, Some(_)) => !version.drops_stale_pushes(),
        };
        if is_taken {
            self.world.post(self.world.now(), Envelope::Channel(process, mail));
        }
    }

    fn join(&mut self, id: SocketId, message: Message) {
        let Some(channel) = self.app.channel(&message.topic) else {
            return self.refuse(id, message, None, "unmatched topic");
        };
        let join_ref = message.join_ref.clone();
        let Some(socket) = self.sockets.get(&id) else {
            return;
        };
        let max_channels = self.app.max_channels.unwrap_or(self.app.version.max_channels());
        if socket.channels.len() >= max_channels {
            return self.refuse(id, message, join_ref, "too many channels joined");
        }
        let (topic, connection) = (message.topic.clone(), socket.connection.clone());
        let event = message.event.clone();
        let process = ProcessId(self.next_id());
        let started = Process::start(process, id, connection, channel, message, &mut self.world);
        if started.crashed {
            self.app.report_crash(&topic, Some(event));
        }
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        socket.busy_until = started.at;
        if let Some(new) = started.process {
            socket.channels.insert(topic, process);
            self.channels.insert(process, new);
        }
        self.defer_idle(id, started.at);
        self.world.post_all(started.mail);
    }

    fn refuse(&mut self, id: SocketId, message: Message, join_ref: Option<Ref>, reason: &str) {
        let reason = Payload::json(&json!({ "reason": reason })).unwrap_or_default();
        self.answer(id, message, join_ref, Status::Error, reason);
    }

    fn answer(
        &mut self,
        id: SocketId,
        to: Message,
        join_ref: Option<Ref>,
        status: Status,
        response: Payload,
    ) {
        let reply =
            Message::reply(to.topic, to.reference, status, response).with_join_ref(join_ref);
        self.send_message(id, &reply);
    }

    fn say_ended(&mut self, id: SocketId, topic: ByteString, join_ref: Option<Ref>, crashed: bool) {
        let event = if crashed { events::ERROR } else { events::CLOSE };
        let payload = if crashed && self.app.version.says_why_channels_crash() {
            Payload::from_json_text(r#"{"reason":"channel_crash"}"#).unwrap_or_default()
        } else {
            Payload::empty()
        };
        let ended = Message::new(topic, event, payload)
            .with_join_ref(join_ref.clone())
            .with_reference(join_ref);
        self.send_message(id, &ended);
    }

    /// The socket's messages are JSON, which every serializer can carry; if a user's message can't be encoded, the
    /// socket crashes.
    fn send_message(&mut self, id: SocketId, message: &Message) {
        let Some(socket) = self.sockets.get(&id) else {
            return;
        };
        match socket.connection.info.serializer().encode(message) {
            Ok(frame) => self.send_to(id, frame),
            Err(_) => self.close_now(id, CloseCode::ERROR),
        }
    }

    /// V2 with a field that isn't what it should be: Phoenix takes any JSON there. A ref that is neither
    /// a string nor a number stands for its JSON: that is what it is compared by, and what replies to
    /// such a join carry, as a string, where Phoenix has the JSON itself. A topic that isn't a string is
    /// never joined, and such an event crashes its channel. `None` if the frame is worse than that.
    fn handle_odd(&mut self, id: SocketId, frame: &Frame) -> Option<()> {
        let fields: Vec<&RawValue> = serde_json::from_slice(frame.as_bytes()).ok()?;
        let [join_ref, reference, topic, event, payload, ..] = *fields.as_slice() else {
            return None;
        };
        let (join_ref_value, reference_value) = (value(join_ref)?, value(reference)?);
        let (topic_value, event_value) = (value(topic)?, value(event)?);
        let name = topic_value.as_str();
        if let (Some(topic), Some(event)) = (name, event_value.as_str()) {
            let json = Payload::from_json_text(payload.get().to_owned()).ok()?;
            let message = Message::new(topic.to_owned(), event.to_owned(), json)
                .with_join_ref(odd_ref(&join_ref_value))
                .with_reference(odd_ref(&reference_value));
            if !is_acceptable(&message) {
                return None;
            }
            self.handle(id, message);
            return Some(());
        }
        let socket = self.sockets.get(&id);
        if let Some(process) = name.and_then(|name| socket?.process_of(name)) {
            self.pass_on(process, odd_ref(&join_ref_value).as_ref(), ChannelMessage::Crash);
            return Some(());
        }
        let reply = if event_value == "phx_leave" {
            let ok = json!({ "response": {}, "status": "ok" });
            json!([join_ref_value, reference_value, topic_value, "phx_reply", ok])
        } else {
            let reason = json!({ "response": { "reason": "unmatched topic" }, "status": "error" });
            json!([null, reference_value, topic_value, "phx_reply", reason])
        };
        self.send_to(id, Frame::text(reply.to_string()));
        Some(())
    }
}

fn value(json: &RawValue) -> Option<Value> {
    serde_json::from_str(json.get()).ok()
}

fn odd_ref(value: &Value) -> Option<Ref> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Ref::from(text.as_str())),
        other => Some(Ref::from(other.to_string().as_str())),
    }
}

/// A payload must be valid JSON, and a join's can't be binary.
fn is_acceptable(message: &Message) -> bool {
    if message.payload.is_binary() {
        message.event != events::JOIN
    } else {
        message.payload.decode::<Value>().is_ok()
    }
}
