//! A run of a script with the core, as the same kinds of lines as the official client's run.

use std::collections::HashMap;
use std::time::Duration;

use phx_proto::longpoll::TokenPlace;
use phx_proto::{
    Action, CallError, ChannelCloseCause, ChannelErrorCause, ChannelId, CloseCause, CloseCode,
    Config, Endpoint, Event, Frame, Instant, Outcome, Payload, PayloadDropped, RequestId, Socket,
    TransportId,
};
use serde_json::{Value, json};

use super::compare::{Arrival, Run, What};
use super::script::{Line, Patience, Script, Step};

mod long_poll;
mod refs;

use refs::refs;

/// Limit of the pushes that wait in a channel, small enough that scripts reach it. Equal to `MAX_BUFFERED` of
/// `js/differential/deviations.mjs`.
const MAX_BUFFERED: usize = 6;

/// The events that the users of scripts listen to.
const HEARD: [&str; 2] = ["talk", "chat"];

/// Runs the core in this script with the inputs of the official client's run, and returns its lines.
///
/// Inputs come at the same microseconds, with the core's refs in place of the official client's. While the core behaves
/// the same, a network and a server would have given it the same inputs. The first difference is in the lines.
pub(crate) fn run(script: &Script, official: &Run) -> Vec<Line> {
    let mut world = World::new(script, official);
    for (index, step) in script.steps.iter().enumerate() {
        world.step = index;
        world.take(step);
    }
    world.lines
}

/// Returns the preset for comparisons with the settings of the script's world: a small buffer, and no time limit of
/// an attempt, since the browser has that.
fn config(script: &Script) -> Config {
    let mut config = Config::phoenix_js();
    if let Some(Patience { timeout, limit }) = script.heartbeat {
        config.heartbeat_timeout = Duration::from_micros(timeout);
        config.heartbeat_limit = Duration::from_micros(limit);
    }
    config.max_buffered_pushes = MAX_BUFFERED;
    config.connect_timeout = if script.long_poll { long_poll::TIMEOUT } else { Duration::MAX };
    config
}

struct World<'a> {
    socket: Socket,
    long_poll: bool,
    token_place: TokenPlace,
    transports: Vec<Transport>,
    /// Arrivals that remain.
    arrivals: std::slice::Iter<'a, Arrival>,
    /// Join refs and refs of the official client's frames that the core hasn't sent yet.
    frames: std::vec::IntoIter<[Option<String>; 2]>,
    /// The core's refs by the official client's.
    refs: HashMap<String, String>,
    now: u64,
    step: usize,
    lines: Vec<Line>,
    /// Channels by their number; a refused one has no id.
    channels: Vec<Option<ChannelId>>,
    numbers: HashMap<ChannelId, usize>,
    pushes: usize,
    calls: HashMap<RequestId, Call>,
    attempts: u32,
}

struct Transport {
    id: TransportId,
    /// True once the transport is closing or closed. As in a browser it stays so.
    closing: bool,
    /// Of long-poll.
    requests: Option<long_poll::Requests>,
}

enum Call {
    Join,
    Push(String),
    Leave,
}

impl<'a> World<'a> {
    fn new(script: &Script, official: &'a Run) -> Self {
        let frames = official.lines.iter().filter(|line| line.subject == "frames");
        let frames: Vec<_> = frames.map(|line| refs(&line.text)).collect();
        World {
            socket: Socket::new(config(script), 1),
            long_poll: script.long_poll,
            token_place: TokenPlace::default(),
            transports: Vec::new(),
            arrivals: official.arrivals.iter(),
            frames: frames.into_iter(),
            refs: HashMap::new(),
            now: 0,
            step: 0,
            lines: Vec::new(),
            channels: Vec::new(),
            numbers: HashMap::new(),
            pushes: 0,
            calls: HashMap::new(),
            attempts: 0,
        }
    }

    fn instant(&self) -> Instant {
        Instant::from_epoch(Duration::from_micros(self.now))
    }

    fn log(&mut self, subject: impl Into<String>, text: impl Into<String>) {
        let (subject, text) = (subject.into(), text.into());
        self.lines.push(Line { step: self.step, us: self.now, subject, text });
    }

    fn report(&mut self, channel: usize, text: impl Into<String>) {
        self.log(format!("channel {channel}"), text);
    }

    fn take(&mut self, step: &Step) {
        let now = self.instant();
        match step {
            Step::Connect => self.socket.connect(now),
            Step::Disconnect => {
                let _sendable = self.socket.disconnect(now, CloseCode::NORMAL, "bye");
            }
            Step::Join { topic, timeout, replace } => self.join(topic, *timeout, *replace),
            Step::Push { channel, timeout } => self.push(*channel, *timeout),
            Step::Leave { channel, timeout } => self.leave(*channel, *timeout),
            Step::Ping => {
                if self.socket.ping(now).is_err() {
                    self.log("socket", "ping: refused");
                }
            }
            Step::Wait { us } => self.wait(*us),
            // The outcomes of these steps are among the arrivals.
            Step::Open
            | Step::Closed { .. }
            | Step::Lost
            | Step::Refuse
            | Step::Harm { .. }
            | Step::Reply { .. }
            | Step::End { .. }
            | Step::Message { .. }
            | Step::Garbage { .. } => {
                while let Some(arrival) = self.next_arrival() {
                    self.arrive(arrival);
                }
            }
        }
        self.drain();
    }

    fn join(&mut self, topic: &str, timeout: u64, replace: bool) {
        let number = self.channels.len();
        let now = self.instant();
        let params = payload(&json!({ "nth": number }));
        let made = if replace {
            self.socket.replace(now, topic, params)
        } else {
            self.socket.channel(topic, params)
        };
        let Ok(channel) = made else {
            self.channels.push(None);
            self.report(number, "refused: topic taken");
            return;
        };
        self.channels.push(Some(channel));
        self.numbers.insert(channel, number);
        // Takes the outcome of the previous channel.
        self.drain();
        match self.socket.join(now, channel, Some(Duration::from_millis(timeout))) {
            Ok(call) => {
                self.calls.insert(call, Call::Join);
            }
            Err(error) => self.report(number, format!("join: {error}")),
        }
    }

    fn channel(&self, index: usize) -> Option<(usize, ChannelId)> {
        let number = index.checked_rem(self.channels.len())?;
        self.channels[number].map(|channel| (number, channel))
    }

    fn push(&mut self, index: usize, timeout: u64) {
        let Some((number, channel)) = self.channel(index) else { return };
        let name = format!("push {}", self.pushes);
        self.pushes += 1;
        let now = self.instant();
        let what = payload(&json!({ "name": name }));
        match self.socket.push(now, channel, "say", what, Some(Duration::from_millis(timeout))) {
            Ok(push) => {
                self.calls.insert(push, Call::Push(name));
            }
            Err(error) => {
                let why = match error.reason {
                    CallError::Closed => "closed".to_owned(),
                    CallError::BufferFull { .. } => "full".to_owned(),
                    other => other.to_string(),
                };
                self.report(number, format!("{name}: refused, {why}"));
            }
        }
    }

    fn leave(&mut self, index: usize, timeout: u64) {
        let Some((number, channel)) = self.channel(index) else { return };
        let now = self.instant();
        match self.socket.leave(now, channel, Some(Duration::from_millis(timeout))) {
            Ok(call) => {
                self.calls.insert(call, Call::Leave);
            }
            Err(_) => self.report(number, "leave: refused, closed"),
        }
    }

    fn wait(&mut self, us: u64) {
        let end = self.now + us;
        loop {
            let timer = self.socket.poll_timeout().into_iter().chain(self.session_timeout()).min();
            let timer = timer.and_then(|at| u64::try_from(at.since_epoch().as_micros()).ok());
            let arrival = self.next_arrival();
            let next = timer.into_iter().chain(arrival.map(|arrival| arrival.us)).min();
            let Some(at) = next.filter(|&at| at <= end) else { break };
            self.now = at;
            match arrival {
                Some(arrival) if timer != Some(at) => self.arrive(arrival),
                _ => {
                    self.socket.handle_timeout(self.instant());
                    self.handle_session_timeout();
                    self.drain();
                }
            }
        }
        self.now = end;
    }

    /// Returns the next arrival during this step.
    fn next_arrival(&self) -> Option<&'a Arrival> {
        self.arrivals.as_slice().first().filter(|arrival| arrival.step == self.step)
    }

    fn arrive(&mut self, arrival: &Arrival) {
        self.arrivals.next();
        let now = self.instant();
        // The core hasn't opened this connection, so the runs differ already.
        let index = arrival.socket - 1;
        let Some(transport) = self.transports.get_mut(index) else { return };
        let id = transport.id;
        transport.closing |= matches!(arrival.what, What::Lost | What::Closed { .. });
        match &arrival.what {
            What::Open => self.socket.handle_opened(now, id),
            What::Text { text } => self.socket.handle_frame(now, id, Frame::text(text.clone())),
            What::Message { message } => {
                let text = self.with_own_refs(message);
                self.socket.handle_frame(now, id, Frame::text(text));
            }
            What::Answer { method, body } => self.answer(index, *method, body),
            What::Http { method, status, text } => self.answer_http(index, *method, *status, text),
            What::Failed { method } => self.fail(index, *method),
            // The core has given it up by itself.
            What::Late => {}
            What::Lost => self.socket.handle_closed(now, id, CloseCause::io("")),
            What::Closed { code } => {
                let cause = CloseCause::frame(CloseCode::from_u16(*code), "");
                self.socket.handle_closed(now, id, cause);
            }
        }
        self.drain();
    }

    /// Performs the socket's actions, and records its events.
    fn drain(&mut self) {
        loop {
            while let Some(action) = self.next_action() {
                self.act(action);
            }
            while let Some(event) = self.socket.poll_event() {
                self.note(event);
            }
            if !self.pump() {
                return;
            }
        }
    }

    /// Returns the next action. A session takes frames while none are on their way.
    fn next_action(&mut self) -> Option<Action> {
        if self.long_poll && !self.has_room() {
            self.socket.poll_control()
        } else {
            self.socket.poll_action()
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Connect { transport, .. } => self.connect(transport),
            Action::Send { transport, frame, .. } => {
                let index = self.index(transport);
                if self.long_poll {
                    self.send(index, frame);
                } else {
                    let text = String::from_utf8_lossy(frame.as_bytes());
                    self.note_frame(format!("{} {text}", index + 1));
                }
            }
            Action::Close { transport, .. } if self.long_poll => {
                self.finish_session(self.index(transport));
            }
            Action::Close { transport, code, reason, .. } => {
                let index = self.index(transport);
                let known = self.transports.get_mut(index);
                if known.is_some_and(|it| !std::mem::replace(&mut it.closing, true)) {
                    self.log("connection", format!("close {} {code} {reason}", index + 1));
                }
            }
            other => self.log("connection", format!("{other:?}")),
        }
    }

    fn index(&self, transport: TransportId) -> usize {
        let index = self.transports.iter().position(|one| one.id == transport);
        index.unwrap_or(self.transports.len())
    }

    fn connect(&mut self, transport: TransportId) {
        self.attempts += 1;
        let endpoint = Endpoint::parse("ws://host.example/socket")
            .map(|endpoint| endpoint.with_param("attempt", &self.attempts.to_string()));
        let Ok(endpoint) = endpoint else {
            return self.log("connection", "the endpoint isn't valid");
        };
        let request = endpoint.request("2.0.0");
        let requests = self.long_poll.then(|| self.create(&request));
        self.transports.push(Transport { id: transport, closing: false, requests });
        if !self.long_poll {
            let (number, url) = (self.transports.len(), request.url());
            self.log("connection", format!("connect {number} {url}"));
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Opened { .. } => self.log("socket", "open"),
            Event::Closed { cause: CloseCause::Disconnected, .. } => {
                self.log("socket", "closed on request");
            }
            // The codes of long-poll are phoenix.js's own.
            Event::Closed { .. } if self.long_poll => self.log("socket", "closed"),
            Event::Closed { cause, .. } => self.log("socket", format!("closed {}", cause.code())),
            Event::Joined { channel, response, .. } => {
                self.about(channel, format!("joined {}", answer(&response)));
            }
            Event::JoinFailed { channel, cause, .. } => match cause {
                ChannelErrorCause::Rejected(rejection) => {
                    let (status, response) = (rejection.status, answer(&rejection.response));
                    self.about(channel, format!("join: {} {response}", status.as_str()));
                }
                ChannelErrorCause::TimedOut => self.timed_out(channel),
                ChannelErrorCause::Crashed(payload) => {
                    self.about(channel, format!("error: crash {}", answer(&payload)));
                }
                ChannelErrorCause::Disconnected => self.about(channel, "error: connection"),
                other => self.about(channel, format!("{other:?}")),
            },
            Event::ChannelErrored { channel, cause, .. } => match cause {
                ChannelErrorCause::Disconnected => self.about(channel, "error: connection"),
                ChannelErrorCause::Crashed(payload) => {
                    self.about(channel, format!("error: crash {}", answer(&payload)));
                }
                ChannelErrorCause::Forgotten => self.about(channel, "error: forgotten"),
                other => self.about(channel, format!("{other:?}")),
            },
            Event::ChannelClosed { channel, cause, .. } => match cause {
                ChannelCloseCause::Left | ChannelCloseCause::Replaced => {
                    self.about(channel, "closed: left");
                }
                ChannelCloseCause::ByServer(payload) => {
                    self.about(channel, format!("closed: by server {}", answer(&payload)));
                }
                other => self.about(channel, format!("{other:?}")),
            },
            Event::Message { channel, event, payload, .. } if HEARD.contains(&&*event) => {
                self.about(channel, format!("{event} {}", text(&payload)));
            }
            Event::RequestDone { push, channel, outcome, .. } => self.done(push, channel, outcome),
            Event::Pong { round_trip: Some(time), .. } => {
                self.log("socket", format!("pong after {}", time.as_micros()));
            }
            // phoenix.js has no callback for these.
            Event::HeartbeatAnswered { .. }
            | Event::RetryCancelled
            | Event::Malformed { .. }
            | Event::UnjoinedMessage { .. }
            | Event::MessagesLost { .. }
            | Event::Message { .. }
            | Event::Pong { .. } => {}
            other => self.log("socket", format!("{other:?}")),
        }
    }

    fn done(&mut self, push: RequestId, channel: ChannelId, outcome: Outcome) {
        let Some(call) = self.calls.remove(&push) else { return };
        let name = match call {
            // The server's answer to a join is reported by the event of the attempt.
            Call::Join => match outcome {
                Outcome::Reply { .. } => return,
                Outcome::TimedOut => return self.timed_out(channel),
                _ => "join".to_owned(),
            },
            Call::Push(name) => name,
            Call::Leave => "leave".to_owned(),
        };
        let what = match outcome {
            Outcome::Reply { status, response, .. } => {
                format!("{} {}", status.as_str(), text(&response))
            }
            Outcome::Left => "left".to_owned(),
            // phoenix.js doesn't say whether it was sent.
            Outcome::TimedOut | Outcome::NotSent => "timed out".to_owned(),
            Outcome::JoinCrashed | Outcome::ChannelCrashed => "crashed".to_owned(),
            Outcome::Disconnected => "disconnected".to_owned(),
            Outcome::ChannelClosed => "closed".to_owned(),
            other => format!("{other:?}"),
        };
        self.about(channel, format!("{name}: {what}"));
    }

    /// Records a join's timeout. Its call and its attempt may time out together, which is one line.
    fn timed_out(&mut self, channel: ChannelId) {
        let Some(&number) = self.numbers.get(&channel) else { return };
        let subject = format!("channel {number}");
        let text = "join: timed out";
        let is_same =
            |line: &Line| line.us == self.now && line.subject == subject && line.text == text;
        if !self.lines.iter().any(is_same) {
            self.log(subject, text);
        }
    }

    fn about(&mut self, channel: ChannelId, what: impl Into<String>) {
        if let Some(&number) = self.numbers.get(&channel) {
            self.report(number, what);
        }
    }
}

fn payload(value: &Value) -> Payload {
    Payload::from_json_text(value.to_string()).unwrap_or_default()
}

fn answer(payload: &Result<Payload, PayloadDropped>) -> &str {
    payload.as_ref().map_or("dropped", text)
}

fn text(payload: &Payload) -> &str {
    payload.as_json().unwrap_or("bytes")
}
