//! A driver that does everything in any order: what users, transports and servers do, what they
//! shouldn't do, and time that jumps about. It checks after every step what must always hold.

mod inputs;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use phx_proto::{
    Action, ChannelId, CloseCause, CloseCode, Config, ConnectionState, Event, Frame, Instant,
    Message, Params, ParamsRequestId, Payload, PushId, RejoinPolicy, SendReason, Serializer,
    Socket, Status, TransportId, V1, V1Server, V2, V2Server, WhenFull,
};

use super::{ms, secs};

/// How a run differs from others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// Decides what happens, and the socket's jitter.
    pub(crate) seed: u64,
    /// Whether everything is polled after every step, or only now and then.
    pub(crate) drains: bool,
    /// Whether facts about old transports are strewn in.
    pub(crate) stale_facts: bool,
    /// Whether all that comes out is written down.
    pub(crate) logs: bool,
}

impl Habits {
    pub(crate) fn new(seed: u64) -> Self {
        Habits { seed, drains: seed.is_multiple_of(2), stale_facts: false, logs: false }
    }
}

const TOPICS: [&str; 4] = ["room:a", "room:b", "presence:a", "x"];
const EVENTS: [&str; 6] = ["msg", "phx_close", "phx_error", "phx_reply", "news", ""];

pub(crate) struct Chaos {
    pub(crate) socket: Socket,
    habits: Habits,
    rng: Rng,
    now: Instant,
    server: &'static dyn Serializer,
    channels: VecDeque<ChannelId>,
    sent: VecDeque<Message>,
    /// Whether the network and the server mostly do what they should.
    kind: bool,
    /// What a kind server is going to reply to.
    unanswered: Vec<Message>,
    transports: Vec<TransportId>,
    requests: VecDeque<ParamsRequestId>,
    /// Calls that were accepted, by whether their outcome has come.
    calls: HashMap<PushId, bool>,
    opened: HashSet<TransportId>,
    closed: HashSet<TransportId>,
    closes: HashSet<TransportId>,
    joined: HashSet<ChannelId>,
    ever_joined: HashSet<ChannelId>,
    ended: HashSet<ChannelId>,
    last_push_sent: HashMap<ChannelId, PushId>,
    pushed_on: HashMap<PushId, ChannelId>,
    /// Whether the user wants a connection.
    wanted: bool,
    pub(crate) log: String,
}

/// Small limits, so that they are reached, and a mixture of settings.
fn config(rng: &mut Rng) -> Config {
    let mut config = Config::default();
    if rng.u8(..4) == 0 {
        config.serializer = Arc::new(V1);
    } else {
        config.serializer = Arc::new(V2);
    }
    config.max_channels = 6;
    config.max_pushes = 24;
    config.max_buffered_pushes = 4;
    config.max_buffered_bytes = 100;
    config.max_frame_size = 400;
    config.max_events = 1_000_000;
    if rng.bool() {
        config.when_full = WhenFull::EvictOldest;
    }
    if rng.bool() {
        config.stable_after = Duration::ZERO;
    }
    if rng.bool() {
        config.rejoin_policy = RejoinPolicy::always();
    }
    if rng.u8(..4) == 0 {
        config.heartbeat_interval = None;
    }
    config
}

impl Chaos {
    pub(crate) fn new(habits: Habits) -> Self {
        let mut rng = Rng::with_seed(habits.seed);
        let config = config(&mut rng);
        Chaos::with_config(habits, config)
    }

    pub(crate) fn with_config(habits: Habits, config: Config) -> Self {
        let server: &'static dyn Serializer =
            if config.serializer.vsn() == "1.0.0" { &V1Server } else { &V2Server };
        Chaos {
            socket: Socket::new(config, habits.seed),
            habits,
            rng: Rng::with_seed(habits.seed),
            kind: !habits.seed.is_multiple_of(4),
            unanswered: Vec::new(),
            now: Instant::EPOCH,
            server,
            channels: VecDeque::new(),
            sent: VecDeque::new(),
            transports: Vec::new(),
            requests: VecDeque::new(),
            calls: HashMap::new(),
            opened: HashSet::new(),
            closed: HashSet::new(),
            closes: HashSet::new(),
            joined: HashSet::new(),
            ever_joined: HashSet::new(),
            ended: HashSet::new(),
            last_push_sent: HashMap::new(),
            pushed_on: HashMap::new(),
            wanted: false,
            log: String::new(),
        }
    }

    pub(crate) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
            if self.kind && self.rng.bool() {
                self.be_kind();
            }
            if self.habits.stale_facts {
                self.strew_stale_facts();
            }
            if self.habits.drains {
                self.poll_actions(usize::MAX);
                self.poll_events(usize::MAX);
            }
            self.check();
        }
    }

    /// Ends everything in an orderly way, and checks that nothing is left of it.
    pub(crate) fn end(&mut self) {
        self.poll_actions(usize::MAX);
        self.socket.disconnect(self.now, CloseCode::NORMAL, "").unwrap();
        self.wanted = false;
        self.poll_actions(usize::MAX);
        if let Some(&transport) = self.transports.last() {
            self.socket.handle_closed(self.now, transport, CloseCause::lost(""));
        }
        for channel in std::mem::take(&mut self.channels) {
            self.socket.remove(self.now, channel);
        }
        self.poll_actions(usize::MAX);
        self.poll_events(usize::MAX);
        assert_eq!(self.socket.connection_state(), ConnectionState::Closed, "{:?}", self.habits);
        assert_eq!(self.socket.poll_timeout(), None, "{:?}", self.socket.timeout_reason());
        let open: Vec<_> = self.calls.iter().filter(|(_, done)| !**done).collect();
        assert!(open.is_empty(), "calls without an outcome: {open:?}, {:?}", self.habits);
        for transport in &self.transports {
            assert!(self.closed.contains(transport), "{transport:?} was never reported closed");
        }
        self.check_that_nothing_is_held();
    }

    /// All the room that the limits promise is there.
    fn check_that_nothing_is_held(&mut self) {
        let config = self.socket.config().clone();
        let channels: Vec<_> = (0..config.max_channels)
            .map(|n| self.socket.channel(format!("t{n}"), Payload::empty()).unwrap())
            .collect();
        self.socket.join(self.now, channels[0], None).unwrap();
        let all = config.max_buffered_bytes - 1;
        let large = Payload::binary(vec![0; all]);
        if config.serializer.vsn() == "2.0.0" {
            let push = self.socket.push(self.now, channels[0], "e", large, None).unwrap();
            assert!(self.socket.cancel(push));
        }
        assert!(matches!(self.socket.poll_event(), None | Some(Event::PushDone { .. })));
        for channel in channels {
            assert!(self.socket.remove(self.now, channel));
        }
        while self.socket.poll_event().is_some() {}
        assert_eq!(self.socket.poll_timeout(), None);
    }

    fn step(&mut self) {
        let now = self.now;
        let choice = self.rng.u8(..40);
        let breaks_off = matches!(choice, 3 | 4 | 31);
        if self.kind && breaks_off && self.rng.u8(..8) > 0 {
            return;
        }
        match choice {
            0..=2 => {
                self.socket.connect(now);
                self.wanted = true;
                let state = self.socket.connection_state();
                assert!(
                    matches!(state, ConnectionState::Connecting | ConnectionState::Open),
                    "connect always acts: {state:?}"
                );
            }
            3 => {
                self.socket.disconnect(now, CloseCode::from_u16(4000), "x").unwrap();
                self.wanted = false;
                let state = self.socket.connection_state();
                assert!(
                    matches!(state, ConnectionState::Closed | ConnectionState::Closing),
                    "disconnect always wins: {state:?}"
                );
            }
            4 => {
                self.socket.reconnect_now(now);
            }
            5..=7 => self.make_channel(),
            8 => {
                if let Some(channel) = self.any_channel() {
                    self.socket.remove(now, channel);
                }
            }
            9..=11 => {
                if let Some(channel) = self.any_channel() {
                    let timeout = self.any_timeout();
                    if let Ok(call) = self.socket.join(now, channel, timeout) {
                        self.accepted(call);
                    }
                }
            }
            12..=17 => self.push(),
            18 => {
                if let Some(channel) = self.any_channel() {
                    let timeout = self.any_timeout();
                    if let Ok(call) = self.socket.leave(now, channel, timeout) {
                        self.accepted(call);
                    }
                }
            }
            19 => {
                let mut calls: Vec<_> = self.calls.keys().copied().collect();
                calls.sort();
                if let Some(call) = self.rng.choice(calls.into_iter().rev().take(10)) {
                    self.socket.cancel(call);
                }
            }
            20 => drop(self.socket.ping(now)),
            21..=23 => {
                if let Some(transport) = self.any_transport() {
                    self.socket.handle_opened(now, transport);
                }
            }
            24..=30 => {
                if let Some(transport) = self.any_transport() {
                    let frame = self.any_frame();
                    self.socket.handle_frame(now, transport, frame);
                }
            }
            31 => {
                if let Some(transport) = self.any_transport() {
                    let cause = self.any_cause();
                    self.socket.handle_closed(now, transport, cause);
                }
            }
            32 => {
                if let Some(request) = self.rng.choice(self.requests.iter().copied()) {
                    let params = self.rng.bool().then(|| self.any_payload());
                    self.socket.handle_params(now, request, params);
                }
            }
            33..=35 => self.let_time_pass(),
            36..=37 => {
                let count = self.rng.usize(..6);
                self.poll_actions(count);
            }
            38 => {
                let action = self.socket.poll_control();
                assert!(!matches!(action, Some(Action::Send { .. })), "never a frame");
                if let Some(action) = action {
                    self.note_action(action);
                }
            }
            _ => {
                let count = self.rng.usize(..20);
                self.poll_events(count);
            }
        }
    }

    /// The transport opens, and the server accepts whatever came since.
    fn be_kind(&mut self) {
        self.poll_actions(usize::MAX);
        let Some(&transport) = self.transports.last() else { return };
        self.socket.handle_opened(self.now, transport);
        self.poll_actions(usize::MAX);
        for request in std::mem::take(&mut self.requests) {
            self.socket.handle_params(self.now, request, Some(Payload::empty()));
        }
        if let Some(channel) = self.any_channel()
            && let Ok(call) = self.socket.join(self.now, channel, None)
        {
            self.accepted(call);
            self.poll_actions(usize::MAX);
        }
        for sent in std::mem::take(&mut self.unanswered) {
            if self.rng.u8(..4) > 0 {
                let reply =
                    Message::reply(sent.topic, sent.reference, Status::Ok, Payload::empty())
                        .with_join_ref(sent.join_ref);
                let frame = self.server.encode(&reply).unwrap();
                self.socket.handle_frame(self.now, transport, frame);
            }
        }
    }

    fn accepted(&mut self, call: PushId) {
        let old = self.calls.insert(call, false);
        assert_eq!(old, None, "{call:?} was given twice");
    }

    fn make_channel(&mut self) {
        let topic = TOPICS[self.rng.usize(..TOPICS.len())];
        let params =
            if self.rng.bool() { Params::OnRequest } else { Params::Fixed(self.any_payload()) };
        let made = if self.rng.u8(..8) == 0 {
            self.socket.replace(self.now, topic, params)
        } else {
            self.socket.channel(topic, params)
        };
        if let Ok(channel) = made {
            self.channels.push_back(channel);
        }
        while self.channels.len() > 12 {
            let oldest = self.channels.pop_front().unwrap();
            self.socket.remove(self.now, oldest);
        }
    }

    fn push(&mut self) {
        let Some(channel) = self.any_channel() else { return };
        let event = EVENTS[self.rng.usize(..EVENTS.len())];
        let payload = self.any_payload();
        let timeout = self.any_timeout();
        match self.socket.push(self.now, channel, event, payload.clone(), timeout) {
            Ok(push) => {
                self.accepted(push);
                self.pushed_on.insert(push, channel);
            }
            Err(error) => {
                assert_eq!(error.event, event);
                assert_eq!(error.payload, payload);
            }
        }
    }

    fn let_time_pass(&mut self) {
        self.now = match self.rng.u8(..8) {
            0..=3 => self.socket.poll_timeout().unwrap_or(self.now),
            4 | 5 => self.now + ms(self.rng.u64(..3_000)),
            6 => self.now + secs(self.rng.u64(..100)),
            _ => {
                let earlier = self.rng.u64(..60);
                Instant::from_epoch(self.now.since_epoch().saturating_sub(secs(earlier)))
            }
        };
        self.socket.handle_timeout(self.now);
        let next = self.socket.poll_timeout();
        assert!(next.is_none_or(|next| next > self.now), "all that was due has fired");
    }

    /// Tells the socket things about every transport but the latest. Draws no random number, so that
    /// a run with these and one without do the same otherwise.
    fn strew_stale_facts(&mut self) {
        let Some((_, old)) = self.transports.split_last() else { return };
        for transport in old.iter().rev().take(3) {
            self.socket.handle_opened(self.now, *transport);
            for frame in [
                "garbage",
                r#"[null,null,"room:a","msg",{}]"#,
                r#"[null,null,"room:a","phx_close",{}]"#,
            ] {
                self.socket.handle_frame(self.now, *transport, Frame::text(frame));
            }
            if let Some(sent) = self.sent.back() {
                let reply = Message::reply(
                    sent.topic.clone(),
                    sent.reference.clone(),
                    Status::Ok,
                    Payload::empty(),
                )
                .with_join_ref(sent.join_ref.clone());
                let frame = self.server.encode(&reply).unwrap();
                self.socket.handle_frame(self.now, *transport, frame);
            }
            self.socket.handle_closed(self.now, *transport, CloseCause::lost("old"));
        }
    }

    fn poll_actions(&mut self, count: usize) {
        for _ in 0..count {
            let Some(action) = self.socket.poll_action() else { return };
            self.note_action(action);
        }
    }

    fn note_action(&mut self, action: Action) {
        if self.habits.logs {
            let contents = match &action {
                Action::Send { frame, .. } => frame.as_bytes().clone(),
                _ => bytes::Bytes::new(),
            };
            writeln!(self.log, "{action:?} {contents:?}").unwrap();
        }
        match action {
            Action::Connect { transport, .. } => {
                assert!(self.wanted, "disconnect always wins");
                assert!(self.transports.iter().all(|old| *old < transport), "{transport:?} again");
                self.transports.push(transport);
            }
            Action::Close { transport, .. } => {
                assert!(self.transports.contains(&transport), "never begun: {transport:?}");
                assert!(self.closes.insert(transport), "{transport:?} closed twice");
            }
            Action::Send { transport, frame, why, .. } => {
                assert_eq!(Some(&transport), self.transports.last(), "sent on an old transport");
                assert!(!self.closes.contains(&transport), "sent after the close");
                if let SendReason::Push(push) = why {
                    let channel = self.pushed_on[&push];
                    let before = self.last_push_sent.insert(channel, push);
                    assert!(before < Some(push), "{push:?} after {before:?}");
                }
                let message = self.server.decode(frame).expect("a frame that the server can read");
                if self.kind {
                    self.unanswered.push(message.clone());
                }
                self.sent.push_back(message);
                if self.sent.len() > 30 {
                    self.sent.pop_front();
                }
            }
            Action::RequestParams { request, .. } => {
                self.requests.push_back(request);
                if self.requests.len() > 8 {
                    self.requests.pop_front();
                }
            }
            other => panic!("unknown action {other:?}"),
        }
    }

    fn poll_events(&mut self, count: usize) {
        for _ in 0..count {
            let Some(event) = self.socket.poll_event() else { return };
            if self.habits.logs {
                writeln!(self.log, "{event:?}").unwrap();
            }
            match event {
                Event::Opened { transport, .. } => {
                    assert!(!self.closed.contains(&transport), "opened after it was closed");
                    assert!(self.opened.insert(transport), "{transport:?} opened twice");
                }
                Event::Closed { transport, was_open, .. } => {
                    assert_eq!(self.opened.contains(&transport), was_open);
                    assert!(self.closed.insert(transport), "{transport:?} closed twice");
                }
                Event::PushDone { push, outcome, .. } => match self.calls.get_mut(&push) {
                    Some(done @ false) => *done = true,
                    other => panic!("{push:?} ended with {outcome:?} but is {other:?}"),
                },
                Event::Joined { channel, rejoined, .. } => {
                    assert!(self.joined.insert(channel), "{channel:?} joined twice");
                    assert_eq!(!self.ever_joined.insert(channel), rejoined);
                }
                Event::ChannelErrored { channel, .. } => {
                    assert!(self.joined.remove(&channel), "{channel:?} wasn't joined");
                }
                Event::JoinFailed { channel, .. } => assert!(!self.joined.contains(&channel)),
                Event::ChannelClosed { channel, .. } => {
                    self.joined.remove(&channel);
                    // Nothing may come after it.
                    assert!(self.ended.insert(channel), "{channel:?} closed twice");
                }
                Event::Message { channel, .. } => {
                    assert!(self.joined.contains(&channel), "a message while not joined");
                }
                Event::EventsLost { .. } => panic!("there was room for all"),
                _ => {}
            }
        }
    }

    fn check(&mut self) {
        let open = self.calls.values().filter(|done| !**done).count();
        assert!(open <= self.socket.config().max_pushes, "{open} calls");
        let latest = self.transports.last();
        match self.socket.connection_state() {
            ConnectionState::Open => assert!(self.wanted && latest.is_some()),
            ConnectionState::Waiting | ConnectionState::Connecting => assert!(self.wanted),
            ConnectionState::Closing => assert!(!self.wanted),
            _ => {}
        }
    }
}
