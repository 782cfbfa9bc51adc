//! The context of a channel's callback.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use phx_proto::{
    ByteString, CloseCode, EncodeError, Instant, IntoPayload, Message, Payload, Ref, Serializer,
    Status,
};
use serde_json::Value;

use crate::server::{ChannelMessage, Connection, Envelope, ProcessId, SocketMessage, World};
use crate::{ConnectInfo, PresenceError, SocketId};

/// Context of a channel's callback: its inputs and actions.
///
/// Actions take effect in the order of the calls, and the callback's reply after them;
/// [`Channel::join`](crate::Channel::join) and [`track`](Context::track) document two exceptions.
pub struct Context<'a> {
    world: &'a mut World,
    life: &'a Incarnation,
    callback: Callback,
    reference: Option<Ref>,
    slept: Duration,
    late: Vec<(Instant, Envelope)>,
    after_reply: Vec<(Instant, Envelope)>,
    withheld: bool,
    crashed: bool,
}

/// One life of a channel, as its process and its socket know it.
#[derive(Clone)]
pub(crate) struct Incarnation {
    pub(crate) process: ProcessId,
    pub(crate) socket: SocketId,
    pub(crate) connection: Arc<Connection>,
    pub(crate) topic: ByteString,
    /// Topic of its broadcasts and presences.
    pub(crate) server_topic: ByteString,
    pub(crate) join_ref: Option<Ref>,
}

/// The callback that runs: it decides what waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callback {
    Join,
    HandleIn,
    HandleInfo,
    Terminate,
}

/// Effects of a callback.
pub(crate) struct Done {
    /// Time at which the callback finished: later than its start if it slept.
    pub(crate) at: Instant,
    /// Envelopes to post after its reply.
    pub(crate) late: Vec<(Instant, Envelope)>,
    /// Envelopes to post after a join's reply, even if that is an error or none.
    pub(crate) after_reply: Vec<(Instant, Envelope)>,
    /// A join's reply isn't sent.
    pub(crate) withheld: bool,
    pub(crate) crashed: bool,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        world: &'a mut World,
        life: &'a Incarnation,
        callback: Callback,
        reference: Option<Ref>,
    ) -> Self {
        Context {
            world,
            life,
            callback,
            reference,
            slept: Duration::ZERO,
            late: Vec::new(),
            after_reply: Vec::new(),
            withheld: false,
            crashed: false,
        }
    }

    pub(crate) fn done(self) -> Done {
        Done {
            at: self.now(),
            late: self.late,
            after_reply: self.after_reply,
            withheld: self.withheld,
            crashed: self.crashed,
        }
    }

    /// Returns the channel's topic.
    #[must_use]
    pub fn topic(&self) -> &ByteString {
        &self.life.topic
    }

    /// Returns the ref of the join that created this life of the channel; `None` in V1.
    #[must_use]
    pub fn join_ref(&self) -> Option<&Ref> {
        self.life.join_ref.as_ref()
    }

    /// Returns the ref of the push or join that is handled.
    #[must_use]
    pub fn reference(&self) -> Option<&Ref> {
        self.reference.as_ref()
    }

    /// Returns the connection's params, headers and token.
    #[must_use]
    pub fn connect_info(&self) -> &ConnectInfo {
        &self.life.connection.info
    }

    /// Returns the id that the application gave the socket when it connected.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.life.connection.id.as_deref()
    }

    /// Returns the connection's id.
    #[must_use]
    pub fn socket(&self) -> SocketId {
        self.life.socket
    }

    /// Returns the time on the server's clock, including this callback's sleeps.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.world.now() + self.slept
    }

    /// Pushes an event to this client.
    ///
    /// A payload that can't be written as JSON, or that the connection's serializer can't carry, crashes the
    /// channel: here and in the other calls with a payload.
    pub fn push(&mut self, event: impl Into<ByteString>, payload: impl IntoPayload) {
        let topic = self.life.topic.clone();
        if let Some(push) = self.message(topic, event, payload) {
            let push = push.with_join_ref(self.life.join_ref.clone());
            self.send_message(&push);
        }
    }

    /// Sends an event on another topic to this client, even if it hasn't joined that: as a socket subscribed to the
    /// topic does. Absinthe sends the data of subscriptions this way.
    pub fn push_on(
        &mut self,
        topic: impl Into<ByteString>,
        event: impl Into<ByteString>,
        payload: impl IntoPayload,
    ) {
        if let Some(message) = self.message(topic, event, payload) {
            self.send_message(&message);
        }
    }

    /// A message; none if its payload can't be written, which crashes the channel.
    fn message(
        &mut self,
        topic: impl Into<ByteString>,
        event: impl Into<ByteString>,
        payload: impl IntoPayload,
    ) -> Option<Message> {
        let payload = self.payload(payload)?;
        Some(Message::new(topic, event, payload))
    }

    fn payload(&mut self, payload: impl IntoPayload) -> Option<Payload> {
        let payload = payload.into_payload().ok();
        self.crashed |= payload.is_none();
        payload
    }

    fn send_message(&mut self, message: &Message) {
        match self.life.serializer().encode(message) {
            Ok(frame) => {
                let mail = Envelope::Socket(self.life.socket, SocketMessage::Send(frame));
                if self.callback == Callback::Join {
                    self.late.push((self.now(), mail));
                } else {
                    self.post(mail);
                }
            }
            Err(_) => self.crashed = true,
        }
    }

    /// Sends an event to every client that has joined the topic, this one included.
    pub fn broadcast(&mut self, event: impl Into<ByteString>, payload: impl IntoPayload) {
        self.broadcast_except(event, payload, None);
    }

    /// Sends an event to every other client that has joined the topic.
    pub fn broadcast_from(&mut self, event: impl Into<ByteString>, payload: impl IntoPayload) {
        self.broadcast_except(event, payload, Some(self.life.process));
    }

    fn broadcast_except(
        &mut self,
        event: impl Into<ByteString>,
        payload: impl IntoPayload,
        except: Option<ProcessId>,
    ) {
        let topic = self.life.server_topic.clone();
        if let Some(broadcast) = self.message(topic, event, payload) {
            self.world.broadcast(self.now(), &broadcast, except);
        }
    }

    /// Returns a handle that [`reply`](Context::reply) needs to answer the current push later.
    #[must_use]
    pub fn socket_ref(&self) -> SocketRef {
        SocketRef { life: self.life.clone(), reference: self.reference.clone() }
    }

    /// Replies to a push, now or in a later callback. A channel may reply twice, as in Phoenix.
    pub fn reply(&mut self, to: &SocketRef, status: Status, response: impl IntoPayload) {
        let at = self.now();
        let Some(response) = self.payload(response) else { return };
        if to.post(self.world, at, status, response).is_err() {
            self.crashed = true;
        }
    }

    /// Sends a message to this channel's [`handle_info`](crate::Channel::handle_info), which gets it after this
    /// callback.
    pub fn send(&mut self, message: impl Any + Send) {
        self.send_after(Duration::ZERO, message);
    }

    /// Like [`send`](Context::send), but the message arrives `delay` from now.
    pub fn send_after(&mut self, delay: Duration, message: impl Any + Send) {
        let mail = Envelope::Channel(self.life.process, ChannelMessage::Info(Box::new(message)));
        let at = self.now() + delay;
        if self.callback == Callback::Join {
            self.late.push((at, mail));
        } else {
            self.world.post(at, mail);
        }
    }

    /// Blocks the process that runs this callback, in the server's time: the whole socket in `join`, otherwise this
    /// channel. Later actions happen after the sleep.
    pub fn sleep(&mut self, duration: Duration) {
        self.slept = self.slept.saturating_add(duration);
    }

    /// Crashes the channel when the callback returns, whatever it returns. A join that crashes is
    /// an error reply with the reason "join crashed".
    pub fn crash(&mut self) {
        self.crashed = true;
    }

    /// Tracks a presence of `key` on the topic for as long as this channel lives, and returns its `phx_ref`. All
    /// channels on the topic get a `presence_diff`.
    ///
    /// The diff comes after the reply to the push that is handled, since Phoenix's trackers run beside the channel.
    /// In `handle_info` it comes at once: track first, then push `presence_state`, and the client gets the diff
    /// before the state, as from Phoenix.
    ///
    /// # Errors
    ///
    /// [`PresenceError`] if this channel tracks `key` already, or `meta` isn't an object.
    pub fn track(&mut self, key: &str, meta: Value) -> Result<String, PresenceError> {
        let life = self.life;
        let (phx_ref, diff) =
            self.world.presence.track(&life.server_topic, life.process, key, meta)?;
        self.push_diff(&diff);
        Ok(phx_ref)
    }

    /// Replaces the meta of a presence, and returns its new `phx_ref`.
    ///
    /// # Errors
    ///
    /// [`PresenceError`] if this channel doesn't track `key`, or `meta` isn't an object.
    pub fn update(&mut self, key: &str, meta: Value) -> Result<String, PresenceError> {
        let life = self.life;
        let (phx_ref, diff) =
            self.world.presence.update(&life.server_topic, life.process, key, meta)?;
        self.push_diff(&diff);
        Ok(phx_ref)
    }

    /// Ends a presence.
    ///
    /// # Errors
    ///
    /// [`PresenceError::NotTracked`] if this channel doesn't track `key`.
    pub fn untrack(&mut self, key: &str) -> Result<(), PresenceError> {
        let life = self.life;
        let diff = self.world.presence.untrack(&life.server_topic, life.process, key)?;
        self.push_diff(&diff);
        Ok(())
    }

    /// Lists all presences on the topic, in the form of a `presence_state` payload: `{key: {"metas": [meta, ..]},
    /// ..}`.
    #[must_use]
    pub fn list(&self) -> Value {
        self.world.presence.list(&self.life.server_topic)
    }

    /// Closes every connection with this [`id`](Context::id) with 1001, as the broadcast of
    /// "disconnect" does.
    pub fn disconnect(&mut self, id: impl Into<String>) {
        self.post(Envelope::Disconnect(id.into()));
    }

    /// Closes every connection that has a channel with 1012, as a deploy does.
    pub fn drain(&mut self) {
        self.post(Envelope::Drain);
    }

    /// Closes this connection.
    pub fn close(&mut self, code: CloseCode) {
        self.post(Envelope::Socket(
            self.life.socket,
            SocketMessage::Close(code, ByteString::new()),
        ));
    }

    /// Ends this connection without a close frame.
    pub fn kill_transport(&mut self) {
        self.post(Envelope::Socket(self.life.socket, SocketMessage::Kill));
    }

    /// In a join that isn't accepted: its reply isn't sent.
    pub(crate) fn withhold_reply(&mut self) {
        self.withheld = true;
    }

    /// In a join: ends the connection after the reply, with a close frame if there is a code.
    pub(crate) fn end_after_reply(&mut self, delay: Duration, code: Option<CloseCode>) {
        let close = |code| SocketMessage::Close(code, ByteString::new());
        let end = code.map_or(SocketMessage::Kill, close);
        let at = self.now() + delay;
        self.after_reply.push((at, Envelope::Socket(self.life.socket, end)));
    }

    fn post(&mut self, mail: Envelope) {
        self.world.post(self.now(), mail);
    }

    fn push_diff(&mut self, diff: &Value) {
        let mail = self.world.diff_mail(self.now(), &self.life.server_topic, diff);
        if self.callback == Callback::HandleIn {
            self.late.extend(mail);
        } else {
            self.world.post_all(mail);
        }
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("socket", &self.life.socket)
            .field("topic", &self.life.topic)
            .field("callback", &self.callback)
            .finish_non_exhaustive()
    }
}

impl Incarnation {
    pub(crate) fn serializer(&self) -> &Arc<dyn Serializer> {
        self.connection.info.serializer()
    }
}

/// Handle to a push that can be replied to later: Phoenix's `socket_ref`.
#[derive(Clone)]
pub struct SocketRef {
    life: Incarnation,
    reference: Option<Ref>,
}

impl SocketRef {
    pub(crate) fn new(life: Incarnation, reference: Option<Ref>) -> Self {
        SocketRef { life, reference }
    }

    /// The reply is the socket's business alone: it is sent even if the channel has ended.
    pub(crate) fn post(
        &self,
        world: &mut World,
        at: Instant,
        status: Status,
        response: Payload,
    ) -> Result<(), EncodeError> {
        let topic = self.life.topic.clone();
        let reply = Message::reply(topic, self.reference.clone(), status, response)
            .with_join_ref(self.life.join_ref.clone());
        let frame = self.life.serializer().encode(&reply)?;
        world.post(at, Envelope::Socket(self.life.socket, SocketMessage::Send(frame)));
        Ok(())
    }
}

impl fmt::Debug for SocketRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketRef")
            .field("socket", &self.life.socket)
            .field("topic", &self.life.topic)
            .field("reference", &self.reference)
            .finish_non_exhaustive()
    }
}
