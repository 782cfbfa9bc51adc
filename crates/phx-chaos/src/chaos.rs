//! The driver of a session, and its record.

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
    /// True to poll everything after every step; otherwise polls are steps.
    pub drains: bool,
    /// True to add inputs of old transports, which must change nothing.
    pub stale_inputs: bool,
    /// True to move time from timeout to timeout; otherwise past them.
    pub punctual: bool,
    /// True to add polls and timeouts between the steps, which must change nothing if `drains` and `punctual` are
    /// set.
    pub extra_polls: bool,
    /// True to log all actions and events.
    pub logs: bool,
}

impl Options {
    /// Creates the options of a seed. Every second seed drains.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Options { seed, drains: seed.is_multiple_of(2), ..Options::default() }
    }
}

/// A driver that makes any calls and inputs in any order.
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
    /// True if the network and the server work most of the time.
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
    /// Those that opened with limits and without heartbeats.
    pub(crate) narrow: HashSet<TransportId>,
    /// Pings that were accepted, less the heartbeats sent on narrow transports.
    pub(crate) pings: u64,
    pub(crate) requests: VecDeque<ParamsRequestId>,
    pub(crate) calls: HashMap<RequestId, Call>,
    pub(crate) recent_calls: VecDeque<RequestId>,
    pub(crate) opened: HashSet<TransportId>,
    pub(crate) closed: HashSet<TransportId>,
    pub(crate) closes: HashSet<TransportId>,
    pub(crate) joined: HashSet<ChannelId>,
    pub(crate) ever_joined: HashSet<ChannelId>,
    /// Number of joins after a close less the number of closes, by channel: 0, or -1 for a closed one.
    pub(crate) lives: HashMap<ChannelId, i32>,
    pub(crate) joins_sent: HashSet<(TransportId, Ref)>,
    pub(crate) last_push_sent: HashMap<ChannelId, RequestId>,
    /// True if the user wants a connection.
    pub(crate) wanted: bool,
    /// True if events were dropped: reports are incomplete then.
    pub(crate) missed_events: bool,
}

/// An accepted call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) channel: ChannelId,
    /// True if its outcome was reported.
    pub(crate) is_done: bool,
}

/// Chooses settings, with limits so small that they are reached.
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
    /// Creates a session whose choices come from the seed.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let config = config(&mut Choices::Random(Rng::with_seed(options.seed)));
        Chaos::with_config(options, config)
    }

    /// As [`new`](Self::new), with these settings.
    #[must_use]
    pub fn with_config(options: Options, config: Config) -> Self {
        let choices = Choices::Random(Rng::with_seed(options.seed));
        Chaos::with_choices(options, config, choices)
    }

    /// Creates a session whose choices come from `bytes`: settings, then steps, a letter and its arguments each.
    /// `fuzz/README.md` describes the format.
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

    /// Runs up to this many steps; fewer if the bytes end.
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
    /// If anything is left.
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

    /// Checks that the socket can hold again as much as its limits allow.
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
        // Settings, counters and empty tables: data left by the session would make it longer.
        let shown = format!("{:?}", self.socket);
        assert!(shown.len() < 6_000, "{} bytes: {shown}", shown.len());
    }

    pub(crate) fn accepted(&mut self, call: RequestId, channel: ChannelId) {
        let old = self.seen.calls.insert(call, Call { channel, is_done: false });
        assert_eq!(old, None, "{call:?} was given twice");
        remember(&mut self.seen.recent_calls, call, 10);
    }
}

/// Appends to a list that keeps the last `most` items.
pub(crate) fn remember<T>(list: &mut VecDeque<T>, thing: T, most: usize) {
    list.push_back(thing);
    if list.len() > most {
        list.pop_front();
    }
}
