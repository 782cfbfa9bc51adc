//! A client of a recording: a socket, a driver in virtual time, and the frames that the recording expects of it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use phx_proto::{
    Action, Backoff, ChannelId, ChannelState, Config, ConnectionState, Frame, Instant, Payload,
    RequestId, SendReason, Socket, TransportId, V1,
};

use crate::Check;
use crate::reported::{CallKind, Reported};
use crate::table::{Rule, Settings};
use crate::wire::{Content, Parts, Refs};

/// Largest difference between the times of the recorded client and the core: timers of JavaScript fire late, and a line
/// of the recording is written a little after its event.
pub(crate) const TOLERANCE: Duration = Duration::from_millis(10);

/// A socket under replay.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: Socket,
    pub(crate) settings: Settings,
    pub(crate) now: Instant,
    /// The transports of the recorded connections.
    pub(crate) transports: HashMap<u32, TransportId>,
    /// Attempts to connect that the recording hasn't answered.
    pub(crate) attempts: VecDeque<Attempt>,
    /// Attempts that the core made by itself since the user connected or a connection opened.
    pub(crate) tries: u32,
    /// Close frames to send: transport, code, reason.
    pub(crate) closes: VecDeque<(TransportId, u16, String)>,
    /// Frames of the core that aren't found in the recording yet.
    pub(crate) sent: VecDeque<(Instant, Frame, SendReason)>,
    /// Frames of the recorded client that the core hasn't sent yet.
    pub(crate) expected: VecDeque<(Instant, Frame)>,
    pub(crate) refs: Refs,
    /// The params of all recorded joins of a topic that the core hasn't asked for, in order.
    pub(crate) params: HashMap<String, VecDeque<Payload>>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) calls: HashMap<RequestId, Call>,
    /// Requests of the recorded refs.
    pub(crate) awaited: HashMap<String, Awaited>,
    /// True once the user has disconnected.
    pub(crate) disconnected: bool,
    /// Reports since the last comparison.
    pub(crate) fresh: Vec<Reported>,
    /// All reports.
    pub(crate) log: Vec<(Instant, Reported)>,
    pub(crate) rules: BTreeSet<Rule>,
    pub(crate) frames_compared: usize,
    /// Frames that a [`Rule`] keeps the core from sending.
    pub(crate) frames_ruled_out: usize,
}

/// An attempt to connect.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) transport: TransportId,
    pub(crate) at: Instant,
    /// Its number, counted by the core.
    pub(crate) number: u32,
}

/// Expected state of a channel, by the recording.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) id: ChannelId,
    pub(crate) topic: String,
    /// The recorded ref of its latest join.
    pub(crate) join_ref: Option<String>,
    pub(crate) state: ChannelState,
    pub(crate) was_joined: bool,
    pub(crate) join_call: Option<RequestId>,
}

/// A call, which has exactly one outcome.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) kind: CallKind,
    pub(crate) done: bool,
}

/// The request of a ref; channels by their index.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Awaited {
    Join(usize),
    Push(RequestId),
    Leave(usize),
    Heartbeat,
}

impl Client {
    pub(crate) fn new(settings: Settings) -> Self {
        let mut config = Config::phoenix_js();
        config.reconnect = Backoff::steps([settings.reconnect()]);
        config.rejoin = Backoff::steps([settings.rejoin()]);
        if let Some(interval) = settings.heartbeat() {
            config.heartbeat_interval = Some(interval);
            config.heartbeat_timeout = interval;
        }
        if settings.v1 {
            config.serializer = Arc::new(V1);
        }
        Client {
            socket: Socket::new(config, 0),
            settings,
            now: Instant::EPOCH,
            transports: HashMap::new(),
            attempts: VecDeque::new(),
            tries: 0,
            closes: VecDeque::new(),
            sent: VecDeque::new(),
            expected: VecDeque::new(),
            refs: Refs::default(),
            params: HashMap::new(),
            channels: Vec::new(),
            calls: HashMap::new(),
            awaited: HashMap::new(),
            disconnected: false,
            fresh: Vec::new(),
            log: Vec::new(),
            rules: BTreeSet::new(),
            frames_compared: 0,
            frames_ruled_out: 0,
        }
    }

    /// Advances the time, with all timeouts of the socket. Frames that these cause must be in the recording.
    pub(crate) fn advance(&mut self, to: Instant) -> Check {
        while let Some(at) = self.socket.poll_timeout().filter(|at| *at <= to) {
            self.now = self.now.max(at);
            self.socket.handle_timeout(self.now);
            self.drain()?;
        }
        self.now = self.now.max(to);
        self.expect_reported(&[])?;
        let overdue = |at: &Instant| *at + TOLERANCE < to;
        if let Some((at, frame)) = self.expected.front().filter(|(at, _)| overdue(at)) {
            return Err(format!("recorded at {at:?}, and not sent by the core: {}", show(frame)));
        }
        if let Some((at, frame, _)) = self.sent.front().filter(|(at, ..)| overdue(at)) {
            return Err(format!("sent by the core at {at:?}, not recorded: {}", show(frame)));
        }
        Ok(())
    }

    /// Performs the socket's actions, takes its reports, and compares its frames.
    pub(crate) fn drain(&mut self) -> Check {
        self.take_outputs()?;
        while !self.sent.is_empty() && !self.expected.is_empty() {
            if let (Some((sent_at, sent, why)), Some((at, recorded))) =
                (self.sent.pop_front(), self.expected.pop_front())
            {
                let in_time = sent_at <= at + TOLERANCE && at <= sent_at + TOLERANCE;
                let in_time = if in_time { Ok(()) } else { Err("at another time".to_owned()) };
                in_time.and_then(|()| self.compare(&sent, why, &recorded)).map_err(|why| {
                    format!(
                        "{why}\n  recorded at {at:?}: {}\n  the core at {sent_at:?}: {}",
                        show(&recorded),
                        show(&sent)
                    )
                })?;
                self.frames_compared += 1;
            }
        }
        Ok(())
    }

    /// As [`drain`](Self::drain), but leaves the sent frames for the caller.
    pub(crate) fn take_outputs(&mut self) -> Check {
        loop {
            while let Some(action) = self.socket.poll_action() {
                self.act(action)?;
            }
            let Some(event) = self.socket.poll_event() else { return Ok(()) };
            let reported = Reported::of(event, &self.socket, |push| {
                let call = self.calls.get_mut(&push).ok_or(format!("{push:?} isn't a call"))?;
                if std::mem::replace(&mut call.done, true) {
                    return Err(format!("{push:?} has a second outcome"));
                }
                Ok(call.kind.clone())
            })?;
            self.log.push((self.now, reported.clone()));
            self.fresh.push(reported);
        }
    }

    fn act(&mut self, action: Action) -> Check {
        match action {
            Action::Connect { transport, attempt: number, .. } => {
                self.attempts.push_back(Attempt { transport, at: self.now, number });
            }
            Action::Send { transport, frame, why, .. } => {
                if !self.transports.values().any(|known| *known == transport) {
                    return Err(format!("a frame for {transport:?}, which never opened"));
                }
                self.sent.push_back((self.now, frame, why));
            }
            Action::Close { transport, code, reason, .. } => {
                self.closes.push_back((transport, code.as_u16(), reason));
            }
            Action::RequestParams { channel, request, .. } => {
                let topic = self.socket.topic(channel).ok_or("params for no channel")?.to_string();
                let params = self.params.get_mut(&topic).and_then(VecDeque::pop_front);
                let params = params.ok_or("the core asked for params of a join too many")?;
                self.socket.handle_params(self.now, request, Some(params));
            }
            action => return Err(format!("not expected in any recording: {action:?}")),
        }
        Ok(())
    }

    /// Compares two frames, up to the names of their refs.
    fn compare(&mut self, sent: &Frame, why: SendReason, recorded: &Frame) -> Check {
        if sent.is_text() != recorded.is_text() {
            return Err("one is text, the other binary".to_owned());
        }
        let (sent, recorded) = (Parts::of_client(sent)?, Parts::of_client(recorded)?);
        if (&sent.topic, &sent.event) != (&recorded.topic, &recorded.event) {
            return Err("another topic or event".to_owned());
        }
        if Content::of(&sent.payload)? != Content::of(&recorded.payload)? {
            return Err("another payload".to_owned());
        }
        let for_a_reason = match (sent.topic.as_str(), sent.event.as_str()) {
            ("phoenix", _) => why == SendReason::Heartbeat,
            (_, "phx_join") => matches!(why, SendReason::Join(_)),
            (_, "phx_leave") => matches!(why, SendReason::Leave(_)),
            _ => matches!(why, SendReason::Push(_)),
        };
        if !for_a_reason {
            return Err(format!("sent on behalf of {why:?}"));
        }
        self.refs.pair(recorded.join_ref.as_deref(), sent.join_ref.as_deref())?;
        self.refs.pair(recorded.reference.as_deref(), sent.reference.as_deref())
    }

    /// Checks that these are the reports since the last comparison, in this order.
    pub(crate) fn expect_reported(&mut self, expected: &[Reported]) -> Check {
        let mut reported = std::mem::take(&mut self.fresh);
        reported.retain(|reported| !reported.follows());
        if reported == expected {
            return Ok(());
        }
        Err(format!("reported {reported:?}\n  instead of {expected:?}"))
    }

    /// Checks the states of the channels with the recording.
    pub(crate) fn expect_states(&self) -> Check {
        for channel in &self.channels {
            let state = self.socket.channel_state(channel.id);
            if state != Some(channel.state) {
                let Channel { topic, state: recorded, .. } = channel;
                return Err(format!("{topic} is {state:?}, not {recorded:?}"));
            }
        }
        Ok(())
    }

    /// Checks at the end of the recording that no frame is left on either side.
    pub(crate) fn finish(&mut self) -> Check {
        self.drain()?;
        self.expect_reported(&[])?;
        self.expect_states()?;
        if let Some((at, frame)) = self.expected.front() {
            return Err(format!("recorded at {at:?}, and not sent by the core: {}", show(frame)));
        }
        if let Some((at, frame, _)) = self.sent.front() {
            return Err(format!("sent by the core at {at:?}, not recorded: {}", show(frame)));
        }
        if let Some(close) = self.closes.front() {
            return Err(format!("closed by the core, not recorded: {close:?}"));
        }
        if self.socket.connection_state() == ConnectionState::Waiting {
            self.advance(self.now + self.settings.reconnect())?;
        }
        match (self.disconnected, self.socket.connection_state(), self.attempts.len()) {
            // The user is gone, or the script is and the core connects again.
            (true, ConnectionState::Closed, 0) | (false, ConnectionState::Connecting, 1) => Ok(()),
            end => Err(format!("disconnected, state, attempts: {end:?}")),
        }
    }
}

/// Returns a frame as text.
pub(crate) fn show(frame: &Frame) -> String {
    match frame {
        Frame::Text(text) => String::from_utf8_lossy(text).into_owned(),
        Frame::Binary(bytes) => format!("binary {}", bytes.escape_ascii()),
    }
}
