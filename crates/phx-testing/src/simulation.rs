//! Clients and a server in one process, under a clock that jumps from one thing to the next.

use std::collections::BTreeMap;
use std::time::Duration;

use phx_proto::{
    ByteString, CloseCause, CloseCode, Config, Event, Frame, Instant, Payload, Socket, TransportId,
};

use crate::{ConnectRequest, Expectations, Mismatch, Refusal, Server, SocketId};

mod client;
mod driver;
mod flight;

use client::Client;
use flight::Flights;

/// A client in a [`Simulation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(usize);

/// What becomes of a client's attempts to connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connectivity {
    /// They reach the server.
    #[default]
    Online,
    /// They fail, as when a port is closed.
    Offline,
    /// They are never answered, as behind a bad firewall.
    Silent,
}

/// Clients (each a [`Socket`], the client core) and a [`Server`], connected in memory.
///
/// The clock stands still until [`advance`](Simulation::advance) or a wait for an event moves it,
/// and then jumps from one thing that happens to the next: waiting for a heartbeat takes no time.
/// Equal programs give equal runs. Faults are commands: [`cut`](Simulation::cut),
/// [`half_open`](Simulation::half_open), [`stall`](Simulation::stall),
/// [`set_latency`](Simulation::set_latency), [`refuse_next`](Simulation::refuse_next),
/// [`inject`](Simulation::inject), [`set_connectivity`](Simulation::set_connectivity).
///
/// # Panics
///
/// A [`ClientId`] of another simulation panics, if there are fewer clients here. So does a clock
/// that can't move on because something happens again and again at one moment.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use phx_proto::{Config, Event, Payload};
/// use phx_testing::{Simulation, rooms};
///
/// let mut sim = Simulation::new(rooms().build());
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
    server: Server,
    clients: Vec<Client>,
    /// Whose connection each of the server's sockets is.
    owners: BTreeMap<SocketId, (ClientId, TransportId)>,
    flights: Flights,
}

/// Rounds in which something may happen at one moment. A flood of frames is one round.
const MAX_ROUNDS: u32 = 1_000_000;

impl Simulation {
    /// A server without clients, at [`Instant::EPOCH`].
    #[must_use]
    pub fn new(server: Server) -> Self {
        Simulation {
            now: Instant::EPOCH,
            server,
            clients: Vec::new(),
            owners: BTreeMap::new(),
            flights: Flights::default(),
        }
    }

    /// Adds a client whose requests go to `/socket/websocket` with its serializer's `vsn`. Its seed
    /// is its number, so clients differ in their jitter.
    pub fn client(&mut self, config: Config) -> ClientId {
        let path = format!("/socket/websocket?vsn={}", config.serializer.vsn());
        self.client_with(config, ConnectRequest::new(&path))
    }

    /// Adds a client that makes this request at each attempt to connect; `vsn` must be in it.
    pub fn client_with(&mut self, config: Config, request: ConnectRequest) -> ClientId {
        let id = ClientId(self.clients.len());
        let seed = u64::try_from(id.0).unwrap_or(u64::MAX);
        self.clients.push(Client::new(Socket::new(config, seed), request));
        id
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// A client's core.
    #[must_use]
    pub fn socket(&self, client: ClientId) -> &Socket {
        &self.at(client).socket
    }

    /// Calls a client's core, and lets what follows at this moment happen.
    pub fn with<T>(&mut self, client: ClientId, f: impl FnOnce(&mut Socket, Instant) -> T) -> T {
        let now = self.now;
        let result = f(&mut self.at_mut(client).socket, now);
        self.settle();
        result
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Calls the server, and lets what follows at this moment happen.
    pub fn with_server<T>(&mut self, f: impl FnOnce(&mut Server, Instant) -> T) -> T {
        let result = f(&mut self.server, self.now);
        self.settle();
        result
    }

    /// The server's side of a client's connection, if it is open.
    #[must_use]
    pub fn server_socket(&self, client: ClientId) -> Option<SocketId> {
        self.at(client).connections.values().next_back()?.socket
    }

    /// Makes the params of a client's channels, for those that ask before every join; `None` means
    /// that they couldn't be made. Without it they are `{}`.
    pub fn on_params(
        &mut self,
        client: ClientId,
        params: impl FnMut(phx_proto::ChannelId) -> Option<Payload> + Send + 'static,
    ) {
        self.at_mut(client).params = Some(Box::new(params));
    }

    /// Lets time pass.
    pub fn advance(&mut self, duration: Duration) {
        let until = self.now + duration;
        self.settle();
        while self.step(until) {}
        self.now = until;
    }

    /// The client's next event, waiting for it for up to `within`.
    pub fn next_event(&mut self, client: ClientId, within: Duration) -> Option<Event> {
        self.find_event(client, within, |_| true)
    }

    /// The client's next event that is wanted, waiting for it for up to `within`. Those before it
    /// are dropped.
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

    /// The client's events that haven't been taken yet.
    pub fn events(&mut self, client: ClientId) -> Vec<Event> {
        self.settle();
        self.at_mut(client).events.drain(..).collect()
    }

    /// The frames that the client has sent since this was asked last, whether they arrive or not.
    pub fn frames_sent(&mut self, client: ClientId) -> Vec<Frame> {
        self.settle();
        self.at_mut(client).sent.drain(..).collect()
    }

    /// Time that everything takes from one side to the other, from now on; what is on its way
    /// arrives first. Default: none.
    pub fn set_latency(&mut self, client: ClientId, latency: Duration) {
        self.at_mut(client).latency = latency;
    }

    /// What becomes of the client's attempts to connect, from now on.
    pub fn set_connectivity(&mut self, client: ClientId, connectivity: Connectivity) {
        self.at_mut(client).connectivity = connectivity;
    }

    /// Has the client's next attempt to connect answered with `refusal`; several queue up.
    pub fn refuse_next(&mut self, client: ClientId, refusal: Refusal) {
        self.at_mut(client).refusals.push_back(refusal);
    }

    /// Cuts the client's connection: both sides notice at once, and what is on its way is lost.
    pub fn cut(&mut self, client: ClientId) {
        let now = self.now;
        for (transport, connection) in std::mem::take(&mut self.at_mut(client).connections) {
            if let Some(socket) = connection.socket {
                self.owners.remove(&socket);
                self.server.handle_lost(now, socket);
            }
            let lost = CloseCause::lost("cut");
            self.at_mut(client).socket.handle_closed(now, transport, lost);
        }
        self.settle();
    }

    /// From now on nothing that is sent over the client's connection arrives, and neither side is
    /// told: what is left of a connection when a cable is pulled.
    pub fn half_open(&mut self, client: ClientId) {
        for connection in self.at_mut(client).connections.values_mut() {
            connection.half_open = true;
        }
    }

    /// Holds back what arrives over the client's connection in either direction, until
    /// [`resume`](Simulation::resume).
    pub fn stall(&mut self, client: ClientId) {
        for connection in self.at_mut(client).connections.values_mut() {
            connection.held.get_or_insert_default();
        }
    }

    /// Ends a [`stall`](Simulation::stall): what was held back arrives now.
    pub fn resume(&mut self, client: ClientId) {
        let connections = self.at_mut(client).connections.values_mut();
        let held: Vec<_> = connections.filter_map(|connection| connection.held.take()).collect();
        for flight in held.into_iter().flatten() {
            self.arrive(flight);
        }
        self.settle();
    }

    /// Has the client receive a frame that its server never sent.
    pub fn inject(&mut self, client: ClientId, frame: Frame) {
        let now = self.now;
        let client = self.at_mut(client);
        if let Some((transport, _)) = client.connections.last_key_value() {
            client.socket.handle_frame(now, *transport, frame);
        }
        self.settle();
    }

    /// Has the server close the client's connection.
    pub fn close(&mut self, client: ClientId, code: CloseCode) {
        if let Some(socket) = self.server_socket(client) {
            self.server.close(self.now, socket, code);
        }
        self.settle();
    }

    /// Has the server close the client's connection with this reason.
    pub fn close_because(
        &mut self,
        client: ClientId,
        code: CloseCode,
        reason: impl Into<ByteString>,
    ) {
        if let Some(socket) = self.server_socket(client) {
            self.server.close_because(self.now, socket, code, reason);
        }
        self.settle();
    }

    /// Waits for up to `within` until a script has ended, and says whether it was followed.
    ///
    /// # Errors
    ///
    /// [`Mismatch`]: what came instead of what was expected, as soon as it came, or what hasn't come
    /// by then.
    pub fn meet(&mut self, expectations: &Expectations, within: Duration) -> Result<(), Mismatch> {
        let until = self.now + within;
        self.settle();
        while !expectations.has_ended() && self.step(until) {}
        if !expectations.has_ended() {
            self.now = until;
        }
        expectations.tell(Some(self.now))
    }

    /// Moves the clock to the next thing that happens by `until`, and lets it happen.
    fn step(&mut self, until: Instant) -> bool {
        let timeouts = self.clients.iter().filter_map(|client| client.socket.poll_timeout());
        let next = timeouts.chain(self.server.poll_timeout()).chain(self.flights.next_arrival());
        match next.min().filter(|next| *next <= until) {
            Some(next) => {
                self.now = self.now.max(next);
                self.settle();
                true
            }
            None => false,
        }
    }

    /// Lets everything happen that happens at this moment.
    fn settle(&mut self) {
        for _ in 0..MAX_ROUNDS {
            let mut happened = self.drain();
            while let Some(flight) = self.flights.take_arrived(self.now) {
                happened = true;
                self.arrive(flight);
            }
            if self.server.poll_timeout().is_some_and(|at| at <= self.now) {
                happened = true;
                self.server.handle_timeout(self.now);
            }
            for client in &mut self.clients {
                if client.socket.poll_timeout().is_some_and(|at| at <= self.now) {
                    happened = true;
                    client.socket.handle_timeout(self.now);
                }
            }
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

#[expect(clippy::panic, reason = "documented: a test that can't go on must not hang")]
fn stuck(now: Instant) -> ! {
    panic!("at {now:?} things happen again and again without time passing")
}
