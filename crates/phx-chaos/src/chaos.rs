//! The driver and its record of the session.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use phx_proto::{
    ChannelId, CloseCause, CloseCode, ClosePolicy, Config, ConnectionState, Event, Instant,
    Message, ParamsRequestId, Payload, PushOverflow, Ref, RejoinPolicy, RequestId, Serializer,
    Socket, TransportId, V1, V1Server, V2, V2Server,
};

use crate::choices::Choices;

/// Options of a session.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "for tests, which name all of it")]
pub struct Options {
    /// Seed of the choices and of the socket's jitter.
    pub seed: u64,
    /// Polls everything after every step; otherwise only now and then.
    pub drains: bool,
    /// Sends inputs of old transports as well. Everything else is the same as without.
    pub stale_inputs: bool,
    /// Moves time from timeout to timeout; otherwise past them.
    pub punctual: bool,
    /// Polls the socket and gives it the time more often than it needs. Everything is the same as without if it
    /// `drains` and is `punctual`.
    pub extra_polls: bool,
    /// Logs all actions and events.
    pub logs: bool,
}

impl Options {
    /// A seed, and every second one drains.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Options { seed, drains: seed.is_multiple_of(2), ..Options::default() }
    }
}

/// A driver that does everything in any order.
#[derive(Debug)]
pub struct Chaos {
    /// The socket under test.
    pub socket: Socket,
    /// All actions and events, if `logs` is set.
    pub log: String,
    pub(crate) options: Options,
    pub(crate) choices: Choices,
    pub(crate) now: Instant,
    pub(crate) server: &'static dyn Serializer,
    /// True if the network and the server mostly work.
    pub(crate) kind: bool,
    pub(crate) seen: Seen,
}

/// Calls, inputs and outputs so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) channels: VecDeque<ChannelId>,
    pub(crate) sent: VecDeque<Message>,
    /// Messages that a kind server will reply to.
    pub(crate) unanswered: Vec<Message>,
    pub(crate) transports: Vec<TransportId>,
    pub(crate) requests: VecDeque<ParamsRequestId>,
    pub(crate) calls: HashMap<RequestId, Call>,
    pub(crate) recent_calls: VecDeque<RequestId>,
    pub(crate) opened: HashSet<TransportId>,
    pub(crate) closed: HashSet<TransportId>,
    pub(crate) closes: HashSet<TransportId>,
    pub(crate) joined: HashSet<ChannelId>,
    pub(crate) ever_joined: HashSet<ChannelId>,
    /// Number of joins after a close less the number of closes, by channel.
    pub(crate) lives: HashMap<ChannelId, i32>,
    pub(crate) joins_sent: HashSet<(TransportId, Ref)>,
    pub(crate) last_push_sent: HashMap<ChannelId, RequestId>,
    /// True if the user wants a connection.
    pub(crate) wanted: bool,
    /// True if events were dropped: reports are incomplete then.
    pub(crate) missed_events: bool,
}

/// A call that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) channel: ChannelId,
    /// True if the outcome has come.
    pub(crate) is_done: bool,
}

/// Small limits, so that they are reached, and a mixture of settings.
fn config(choices: &mut Choices) -> Config {
    let mut config = Config::default();
    config.serializer = if choices.once_in(4) { Arc::new(V1) } else { Arc::new(V2) };
    config.max_channels = 6;
    config.max_joins_in_flight = 2;
    config.max_pushes = 24;
    config.max_buffered_pushes = 4;
    config.max_buffered_bytes = 100;
    config.max_frame_size = 400;
    config.max_events = 1_000_000;
    if choices.flag() {
        config.push_overflow = PushOverflow::DropOldest;
    }
    if choices.flag() {
        config.stable_after = Duration::ZERO;
    }
    if choices.flag() {
        config.rejoin_policy = RejoinPolicy::always();
    }
    if choices.flag() {
        config.close_policy = ClosePolicy::always();
    }
    if choices.once_in(4) {
        config.heartbeat_interval = None;
    }
    config
}

impl Chaos {
    /// A session that the seed decides.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let config = config(&mut Choices::Random(Rng::with_seed(options.seed)));
        Chaos::with_config(options, config)
    }

    /// The same with these settings.
    #[must_use]
    pub fn with_config(options: Options, config: Config) -> Self {
        let choices = Choices::Random(Rng::with_seed(options.seed));
        Chaos::with_choices(options, config, choices)
    }

    /// A session that `bytes` decide: its settings first, then a letter for each step, and what the
    /// step needs. They are explained in `fuzz/README.md`.
    #[must_use]
    pub fn given(options: Options, bytes: &[u8]) -> Self {
        let mut choices = Choices::Given { bytes: bytes.to_vec(), next: 0 };
        let mut config = config(&mut choices);
        if choices.once_in(4) {
            config.max_events = 6;
            config.max_event_bytes = 200;
        }
        Chaos::with_choices(options, config, choices)
    }

    fn with_choices(options: Options, config: Config, choices: Choices) -> Self {
        let server: &'static dyn Serializer =
            if config.serializer.vsn() == "1.0.0" { &V1Server } else { &V2Server };
        Chaos {
            socket: Socket::new(config, options.seed),
            options,
            choices,
            kind: !options.seed.is_multiple_of(4),
            now: Instant::EPOCH,
            server,
            seen: Seen::default(),
            log: String::new(),
        }
    }

    /// Does this many steps, or as many as were given.
    pub fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            if self.choices.are_used_up() {
                return;
            }
            self.poll_extra();
            self.step();
            self.poll_extra();
            if self.options.stale_inputs {
                self.send_stale_inputs();
            }
            if self.options.drains {
                self.poll_actions(usize::MAX);
                self.poll_events(usize::MAX);
            }
            self.check();
        }
    }

    /// Ends everything in an orderly way, and checks that nothing is left of it.
    ///
    /// # Panics
    ///
    /// If something is.
    pub fn end(&mut self) {
        self.poll_actions(usize::MAX);
        self.socket.disconnect(self.now, CloseCode::NORMAL, "").unwrap();
        self.seen.wanted = false;
        self.poll_actions(usize::MAX);
        if let Some(&transport) = self.seen.transports.last() {
            self.socket.handle_closed(self.now, transport, CloseCause::io(""));
        }
        for channel in std::mem::take(&mut self.seen.channels) {
            self.socket.remove(self.now, channel);
        }
        self.poll_actions(usize::MAX);
        self.poll_events(usize::MAX);
        assert_eq!(self.socket.connection_state(), ConnectionState::Closed, "{:?}", self.options);
        assert_eq!(self.socket.poll_timeout(), None, "{:?}", self.socket.timeout_reason());
        let open: Vec<_> = self.seen.calls.iter().filter(|(_, call)| !call.is_done).collect();
        assert!(open.is_empty(), "calls without an outcome: {open:?}, {:?}", self.options);
        if !self.seen.missed_events {
            for transport in &self.seen.transports {
                assert!(
                    self.seen.closed.contains(transport),
                    "{transport:?} was never reported closed"
                );
            }
        }
        self.check_that_nothing_is_held();
    }

    /// All that the limits allow can be held again.
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
        assert!(matches!(self.socket.poll_event(), None | Some(Event::RequestDone { .. })));
        for channel in channels {
            assert!(self.socket.remove(self.now, channel));
        }
        while self.socket.poll_event().is_some() {}
        assert_eq!(self.socket.poll_timeout(), None);
        // Settings, counters and empty tables: data left behind by the session would show here.
        let shown = format!("{:?}", self.socket);
        assert!(shown.len() < 6_000, "{} bytes: {shown}", shown.len());
    }

    pub(crate) fn accepted(&mut self, call: RequestId, channel: ChannelId) {
        let old = self.seen.calls.insert(call, Call { channel, is_done: false });
        assert_eq!(old, None, "{call:?} was given twice");
        remember(&mut self.seen.recent_calls, call, 10);
    }
}

/// Appends to a list that keeps the last `most` things.
pub(crate) fn remember<T>(list: &mut VecDeque<T>, thing: T, most: usize) {
    list.push_back(thing);
    if list.len() > most {
        list.pop_front();
    }
}
