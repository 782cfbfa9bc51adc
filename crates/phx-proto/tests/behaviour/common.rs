//! A scripted driver around a [`Socket`], under virtual time.
//!
//! A test reads like a protocol log. The transport takes every frame at once (unless it is
//! [`stuck`](Script::stuck)), and the socket's actions and events are kept as short lines until the script takes them:
//!
//! | [`Script::actions`] | [`Script::events`] |
//! |---|---|
//! | `connect 1, attempt 1` | `opened 1` |
//! | `close 1: 1000 bye` | `closed 1: connection lost, retry in 1s` (`unopened 1: ...` if it never was open) |
//! | `params room:a` | `room:a joined {}`, `room:a rejoined {}` |
//! | `send phx_join room:a` | `room:a join failed: TimedOut, retry in 1s` |
//! | `send new_msg room:a {"n":1}` | `room:a errored: Disconnected` |
//! | `send heartbeat phoenix` | `room:a closed: Left` |
//! | | `room:a new_msg {"n":1}` |
//! | | `join room:a: ok {}`, `new_msg: timed out`, `leave room:a: left` |
//!
//! Sent frames are named by event and topic: `script.reply("phx_join room:a", "ok", "{}")` answers the latest join of
//! that topic.

mod words;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use phx_proto::{
    Action, Backoff, CallError, ChannelCloseCause, ChannelErrorCause, ChannelId, CloseCause,
    CloseCode, Config, Event, Frame, Instant, Lifecycle, Message, Params, ParamsRequestId, Payload,
    PingId, PushError, RequestId, Serializer, Socket, Status, TransportId, TransportProperties, V1,
    V1Server, V2Server,
};

use self::words::{answer, describe_outcome, join_failure, rejected, retry, text};

/// No actions, or no events.
pub(crate) const NOTHING: [&str; 0] = [];

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn json(text: &str) -> Payload {
    Payload::from_json_text(text.to_owned()).unwrap()
}

/// Returns the default settings without jitter and heartbeats: every time in a script is exact, and a wait sends
/// nothing.
pub(crate) fn quiet() -> Config {
    let mut config = Config::phoenix_cr();
    config.heartbeat_interval = None;
    config
}

/// Returns [`quiet`] settings with a change.
pub(crate) fn quiet_but(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = quiet();
    change(&mut config);
    config
}

/// Returns [`quiet`] settings with V1, which has no binary frames and no join refs.
pub(crate) fn v1() -> Config {
    quiet_but(|config| config.serializer = Arc::new(V1))
}

/// Returns the server's reply to a message.
pub(crate) fn reply(to: &Message, status: &str, response: Payload) -> Frame {
    let status = Status::from(status);
    let reply = Message::reply(to.topic.clone(), to.reference.clone(), status, response)
        .with_join_ref(to.join_ref.clone());
    V2Server.encode(&reply).unwrap()
}

pub(crate) struct Script {
    pub(crate) socket: Socket,
    pub(crate) now: Instant,
    /// True while the transport takes no frames.
    pub(crate) stuck: bool,
    server: &'static dyn Serializer,
    actions: Vec<String>,
    events: Vec<String>,
    /// All sent messages.
    sent: Vec<Message>,
    transports: Vec<TransportId>,
    requests: Vec<(String, ParamsRequestId)>,
    topics: HashMap<ChannelId, String>,
    calls: HashMap<RequestId, String>,
}

impl Script {
    pub(crate) fn new(config: Config) -> Self {
        Script::with_seed(config, 1)
    }

    pub(crate) fn with_seed(config: Config, seed: u64) -> Self {
        let server: &'static dyn Serializer =
            if config.serializer.vsn() == "1.0.0" { &V1Server } else { &V2Server };
        Script {
            socket: Socket::new(config, seed),
            now: Instant::EPOCH,
            stuck: false,
            server,
            actions: Vec::new(),
            events: Vec::new(),
            sent: Vec::new(),
            transports: Vec::new(),
            requests: Vec::new(),
            topics: HashMap::new(),
            calls: HashMap::new(),
        }
    }

    /// Creates a connected socket.
    pub(crate) fn open(config: Config) -> Self {
        let mut script = Script::new(config);
        script.connect();
        script.opened();
        script.forget_lines();
        script
    }

    /// Creates a connected socket with a channel whose join was sent.
    pub(crate) fn joining(config: Config, topic: &str) -> (Self, ChannelId) {
        let mut script = Script::open(config);
        let channel = script.channel(topic);
        script.join(channel);
        (script, channel)
    }

    /// Creates a connected socket with a channel whose params were asked for.
    pub(crate) fn asking(config: Config, topic: &str) -> (Self, ChannelId) {
        let mut script = Script::open(config);
        let channel = script.asking_channel(topic);
        script.join(channel);
        (script, channel)
    }

    /// Creates a connected socket with a joined channel.
    pub(crate) fn joined(config: Config, topic: &str) -> (Self, ChannelId) {
        let mut script = Script::open(config);
        let channel = script.join_ok(topic);
        (script, channel)
    }
}

/// Calls of the user.
impl Script {
    pub(crate) fn connect(&mut self) {
        self.socket.connect(self.now);
        self.drain();
    }

    pub(crate) fn disconnect(&mut self) {
        self.socket.disconnect(self.now, CloseCode::NORMAL, "bye").unwrap();
        self.drain();
    }

    pub(crate) fn reconnect_now(&mut self) -> bool {
        let acted = self.socket.reconnect_now(self.now);
        self.drain();
        acted
    }

    pub(crate) fn channel(&mut self, topic: &str) -> ChannelId {
        self.channel_with(topic, Payload::empty()).unwrap()
    }

    /// Creates a channel whose params are asked for.
    pub(crate) fn asking_channel(&mut self, topic: &str) -> ChannelId {
        self.channel_with(topic, Params::OnRequest).unwrap()
    }

    pub(crate) fn channel_with(
        &mut self,
        topic: &str,
        params: impl Into<Params>,
    ) -> Result<ChannelId, CallError> {
        let channel = self.socket.channel(topic, params)?;
        self.topics.insert(channel, topic.to_owned());
        Ok(channel)
    }

    pub(crate) fn replace(&mut self, topic: &str) -> ChannelId {
        let channel = self.socket.replace(self.now, topic, Payload::empty()).unwrap();
        self.topics.insert(channel, topic.to_owned());
        self.drain();
        channel
    }

    pub(crate) fn remove(&mut self, channel: ChannelId) -> bool {
        let known = self.socket.remove(self.now, channel);
        self.drain();
        known
    }

    pub(crate) fn join(&mut self, channel: ChannelId) -> RequestId {
        self.try_join(channel, None).unwrap()
    }

    pub(crate) fn try_join(
        &mut self,
        channel: ChannelId,
        timeout: Option<Duration>,
    ) -> Result<RequestId, CallError> {
        let call = self.socket.join(self.now, channel, timeout)?;
        self.calls.insert(call, format!("join {}", self.topics[&channel]));
        self.drain();
        Ok(call)
    }

    /// Joins a channel, and drops the actions and events of that.
    pub(crate) fn join_ok(&mut self, topic: &str) -> ChannelId {
        let channel = self.channel(topic);
        self.join(channel);
        self.reply(&format!("phx_join {topic}"), "ok", "{}");
        self.forget_lines();
        channel
    }

    pub(crate) fn push(&mut self, channel: ChannelId, event: &str) -> RequestId {
        self.try_push(channel, event, Payload::empty(), None).unwrap()
    }

    pub(crate) fn try_push(
        &mut self,
        channel: ChannelId,
        event: &str,
        payload: Payload,
        timeout: Option<Duration>,
    ) -> Result<RequestId, PushError> {
        let push = self.socket.push(self.now, channel, event, payload, timeout)?;
        self.calls.insert(push, event.to_owned());
        self.drain();
        Ok(push)
    }

    pub(crate) fn leave(&mut self, channel: ChannelId) -> RequestId {
        self.leave_with_timeout(channel, None)
    }

    pub(crate) fn leave_with_timeout(
        &mut self,
        channel: ChannelId,
        timeout: Option<Duration>,
    ) -> RequestId {
        let leave = self.socket.leave(self.now, channel, timeout).unwrap();
        self.calls.insert(leave, format!("leave {}", self.topics[&channel]));
        self.drain();
        leave
    }

    pub(crate) fn cancel(&mut self, push: RequestId) -> bool {
        let cancelled = self.socket.cancel(push);
        self.drain();
        cancelled
    }

    pub(crate) fn ping(&mut self) -> Result<PingId, CallError> {
        let ping = self.socket.ping(self.now);
        self.drain();
        ping
    }

    /// Answers the latest request for the topic's params.
    pub(crate) fn make_params(&mut self, topic: &str, params: Option<Payload>) {
        let request = self.request(topic);
        self.answer_request(request, params);
    }

    pub(crate) fn answer_request(&mut self, request: ParamsRequestId, params: Option<Payload>) {
        self.socket.handle_params(self.now, request, params);
        self.drain();
    }

    /// Returns the latest request for the topic's params.
    pub(crate) fn request(&self, topic: &str) -> ParamsRequestId {
        self.requests.iter().rev().find(|(of, _)| of == topic).unwrap().1
    }
}

/// Inputs of the transport.
impl Script {
    /// Returns the latest transport.
    pub(crate) fn transport(&self) -> TransportId {
        *self.transports.last().unwrap()
    }

    /// Returns the transport with this number, from 1.
    pub(crate) fn transport_number(&self, number: usize) -> TransportId {
        self.transports[number - 1]
    }

    pub(crate) fn opened(&mut self) {
        let transport = self.transport();
        self.opened_on(transport);
    }

    pub(crate) fn opened_on(&mut self, transport: TransportId) {
        self.socket.handle_opened(self.now, transport);
        self.drain();
    }

    /// Opens the transport with these properties.
    pub(crate) fn opened_with(&mut self, properties: TransportProperties) {
        self.socket.handle_opened_with(self.now, self.transport(), properties);
        self.drain();
    }

    pub(crate) fn lifecycle(&mut self, lifecycle: Lifecycle) {
        self.socket.handle_lifecycle(self.now, lifecycle);
        self.drain();
    }

    /// Messages were lost on a transport.
    pub(crate) fn gap_on(&mut self, transport: TransportId) {
        self.socket.handle_gap(self.now, transport);
        self.drain();
    }

    pub(crate) fn lost(&mut self) {
        self.closed(CloseCause::io(""));
    }

    pub(crate) fn closed(&mut self, cause: CloseCause) {
        let transport = self.transport();
        self.closed_on(transport, cause);
    }

    pub(crate) fn closed_on(&mut self, transport: TransportId, cause: CloseCause) {
        self.socket.handle_closed(self.now, transport, cause);
        self.drain();
    }

    /// Loses the connection, waits for the next attempt, and opens it.
    pub(crate) fn reconnect(&mut self) {
        self.lost();
        let retry = self.socket.poll_timeout().unwrap();
        self.wait(retry.saturating_duration_since(self.now));
        self.opened();
        self.forget_lines();
    }

    pub(crate) fn frame(&mut self, frame: Frame) {
        let transport = self.transport();
        self.frame_on(transport, frame);
    }

    pub(crate) fn frame_on(&mut self, transport: TransportId, frame: Frame) {
        self.socket.handle_frame(self.now, transport, frame);
        self.drain();
    }
}

/// Frames of the server.
impl Script {
    /// Passes a text frame in unchanged.
    pub(crate) fn server(&mut self, text: &str) {
        self.frame(Frame::text(text.to_owned()));
    }

    /// Replies to the latest sent frame with this event and topic.
    pub(crate) fn reply(&mut self, words: &str, status: &str, response: &str) {
        let sent = self.latest(words);
        self.reply_to(&sent, status, response);
    }

    pub(crate) fn reply_to(&mut self, sent: &Message, status: &str, response: &str) {
        let status = Status::from(status);
        let reply =
            Message::reply(sent.topic.clone(), sent.reference.clone(), status, json(response))
                .with_join_ref(sent.join_ref.clone());
        self.says(&reply);
    }

    pub(crate) fn broadcast(&mut self, topic: &str, event: &str) {
        self.says(&Message::new(topic, event, Payload::empty()));
    }

    /// Passes a message with the join ref of the topic's latest join in: a server push, `phx_close`, `phx_error`.
    pub(crate) fn server_push(&mut self, topic: &str, event: &str) {
        let join = self.latest(&format!("phx_join {topic}"));
        self.server_push_for(&join, event);
    }

    /// Passes a message with this join's ref in.
    pub(crate) fn server_push_for(&mut self, join: &Message, event: &str) {
        let message = Message::new(join.topic.clone(), event, Payload::empty())
            .with_join_ref(join.join_ref.clone());
        self.says(&message);
    }

    pub(crate) fn says(&mut self, message: &Message) {
        let frame = self.server.encode(message).unwrap();
        self.frame(frame);
    }

    /// Returns the latest sent frame with this event and topic.
    pub(crate) fn latest(&self, words: &str) -> Message {
        let is_meant = |message: &&Message| format!("{} {}", message.event, message.topic) == words;
        self.sent.iter().rev().find(is_meant).unwrap_or_else(|| panic!("not sent: {words}")).clone()
    }
}

/// Time.
impl Script {
    /// Advances the time from timeout to timeout.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.socket.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.socket.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
        self.socket.handle_timeout(end);
        self.drain();
    }

    /// Advances the time past all timeouts.
    pub(crate) fn oversleep(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Waits for the next timeout, and returns the time until it.
    pub(crate) fn wait_for_timeout(&mut self) -> Duration {
        let delay = self.next_timeout().unwrap();
        self.wait(delay);
        delay
    }

    /// Returns the time until the next timeout.
    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        self.socket.poll_timeout().map(|at| at.saturating_duration_since(self.now))
    }
}

/// Actions and events of the socket.
impl Script {
    #[must_use]
    pub(crate) fn actions(&mut self) -> Vec<String> {
        self.drain();
        std::mem::take(&mut self.actions)
    }

    #[must_use]
    pub(crate) fn events(&mut self) -> Vec<String> {
        self.drain();
        std::mem::take(&mut self.events)
    }

    pub(crate) fn forget_lines(&mut self) {
        self.actions.clear();
        self.events.clear();
    }

    pub(crate) fn drain(&mut self) {
        loop {
            let action =
                if self.stuck { self.socket.poll_control() } else { self.socket.poll_action() };
            let Some(action) = action else { break };
            let line = self.describe_action(action);
            self.actions.push(line);
        }
        while let Some(event) = self.socket.poll_event() {
            let line = self.describe_event(event);
            self.events.push(line);
        }
    }

    fn describe_action(&mut self, action: Action) -> String {
        match action {
            Action::Connect { transport, attempt, .. } => {
                self.transports.push(transport);
                format!("connect {}, attempt {attempt}", transport.as_u64())
            }
            Action::Close { transport, code, reason, .. } => {
                format!("close {}: {code} {reason}", transport.as_u64())
            }
            Action::RequestParams { channel, request, .. } => {
                let topic = self.topics[&channel].clone();
                let line = format!("params {topic}");
                self.requests.push((topic, request));
                line
            }
            Action::Send { frame, .. } => {
                let message = self.server.decode(frame).unwrap();
                let payload = match message.payload.as_json() {
                    Some("{}") => String::new(),
                    payload => format!(" {}", payload.unwrap_or("binary")),
                };
                let line = format!("send {} {}{payload}", message.event, message.topic);
                self.sent.push(message);
                line
            }
            other => panic!("unknown action {other:?}"),
        }
    }

    fn describe_event(&self, event: Event) -> String {
        let topic = |channel: &ChannelId| self.topics[channel].as_str();
        match event {
            Event::Opened { transport, .. } => format!("opened {}", transport.as_u64()),
            Event::Closed { transport, was_open, cause, retry_in, .. } => {
                let word = if was_open { "closed" } else { "unopened" };
                format!("{word} {}: {cause}{}", transport.as_u64(), retry(retry_in))
            }
            Event::RetryCancelled => "retry cancelled".to_owned(),
            Event::Joined { channel, response, rejoined, .. } => {
                let word = if rejoined { "rejoined" } else { "joined" };
                format!("{} {word} {}", topic(&channel), answer(&response))
            }
            Event::JoinFailed { channel, cause, retry_in, .. } => {
                let cause = join_failure(&cause);
                format!("{} join failed: {cause}{}", topic(&channel), retry(retry_in))
            }
            Event::ChannelErrored { channel, cause, retry_in, .. } => {
                let cause = match cause {
                    ChannelErrorCause::Disconnected => "disconnected".to_owned(),
                    ChannelErrorCause::Crashed(payload) => format!("crashed {}", answer(&payload)),
                    ChannelErrorCause::Closed(payload) => format!("closed {}", answer(&payload)),
                    ChannelErrorCause::Forgotten => "forgotten".to_owned(),
                    other => panic!("unknown error {other:?}"),
                };
                format!("{} errored: {cause}{}", topic(&channel), retry(retry_in))
            }
            Event::ChannelClosed { channel, cause, .. } => {
                let cause = match cause {
                    ChannelCloseCause::Left => "left".to_owned(),
                    ChannelCloseCause::Replaced => "replaced".to_owned(),
                    ChannelCloseCause::ByServer(payload) => {
                        format!("by server {}", answer(&payload))
                    }
                    ChannelCloseCause::Rejected(rejection) => rejected(&rejection),
                    other => panic!("unknown cause {other:?}"),
                };
                format!("{} closed: {cause}", topic(&channel))
            }
            Event::Message { channel, event, payload, .. } => {
                format!("{} {event} {}", topic(&channel), text(&payload))
            }
            Event::RequestDone { push, outcome, .. } => {
                let call = self.calls.get(&push).map_or("?", String::as_str);
                format!("{call}: {}", describe_outcome(&outcome))
            }
            Event::Pong { round_trip, .. } => match round_trip {
                Some(round_trip) => format!("pong after {round_trip:?}"),
                None => "no pong".to_owned(),
            },
            Event::HeartbeatAnswered { round_trip, .. } => {
                format!("heartbeat answered after {round_trip:?}")
            }
            Event::UnjoinedMessage { topic, event, payload, .. } => {
                format!("unjoined {topic} {event} {}", text(&payload))
            }
            Event::Malformed { error, .. } => format!("malformed: {}", error.reason),
            Event::MessagesLost { transport, .. } => {
                format!("messages lost on {}", transport.as_u64())
            }
            Event::EventsLost { count, .. } => format!("{count} events lost"),
            other => panic!("unknown event {other:?}"),
        }
    }
}

/// Returns a schedule of these milliseconds, without jitter.
pub(crate) fn steps<const N: usize>(delays: [u64; N]) -> Backoff {
    Backoff::steps(delays.map(ms))
}
