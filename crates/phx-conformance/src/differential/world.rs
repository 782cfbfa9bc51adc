//! One run of a script with the core: the same lines as the official client's run.

use std::collections::HashMap;
use std::time::Duration;

use phx_proto::{
    Action, ChannelCloseCause, ChannelError, ChannelId, CloseCause, CloseCode, Config, Endpoint,
    Event, Frame, Instant, JoinFailure, Outcome, Payload, PayloadDropped, PushErrorKind, PushId,
    Socket, TransportId,
};
use serde_json::{Value, json};

use super::network::{Arrival, Network};
use super::script::{Line, Patience, Script, Step};

/// The bound on what waits in a channel, small enough to be met. `MAX_BUFFERED` of
/// `js/differential/deviations.mjs`.
const MAX_BUFFERED: usize = 6;

/// The events that the users of scripts listen to.
const HEARD: [&str; 2] = ["news", "chat"];

/// What the core does and tells in this script.
pub(crate) fn run(script: &Script) -> Vec<Line> {
    let mut world = World::new(script);
    for (index, step) in script.steps.iter().enumerate() {
        world.step = index;
        world.take(step);
    }
    world.lines
}

/// The preset for comparisons, and what the script's world needs: a small buffer, and no patience of
/// its own for an attempt, since that is the browser's.
fn config(script: &Script) -> Config {
    let mut config = Config::phoenix_js();
    if let Some(Patience { timeout, limit }) = script.heartbeat {
        config.heartbeat_timeout = Duration::from_micros(timeout);
        config.heartbeat_limit = Duration::from_micros(limit);
    }
    config.max_buffered_pushes = MAX_BUFFERED;
    config.connect_timeout = Duration::MAX;
    config
}

struct World<'a> {
    socket: Socket,
    network: Network<'a>,
    now: u64,
    step: usize,
    lines: Vec<Line>,
    /// By number; one that was refused has no id.
    channels: Vec<Option<ChannelId>>,
    numbers: HashMap<ChannelId, usize>,
    pushes: usize,
    calls: HashMap<PushId, Call>,
    attempts: u32,
}

enum Call {
    Join,
    Push(String),
    Leave,
}

impl<'a> World<'a> {
    fn new(script: &'a Script) -> Self {
        World {
            socket: Socket::new(config(script), 1),
            network: Network::new(script),
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

    fn tell(&mut self, channel: usize, text: impl Into<String>) {
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
            Step::Open => {
                let arrivals = self.network.open();
                self.arrive(arrivals);
            }
            Step::Closed { code } => {
                let arrivals = self.network.closed(*code);
                self.arrive(arrivals);
            }
            Step::Lost => {
                let arrivals = self.network.lost();
                self.arrive(arrivals);
            }
            Step::Reply { back, any, status, named, stale } => {
                let arrivals = if *stale {
                    self.network.stale_reply(*back, *any)
                } else {
                    self.network.reply(*back, *any, status, *named)
                };
                self.arrive(arrivals);
            }
            Step::End { topic, event, join } => {
                let arrivals = self.network.end_of_channel(topic, event, *join);
                self.arrive(arrivals);
            }
            Step::Message { topic, name, join } => {
                let arrivals = self.network.message(topic, name, *join);
                self.arrive(arrivals);
            }
            Step::Garbage { text } => {
                let arrivals = self.network.garbage(text);
                self.arrive(arrivals);
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
            self.tell(number, "refused: topic taken");
            return;
        };
        self.channels.push(Some(channel));
        self.numbers.insert(channel, number);
        // What became of the channel before it.
        self.drain();
        match self.socket.join(now, channel, Some(Duration::from_millis(timeout))) {
            Ok(call) => {
                self.calls.insert(call, Call::Join);
            }
            Err(error) => self.tell(number, format!("join: {error}")),
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
                    PushErrorKind::Closed => "closed".to_owned(),
                    PushErrorKind::BufferFull { .. } => "full".to_owned(),
                    other => other.to_string(),
                };
                self.tell(number, format!("{name}: refused, {why}"));
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
            Err(_) => self.tell(number, "leave: refused, closed"),
        }
    }

    fn wait(&mut self, us: u64) {
        let end = self.now + us;
        loop {
            let timer = self.socket.poll_timeout();
            let timer = timer.and_then(|at| u64::try_from(at.since_epoch().as_micros()).ok());
            let due = self.network.next_due();
            let next = timer.into_iter().chain(due).min();
            let Some(at) = next.filter(|&at| at <= end) else { break };
            self.now = at;
            if timer == Some(at) {
                self.socket.handle_timeout(self.instant());
                self.drain();
            } else {
                let arrivals = self.network.fire();
                self.arrive(arrivals);
            }
        }
        self.now = end;
    }

    fn arrive(&mut self, arrivals: Vec<Arrival>) {
        let now = self.instant();
        for arrival in arrivals {
            match arrival {
                Arrival::Opened(transport) => self.socket.handle_opened(now, transport),
                Arrival::Frame(transport, text) => {
                    self.socket.handle_frame(now, transport, Frame::text(text));
                }
                Arrival::Lost(transport) => {
                    self.socket.handle_closed(now, transport, CloseCause::lost(""));
                }
                Arrival::Closed(transport, code) => {
                    let cause = CloseCause::frame(CloseCode::from_u16(code), "");
                    self.socket.handle_closed(now, transport, cause);
                }
            }
            self.drain();
        }
    }

    /// Does what the socket wants done, and notes what it tells.
    fn drain(&mut self) {
        while let Some(action) = self.socket.poll_action() {
            self.act(action);
        }
        while let Some(event) = self.socket.poll_event() {
            self.note(event);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Connect { transport, .. } => self.connect(transport),
            Action::Send { transport, frame, .. } => {
                let text = String::from_utf8_lossy(frame.as_bytes()).into_owned();
                let message: Value = serde_json::from_str(&text).unwrap_or_default();
                let number = self.network.number(transport);
                self.log("frames", format!("{number} {text}"));
                self.network.sent(self.now, transport, &message);
            }
            Action::Close { transport, code, reason, .. } => {
                let number = self.network.number(transport);
                if self.network.closing(self.now, transport, code.as_u16()) {
                    self.log("connection", format!("close {number} {code} {reason}"));
                }
            }
            other => self.log("connection", format!("{other:?}")),
        }
    }

    fn connect(&mut self, transport: TransportId) {
        self.attempts += 1;
        let endpoint = Endpoint::parse("ws://host.example/socket")
            .map(|endpoint| endpoint.with_param("attempt", &self.attempts.to_string()));
        self.network.connected(self.now, transport);
        let number = self.network.number(transport);
        let url = endpoint.map(|endpoint| endpoint.request("2.0.0").url().to_string());
        self.log("connection", format!("connect {number} {}", url.unwrap_or_default()));
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Opened { .. } => self.log("socket", "open"),
            Event::Closed { cause: CloseCause::Disconnected, .. } => {
                self.log("socket", "closed on request");
            }
            Event::Closed { cause, .. } => self.log("socket", format!("closed {}", cause.code())),
            Event::Joined { channel, response, .. } => {
                self.about(channel, format!("joined {}", answer(&response)));
            }
            Event::JoinFailed { channel, cause, .. } => match cause {
                JoinFailure::Rejected(rejection) => {
                    let (status, response) = (rejection.status, answer(&rejection.response));
                    self.about(channel, format!("join: {} {response}", status.as_str()));
                }
                JoinFailure::TimedOut => self.timed_out(channel),
                JoinFailure::Crashed(payload) => {
                    self.about(channel, format!("error: crash {}", answer(&payload)));
                }
                JoinFailure::Disconnected => self.about(channel, "error: connection"),
                other => self.about(channel, format!("{other:?}")),
            },
            Event::ChannelErrored { channel, cause, .. } => match cause {
                ChannelError::Disconnected => self.about(channel, "error: connection"),
                ChannelError::Crashed(payload) => {
                    self.about(channel, format!("error: crash {}", answer(&payload)));
                }
                ChannelError::Forgotten => self.about(channel, "error: forgotten"),
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
            Event::PushDone { push, channel, outcome, .. } => self.done(push, channel, outcome),
            Event::Pong { round_trip: Some(time), .. } => {
                self.log("socket", format!("pong after {}", time.as_micros()));
            }
            // Of these phoenix.js tells nothing.
            Event::HeartbeatAnswered { .. }
            | Event::Malformed { .. }
            | Event::UnjoinedMessage { .. }
            | Event::Message { .. }
            | Event::Pong { .. } => {}
            other => self.log("socket", format!("{other:?}")),
        }
    }

    fn done(&mut self, push: PushId, channel: ChannelId, outcome: Outcome) {
        let Some(call) = self.calls.remove(&push) else { return };
        let name = match call {
            // What the server answers to a join is told of the attempt.
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

    /// The join's call and its attempt may run out together: that is told once.
    fn timed_out(&mut self, channel: ChannelId) {
        let Some(&number) = self.numbers.get(&channel) else { return };
        let subject = format!("channel {number}");
        let text = "join: timed out";
        let told =
            |line: &Line| line.us == self.now && line.subject == subject && line.text == text;
        if !self.lines.iter().any(told) {
            self.log(subject, text);
        }
    }

    fn about(&mut self, channel: ChannelId, what: impl Into<String>) {
        if let Some(&number) = self.numbers.get(&channel) {
            self.tell(number, what);
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
