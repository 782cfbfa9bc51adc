//! Connections between clients and a server, in memory: packets on their way, and the faults set on them.
//!
//! Sans-IO: its drivers pass the time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
#[cfg(feature = "client")]
use std::fmt;
use std::time::Duration;

use phx_proto::{CloseCause, Frame, Instant, longpoll};

use crate::{Action, ConnectRequest, ExchangeId, Server, SocketId};

mod client_link;
mod faults;
mod in_flight;
mod polling;

pub(crate) use client_link::Alteration;
use client_link::ClientLink;
pub use client_link::{ClientId, Connectivity};
pub(crate) use in_flight::{ConnectionId, Delivery};
use in_flight::{Flights, InFlight, Packet};
use polling::Polling;

#[derive(Debug)]
pub(crate) struct Network {
    server: Server,
    clients: Vec<ClientLink>,
    connections: BTreeMap<ConnectionId, Connection>,
    /// The connection of each of the server's sockets.
    owners: BTreeMap<SocketId, ConnectionId>,
    /// The connection of each request that the server has, and the client's number of it.
    exchanges: BTreeMap<ExchangeId, (ConnectionId, longpoll::ExchangeId)>,
    session_deadlines: BTreeSet<(Instant, ConnectionId)>,
    flights: Flights,
    deliveries: VecDeque<(ConnectionId, Delivery)>,
    made: u64,
}

/// A connection whose end the client hasn't seen.
#[derive(Debug)]
struct Connection {
    client: ClientId,
    /// Of an upgrade that is under way.
    request: Option<ConnectRequest>,
    /// The session in the place of a WebSocket.
    polling: Option<Polling>,
    /// The server's side of it, once the server has accepted it.
    socket: Option<SocketId>,
    opened: bool,
    half_open: bool,
    /// Packets that arrived while the connection is stalled.
    held: Option<VecDeque<InFlight>>,
    /// Number of frames after which it is cut.
    frames_left: Option<u32>,
    /// Arrival of the last packet to the server, and of the last to the client: packets don't overtake.
    last_up: Instant,
    last_down: Instant,
}

/// Rounds in which something may happen at one moment. A flood of frames is one round.
pub(crate) const MAX_ROUNDS: u32 = 1_000_000;

impl Network {
    pub(crate) fn new(server: Server) -> Self {
        Network {
            server,
            clients: Vec::new(),
            connections: BTreeMap::new(),
            owners: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            session_deadlines: BTreeSet::new(),
            flights: Flights::default(),
            deliveries: VecDeque::new(),
            made: 0,
        }
    }

    pub(crate) fn add_client(&mut self) -> ClientId {
        let client = ClientId(self.clients.len());
        self.clients.push(ClientLink::new(client));
        client
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn server_mut(&mut self) -> &mut Server {
        &mut self.server
    }

    /// The server's side of a client's newest connection, if it is open.
    pub(crate) fn server_socket(&self, client: ClientId) -> Option<SocketId> {
        self.newest(client).and_then(|(_, connection)| connection.socket)
    }

    /// Events for clients, in order.
    #[must_use]
    pub(crate) fn poll_delivery(&mut self) -> Option<(ConnectionId, Delivery)> {
        self.deliveries.pop_front()
    }

    #[must_use]
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let sessions = self.session_deadlines.first().map(|(at, _)| *at);
        let network = self.flights.next_arrival().into_iter().chain(sessions);
        network.chain(self.server.poll_timeout()).min()
    }

    /// Performs everything that is due at this moment.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for _ in 0..MAX_ROUNDS {
            let mut happened = false;
            while let Some(action) = self.server.poll_action() {
                happened = true;
                self.serve(now, action);
            }
            while let Some(flight) = self.flights.take_arrived(now) {
                happened = true;
                self.arrive(now, flight);
            }
            if self.server.poll_timeout().is_some_and(|at| at <= now) {
                happened = true;
                self.server.handle_timeout(now);
            }
            happened |= self.ring_sessions(now);
            if !happened {
                return;
            }
        }
        stuck(now);
    }

    fn serve(&mut self, now: Instant, action: Action) {
        let (socket, cargo) = match action {
            Action::Send { socket, frame } => {
                let Some(connection) = self.owners.get(&socket) else { return };
                self.depart(now, *connection, Packet::FrameDown(frame));
                return;
            }
            Action::Close { socket, code, reason } => {
                (socket, Packet::Closed(CloseCause::frame(code, &*reason)))
            }
            Action::Drop { socket } => (socket, Packet::Closed(CloseCause::io("connection reset"))),
            Action::Answer { exchange, answer } => return self.answer(now, exchange, answer),
        };
        if let Some(connection) = self.owners.remove(&socket) {
            self.depart(now, connection, cargo);
        }
    }

    fn depart(&mut self, now: Instant, id: ConnectionId, cargo: Packet) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(line) = self.clients.get_mut(connection.client.0) else { return };
        let delay = line.delay();
        let late_by =
            if cargo.is_heartbeat_reply() { line.heartbeats_late_by } else { Duration::ZERO };
        let last = if cargo.is_up() { &mut connection.last_up } else { &mut connection.last_down };
        // A shorter latency than before counts from the last arrival.
        let arrival = (now + delay).max(*last) + late_by;
        // Later packets may overtake one that is late on purpose.
        if late_by.is_zero() {
            *last = arrival;
        }
        self.flights.depart(arrival, InFlight { connection: id, cargo });
    }

    fn arrive(&mut self, now: Instant, flight: InFlight) {
        let id = flight.connection;
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.half_open {
            return;
        }
        if let Some(held) = &mut connection.held {
            held.push_back(flight);
            return;
        }
        if flight.cargo.is_frame()
            && let Some(left) = &mut connection.frames_left
        {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => return self.cut_one(now, id),
            }
        }
        let socket = connection.socket;
        let Some(line) = self.clients.get_mut(connection.client.0) else { return };
        if line.swallows_frames && flight.cargo.is_web_sockets() {
            return;
        }
        if let (Packet::Answer(..), Some(unseen)) = (&flight.cargo, &mut line.unseen) {
            return unseen.push(flight);
        }
        let cargo = line.alter(flight.cargo);
        match (cargo, socket) {
            (Packet::Connect, _) => self.accept(now, id),
            (Packet::FrameUp(frame), Some(socket)) => self.server.handle_frame(now, socket, frame),
            (Packet::CloseUp, Some(socket)) => self.server.handle_close(now, socket),
            (Packet::FrameUp(_) | Packet::CloseUp, None) => {}
            #[cfg(feature = "client")]
            (Packet::LostUp, _) => self.forget(now, id),
            (Packet::Request(asked, request), _) => self.request_arrives(now, id, asked, request),
            (Packet::Answer(asked, answer), _) => self.answer_arrives(now, id, asked, &answer),
            (Packet::Opened, _) => {
                connection.opened = true;
                self.deliveries.push_back((id, Delivery::Opened));
            }
            (Packet::FrameDown(frame), _) => {
                self.deliveries.push_back((id, Delivery::Frame(frame)));
            }
            (Packet::Closed(cause), _) => {
                self.connections.remove(&id);
                self.deliveries.push_back((id, Delivery::Closed(cause)));
            }
        }
    }

    fn accept(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(request) = connection.request.take() else { return };
        let answer = match self.server.connect(now, &request) {
            Ok(accepted) => {
                connection.socket = Some(accepted.socket);
                self.owners.insert(accepted.socket, id);
                Packet::Opened
            }
            Err(refusal) => Packet::Closed(CloseCause::UpgradeRejected(refusal.into())),
        };
        self.depart(now, id, answer);
    }

    /// Ends a connection on the server's side alone.
    fn forget(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else { return };
        if let Some(polling) = connection.polling {
            self.forget_session(now, id, polling);
        } else if let Some(socket) = connection.socket {
            self.owners.remove(&socket);
            self.server.handle_lost(now, socket);
        }
    }

    /// Panics for an unknown client, so that no fault goes unnoticed.
    fn must_be_known(&self, client: ClientId) {
        assert!(client.0 < self.clients.len(), "{client:?} is a client of another simulation");
    }

    fn newest(&self, client: ClientId) -> Option<(&ConnectionId, &Connection)> {
        self.must_be_known(client);
        self.connections.iter().rev().find(|(_, connection)| connection.client == client)
    }

    fn all_of(&mut self, client: ClientId) -> impl Iterator<Item = &mut Connection> {
        self.must_be_known(client);
        self.connections.values_mut().filter(move |connection| connection.client == client)
    }
}

/// For reports of a test that hangs.
#[cfg(feature = "client")]
impl Network {
    /// A line for each client, and one for each of its connections: no payload, and no param.
    pub(crate) fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in self.clients.iter().enumerate() {
            write!(f, "\n  link {number}: {:?}", line.connectivity)?;
            if !line.latency.is_zero() {
                write!(f, ", latency {:?}", line.latency)?;
            }
            let connections = self.connections.values();
            for connection in connections.filter(|it| it.client == ClientId(number)) {
                self.describe_connection(connection, f)?;
            }
        }
        Ok(())
    }

    fn describe_connection(
        &self,
        connection: &Connection,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let kind = if connection.polling.is_some() { "session" } else { "connection" };
        let state = if connection.opened { "open" } else { "connecting" };
        write!(f, "\n    a {kind}, {state}")?;
        if connection.half_open {
            f.write_str(", half-open")?;
        }
        if let Some(held) = &connection.held {
            write!(f, ", stalled with {} held back", held.len())?;
        }
        if let Some(socket) = connection.socket {
            let topics: Vec<_> = self.server.topics(socket).map(|topic| &**topic).collect();
            write!(f, ", joined: [{}]", topics.join(", "))?;
        }
        let (up, down) = (connection.last_up, connection.last_down);
        write!(
            f,
            ", sent last at {:?}, received last at {:?}",
            up.since_epoch(),
            down.since_epoch()
        )
    }
}

/// Actions of clients.
impl Network {
    pub(crate) fn connect(
        &mut self,
        now: Instant,
        client: ClientId,
        request: ConnectRequest,
    ) -> ConnectionId {
        let id = self.add_connection(now, client, Some(request), None);
        let Some(line) = self.clients.get_mut(client.0) else { return id };
        let cargo = match line.connectivity {
            Connectivity::Silent => return id,
            Connectivity::Offline => Packet::Closed(CloseCause::io("connection refused")),
            Connectivity::Online => match line.refusals.pop_front() {
                Some(refusal) => Packet::Closed(CloseCause::UpgradeRejected(refusal.into())),
                None => Packet::Connect,
            },
        };
        self.depart(now, id, cargo);
        id
    }

    fn add_connection(
        &mut self,
        now: Instant,
        client: ClientId,
        request: Option<ConnectRequest>,
        polling: Option<Polling>,
    ) -> ConnectionId {
        self.made += 1;
        let id = ConnectionId(self.made);
        let connection = Connection {
            client,
            request,
            polling,
            socket: None,
            opened: false,
            half_open: false,
            held: None,
            frames_left: None,
            last_up: now,
            last_down: now,
        };
        self.connections.insert(id, connection);
        id
    }

    /// Sends a frame. One of a session leaves with the next [flush](Self::flush).
    pub(crate) fn send(&mut self, now: Instant, id: ConnectionId, frame: Frame) {
        match self.connections.get_mut(&id).and_then(|connection| connection.polling.as_mut()) {
            Some(polling) => Network::send_over_session(polling, frame),
            None => self.depart(now, id, Packet::FrameUp(frame)),
        }
    }

    /// Closes a connection: an open one waits for the server's close frame, an attempt to connect just ends.
    /// Returns false if the client won't see an end, since the connection is half-open.
    pub(crate) fn close(&mut self, now: Instant, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get(&id) else { return false };
        if connection.polling.is_some() {
            // Its client's part is done when its requests are given up.
            self.close_session(now, id);
            return true;
        }
        if connection.half_open {
            self.connections.remove(&id);
            return false;
        }
        if connection.socket.is_some() {
            self.depart(now, id, Packet::CloseUp);
        } else {
            self.connections.remove(&id);
            let abandoned = CloseCause::io("abandoned");
            self.deliveries.push_back((id, Delivery::Closed(abandoned)));
        }
        true
    }

    /// Forgets a connection whose client side was dropped.
    #[cfg(feature = "client")]
    pub(crate) fn abandon(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else { return };
        if connection.polling.is_some() {
            self.forget(now, id);
        } else if connection.half_open {
            self.connections.remove(&id);
        } else {
            self.depart(now, id, Packet::LostUp);
        }
    }
}

#[expect(clippy::panic, reason = "documented: a test that can't go on must not hang")]
pub(crate) fn stuck(now: Instant) -> ! {
    panic!("at {now:?} things happen again and again without time passing")
}
