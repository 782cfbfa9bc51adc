//! Clients and the server talk to each other for a long random time while everything goes wrong
//! that can, and both sides keep their promises.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use phx_proto::{
    ChannelId, ChannelState, CloseCode, Config, ConnectionState, Event, Frame, Payload, PushId,
    ReconnectPolicy, RejoinPolicy, TransportId,
};
use phx_testing::{ClientId, Connectivity, Refusal, Simulation, rooms};

const TOPICS: [&str; 3] = ["room:a", "room:b", "room:c"];
const EVENTS: [&str; 6] = ["echo", "fail", "shout", "whisper", "stop", "crash"];

/// What a client was promised.
#[derive(Default)]
struct Ledger {
    accepted: BTreeSet<PushId>,
    done: BTreeSet<PushId>,
    opened: BTreeSet<TransportId>,
    closed: BTreeSet<TransportId>,
}

struct Session {
    seed: u64,
    rng: fastrand::Rng,
    sim: Simulation,
    clients: BTreeMap<ClientId, Ledger>,
}

impl Session {
    fn new(seed: u64) -> Self {
        let mut sim = Simulation::new(rooms().seed(seed).build());
        let clients = (0..3)
            .map(|_| {
                let mut config = Config::default();
                config.reconnect_policy = ReconnectPolicy::always();
                config.rejoin_policy = RejoinPolicy::always();
                (sim.client(config), Ledger::default())
            })
            .collect();
        Session { seed, rng: fastrand::Rng::with_seed(seed), sim, clients }
    }

    fn run(&mut self) {
        let clients: Vec<_> = self.clients.keys().copied().collect();
        for _ in 0..400 {
            let client = clients[self.rng.usize(0..clients.len())];
            match self.rng.u8(0..40) {
                0..12 => self.use_channel(client),
                12..16 => self.use_socket(client),
                16..20 => self.break_something(client),
                _ => {
                    let milliseconds = self.rng.u64(0..5000);
                    self.sim.advance(Duration::from_millis(milliseconds));
                }
            }
            for client in &clients {
                self.take_events(*client);
            }
        }
        self.settle(&clients);
    }

    fn use_channel(&mut self, client: ClientId) {
        let topic = TOPICS[self.rng.usize(0..TOPICS.len())];
        let event = EVENTS[self.rng.usize(0..EVENTS.len())];
        let what = self.rng.u8(0..8);
        let name = Payload::json(&serde_json::json!({ "name": "ann" })).unwrap_or_default();
        let push = self.sim.with(client, |socket, now| {
            let channel = match socket.channel_of(topic) {
                Some(channel) => channel,
                None => socket.channel(topic, name).ok()?,
            };
            match what {
                0 => socket.leave(now, channel, None).ok(),
                1 => {
                    socket.remove(now, channel);
                    None
                }
                2 | 3 => socket.join(now, channel, None).ok(),
                _ => socket.push(now, channel, event, Payload::empty(), None).ok(),
            }
        });
        self.ledger(client).accepted.extend(push);
    }

    fn use_socket(&mut self, client: ClientId) {
        let what = self.rng.u8(0..8);
        self.sim.with(client, |socket, now| match what {
            0 => drop(socket.disconnect(now, CloseCode::NORMAL, "")),
            1 => {
                socket.reconnect_now(now);
            }
            2 => drop(socket.ping(now)),
            _ => socket.connect(now),
        });
    }

    fn break_something(&mut self, client: ClientId) {
        let latency = Duration::from_millis(self.rng.u64(0..2000));
        let garbage: Vec<u8> = (0..self.rng.usize(0..30)).map(|_| self.rng.u8(..)).collect();
        match self.rng.u8(0..12) {
            0 => self.sim.cut(client),
            1 => self.sim.half_open(client),
            2 => self.sim.stall(client),
            3 | 4 => self.sim.resume(client),
            5 => self.sim.set_latency(client, latency),
            6 => self.sim.refuse_next(client, Refusal::new(503)),
            7 => self.sim.inject(client, Frame::text(garbage)),
            8 => self.sim.inject(client, Frame::binary(garbage)),
            9 => self.sim.close(client, CloseCode::RESTART),
            10 => self.sim.set_connectivity(client, Connectivity::Offline),
            _ => self.sim.set_connectivity(client, Connectivity::Online),
        }
    }

    fn take_events(&mut self, client: ClientId) {
        let seed = self.seed;
        for event in self.sim.events(client) {
            let ledger = self.ledger(client);
            match event {
                Event::PushDone { push, .. } => {
                    assert!(ledger.done.insert(push), "seed {seed}: two outcomes of {push:?}");
                }
                Event::Opened { transport, .. } => {
                    assert!(ledger.opened.insert(transport), "seed {seed}: {transport:?} twice");
                }
                Event::Closed { transport, .. } => {
                    assert!(ledger.closed.insert(transport), "seed {seed}: {transport:?} twice");
                }
                Event::EventsLost { .. } => panic!("seed {seed}: events were lost"),
                _ => {}
            }
        }
    }

    /// Everything works again, and after a while all is as it should be.
    fn settle(&mut self, clients: &[ClientId]) {
        let seed = self.seed;
        for client in clients {
            self.sim.resume(*client);
            self.sim.set_connectivity(*client, Connectivity::Online);
            self.sim.set_latency(*client, Duration::from_millis(20));
            self.sim.with(*client, |socket, now| socket.connect(now));
        }
        self.sim.advance(Duration::from_secs(900));
        for client in clients {
            self.take_events(*client);
            let socket = self.sim.socket(*client);
            assert_eq!(socket.connection_state(), ConnectionState::Open, "seed {seed}");
            let joined: BTreeSet<_> = TOPICS
                .into_iter()
                .filter(|topic| {
                    let state = |channel: ChannelId| socket.channel_state(channel);
                    let state = socket.channel_of(topic).and_then(state);
                    assert!(
                        matches!(
                            state,
                            None | Some(
                                ChannelState::New | ChannelState::Joined | ChannelState::Closed
                            )
                        ),
                        "seed {seed}: {topic} is {state:?}",
                    );
                    state == Some(ChannelState::Joined)
                })
                .collect();
            let theirs = self.sim.server_socket(*client);
            let theirs = theirs.into_iter().flat_map(|socket| self.sim.server().topics(socket));
            assert_eq!(
                theirs.map(|topic| &**topic).collect::<BTreeSet<_>>(),
                joined,
                "seed {seed}"
            );
            let ledger = &self.clients[client];
            assert!(ledger.accepted.is_subset(&ledger.done), "seed {seed}: a push without outcome");
            let open: Vec<_> = ledger.opened.difference(&ledger.closed).collect();
            assert_eq!(open.len(), 1, "seed {seed}: open transports");
        }
        let sockets = self.sim.server().sockets().count();
        assert_eq!(sockets, clients.len(), "seed {seed}: connections on the server");
    }

    fn ledger(&mut self, client: ClientId) -> &mut Ledger {
        self.clients.entry(client).or_default()
    }
}

#[test]
fn both_sides_keep_their_promises() {
    let mut outcomes = 0;
    for seed in 0..100 {
        let mut session = Session::new(seed);
        session.run();
        outcomes += session.clients.values().map(|ledger| ledger.done.len()).sum::<usize>();
    }
    assert!(outcomes > 2_000, "{outcomes} outcomes are too few to mean anything");
}
