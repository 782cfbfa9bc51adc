//! Clients and a server in one process, with a clock that jumps from one event to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use phx_proto::{Config, Event, Frame, Instant, Payload, Socket, TransportId, TransportKind};

use crate::network::{ConnectionId, MAX_ROUNDS, Network, stuck};
use crate::{ClientId, ConnectRequest, Expectations, MismatchError, Server, SocketId};

mod client;
mod clock;
mod driver;
mod faults;

use client::Client;

/// Clients (each a [`Socket`], the client core) and a [`Server`], connected in memory.
///
/// The clock stands still until [`advance`](Simulation::advance) or a wait for an event moves it,
/// and then jumps from one thing that happens to the next: waiting for a heartbeat takes no time.
/// Equal programs give equal runs. Faults are commands: [`cut`](Simulation::cut),
/// [`half_open`](Simulation::half_open), [`stall`](Simulation::stall),
/// [`block_sends`](Simulation::block_sends),
/// [`set_latency`](Simulation::set_latency), [`set_jitter`](Simulation::set_jitter),
/// [`refuse_next`](Simulation::refuse_next), [`set_connectivity`](Simulation::set_connectivity),
/// [`inject`](Simulation::inject), [`alter_next_sent`](Simulation::alter_next_sent),
/// [`alter_next_received`](Simulation::alter_next_received), [`cut_after`](Simulation::cut_after),
/// [`close`](Simulation::close), [`suspend`](Simulation::suspend) and clocks that jump
/// ([forwards](Simulation::set_clock_ahead), [back](Simulation::set_clock_back)).
///
/// # Panics
///
/// If a [`ClientId`] of another simulation is passed that isn't known here, or if the clock can't move on because
/// events repeat at one moment.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use phx_proto::{Config, Event, Payload};
/// use phx_testing::{Simulation, demo_server};
///
/// let mut sim = Simulation::new(demo_server().build());
/// let ann = sim.client(Config::default());
/// sim.with(ann, |socket, now| {
///     socket.connect(now);
///     let room = socket.channel("room:lobby", Payload::empty())?;
///     socket.join(now, room, None)?;
///     Ok::<_, Box<dyn std::error::Error>>(room)
/// })?;
/// let joined = sim.find_event(ann, Duration::from_secs(1), |event| {
///     matches!(event, Event::Joined { .. })
/// });
/// assert!(joined.is_some());
///
/// sim.cut(ann);
/// let rejoined = sim.find_event(ann, Duration::from_secs(30), |event| {
///     matches!(event, Event::Joined { rejoined: true, .. })
/// });
/// assert!(rejoined.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Simulation {
    now: Instant,
    network: Network,
    clients: Vec<Client>,
    /// Whose each connection is.
    owners: BTreeMap<ConnectionId, (ClientId, TransportId)>,
    /// Clients whose core was called and hasn't been polled since.
    touched: BTreeSet<ClientId>,
    /// Time of each core's next timeout.
    alarms: BTreeSet<(Instant, ClientId)>,
}

impl Simulation {
    /// Creates a simulation with a server and no clients, at [`Instant::EPOCH`].
    #[must_use]
    pub fn new(server: Server) -> Self {
        Simulation {
            now: Instant::EPOCH,
            network: Network::new(server),
            clients: Vec::new(),
            owners: BTreeMap::new(),
            touched: BTreeSet::new(),
            alarms: BTreeSet::new(),
        }
    }

    /// Adds a client whose requests go to `/socket/websocket` with its serializer's `vsn`. Its seed
    /// is its number, so clients differ in their jitter.
    pub fn client(&mut self, config: Config) -> ClientId {
        self.client_by(config, Socket::new)
    }

    /// The same, of a client whose core `make` makes from the configuration and the seed: one that is recorded, for one.
    pub fn client_by(
        &mut self,
        config: Config,
        make: impl FnOnce(Config, u64) -> Socket,
    ) -> ClientId {
        let path = format!("/socket/websocket?vsn={}", config.serializer.vsn());
        self.add_client(ConnectRequest::new(&path), |seed| make(config, seed))
    }

    /// Adds a client that makes this request at each attempt to connect; it must contain `vsn`.
    pub fn client_with(&mut self, config: Config, request: ConnectRequest) -> ClientId {
        self.add_client(request, |seed| Socket::new(config, seed))
    }

    fn add_client(
        &mut self,
        request: ConnectRequest,
        make: impl FnOnce(u64) -> Socket,
    ) -> ClientId {
        let id = self.network.add_client();
        let seed = u64::try_from(id.0).unwrap_or(u64::MAX);
        self.clients.push(Client::new(make(seed), request));
        id
    }

    /// Sets the kind of transport of the client's attempts to connect from now on. Default: a WebSocket. Faults that
    /// alter frames don't apply to the requests of long-poll.
    pub fn set_transport(&mut self, client: ClientId, transport: TransportKind) {
        self.at_mut(client).transport = transport;
    }

    /// Returns the simulation's time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Returns a client's core.
    #[must_use]
    pub fn socket(&self, client: ClientId) -> &Socket {
        &self.at(client).socket
    }

    /// Calls a client's core with the time of its clock, and performs all that follows at this moment.
    ///
    /// # Panics
    ///
    /// If the client is [suspended](Simulation::suspend).
    pub fn with<T>(&mut self, client: ClientId, f: impl FnOnce(&mut Socket, Instant) -> T) -> T {
        let now = self.now;
        let called = self.at_mut(client);
        assert!(called.held.is_none(), "{client:?} is suspended: its program stands still");
        let now = called.clock.read(now);
        let result = f(&mut called.socket, now);
        self.touched.insert(client);
        self.settle();
        result
    }

    /// Returns the server.
    #[must_use]
    pub fn server(&self) -> &Server {
        self.network.server()
    }

    /// Calls the server, and performs all that follows at this moment.
    pub fn with_server<T>(&mut self, f: impl FnOnce(&mut Server, Instant) -> T) -> T {
        let result = f(self.network.server_mut(), self.now);
        self.settle();
        result
    }

    /// Returns the server's side of a client's connection, if it is open.
    #[must_use]
    pub fn server_socket(&self, client: ClientId) -> Option<SocketId> {
        self.network.server_socket(client)
    }

    /// Returns true if a connection, or an attempt to make one, goes on as far as the client's machine knows: the
    /// client has asked for it, and its end hasn't been reported to the client.
    #[must_use]
    pub fn goes_on(&self, client: ClientId, transport: TransportId) -> bool {
        self.at(client).connections.contains_key(&transport)
    }

    /// Sets the function that makes the params of a client's channels, for those that ask before every join; `None`
    /// is a failure. Default: `{}`.
    pub fn on_params(
        &mut self,
        client: ClientId,
        params: impl FnMut(phx_proto::ChannelId) -> Option<Payload> + Send + 'static,
    ) {
        self.at_mut(client).params = Some(Box::new(params));
    }

    /// Advances the clock by `duration`.
    pub fn advance(&mut self, duration: Duration) {
        let until = self.now + duration;
        self.settle();
        while self.step(until) {}
        self.now = until;
    }

    /// Returns the client's next event, waiting for it for up to `within`.
    pub fn next_event(&mut self, client: ClientId, within: Duration) -> Option<Event> {
        self.find_event(client, within, |_| true)
    }

    /// Returns the client's next event that `wanted` accepts, waiting for it for up to `within`. Earlier ones are
    /// dropped.
    pub fn find_event(
        &mut self,
        client: ClientId,
        within: Duration,
        mut wanted: impl FnMut(&Event) -> bool,
    ) -> Option<Event> {
        let until = self.now + within;
        self.settle();
        loop {
            while let Some(event) = self.at_mut(client).events.pop_front() {
                if wanted(&event) {
                    return Some(event);
                }
            }
            if !self.step(until) {
                self.now = until;
                return None;
            }
        }
    }

    /// Returns the client's events that the test hasn't taken yet.
    pub fn events(&mut self, client: ClientId) -> Vec<Event> {
        self.settle();
        self.at_mut(client).events.drain(..).collect()
    }

    /// Returns the frames that the client has sent since the last call, including lost ones.
    pub fn frames_sent(&mut self, client: ClientId) -> Vec<Frame> {
        self.settle();
        self.at_mut(client).sent.drain(..).collect()
    }

    /// Waits for up to `within` until a script has ended, and checks that it was followed.
    ///
    /// # Errors
    ///
    /// [`MismatchError`] as soon as a message differs from the script, or when an expected one hasn't come by then.
    pub fn verify(
        &mut self,
        expectations: &Expectations,
        within: Duration,
    ) -> Result<(), MismatchError> {
        let until = self.now + within;
        self.settle();
        while !expectations.has_ended() && self.step(until) {}
        if !expectations.has_ended() {
            self.now = until;
        }
        expectations.report(Some(self.now))
    }

    /// Moves the clock to the next event by `until`, and performs it. Returns false, without moving the clock, if
    /// there is none.
    ///
    /// For tests that check everything at each moment; most need [`find_event`](Simulation::find_event).
    pub fn step(&mut self, until: Instant) -> bool {
        let alarm = self.alarms.first().map(|(at, _)| *at);
        let next = alarm.into_iter().chain(self.network.poll_timeout()).min();
        match next.filter(|next| *next <= until) {
            Some(next) => {
                self.now = self.now.max(next);
                self.settle();
                true
            }
            None => false,
        }
    }

    /// Performs everything that happens at this moment.
    fn settle(&mut self) {
        for _ in 0..MAX_ROUNDS {
            self.network.handle_timeout(self.now);
            let mut happened = false;
            while let Some((connection, delivery)) = self.network.poll_delivery() {
                happened = true;
                self.deliver(connection, delivery);
            }
            happened |= self.drain();
            happened |= self.ring();
            if !happened {
                return;
            }
        }
        stuck(self.now);
    }

    fn at(&self, client: ClientId) -> &Client {
        &self.clients[client.0]
    }

    fn at_mut(&mut self, client: ClientId) -> &mut Client {
        &mut self.clients[client.0]
    }
}
