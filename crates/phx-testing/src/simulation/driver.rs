//! Carries out what the machines ask for, and delivers what arrives.

use phx_proto::{Action as ClientAction, CloseCause, Payload, TransportId};

use super::client::Connection;
use super::flight::{Cargo, Flight};
use super::{ClientId, Connectivity, Simulation};
use crate::{Action, SocketId};

impl Simulation {
    /// Does what the machines ask for; whether they asked for anything.
    pub(super) fn drain(&mut self) -> bool {
        let mut happened = false;
        while let Some(action) = self.server.poll_action() {
            happened = true;
            self.serve(action);
        }
        for client in (0..self.clients.len()).map(ClientId) {
            while let Some(action) = self.at_mut(client).socket.poll_action() {
                happened = true;
                self.act(client, action);
            }
            let client = self.at_mut(client);
            while let Some(event) = client.socket.poll_event() {
                happened = true;
                client.events.push_back(event);
            }
        }
        happened
    }

    fn serve(&mut self, action: Action) {
        match action {
            Action::Send { socket, frame } => self.send_down(socket, Cargo::FrameDown(frame)),
            Action::Close { socket, code, reason } => {
                self.send_down(socket, Cargo::Closed(CloseCause::frame(code, &*reason)));
                self.owners.remove(&socket);
            }
            Action::Drop { socket } => {
                self.send_down(socket, Cargo::Closed(CloseCause::lost("connection reset")));
                self.owners.remove(&socket);
            }
        }
    }

    fn send_down(&mut self, socket: SocketId, cargo: Cargo) {
        let Some((client, transport)) = self.owners.get(&socket).copied() else { return };
        self.depart(client, transport, cargo);
    }

    fn act(&mut self, client: ClientId, action: ClientAction) {
        match action {
            ClientAction::Connect { transport, .. } => self.connect(client, transport),
            ClientAction::Send { transport, frame, .. } => {
                self.at_mut(client).sent.push(frame.clone());
                self.depart(client, transport, Cargo::FrameUp(frame));
            }
            ClientAction::Close { transport, .. } => self.close_from(client, transport),
            ClientAction::RequestParams { channel, request, .. } => {
                let now = self.now;
                let client = self.at_mut(client);
                let params = match &mut client.params {
                    Some(params) => params(channel),
                    None => Some(Payload::empty()),
                };
                client.socket.handle_params(now, request, params);
            }
            _ => {}
        }
    }

    fn connect(&mut self, id: ClientId, transport: TransportId) {
        let client = self.at_mut(id);
        client.connections.insert(transport, Connection::default());
        let connectivity = client.connectivity;
        let refusal = match connectivity {
            Connectivity::Online => client.refusals.pop_front(),
            Connectivity::Offline | Connectivity::Silent => None,
        };
        match (connectivity, refusal) {
            (Connectivity::Silent, _) => {}
            (Connectivity::Offline, _) => {
                let refused = CloseCause::lost("connection refused");
                self.depart(id, transport, Cargo::Closed(refused));
            }
            (Connectivity::Online, Some(refusal)) => {
                let refused = CloseCause::Refused(refusal.into());
                self.depart(id, transport, Cargo::Closed(refused));
            }
            (Connectivity::Online, None) => self.depart(id, transport, Cargo::Connect),
        }
    }

    /// An open transport waits for the server's close frame; an attempt to connect just ends, and
    /// so does what leads nowhere.
    fn close_from(&mut self, id: ClientId, transport: TransportId) {
        let now = self.now;
        let client = self.at_mut(id);
        let Some(connection) = client.connections.get(&transport) else { return };
        if connection.half_open {
            client.connections.remove(&transport);
        } else if connection.socket.is_some() {
            self.depart(id, transport, Cargo::CloseUp);
        } else {
            client.connections.remove(&transport);
            client.socket.handle_closed(now, transport, CloseCause::lost("abandoned"));
        }
    }

    fn depart(&mut self, client: ClientId, transport: TransportId, cargo: Cargo) {
        let arrival = self.now + self.at(client).latency;
        self.flights.depart(arrival, Flight { client, transport, cargo });
    }

    pub(super) fn arrive(&mut self, flight: Flight) {
        let now = self.now;
        let Flight { client: id, transport, .. } = flight;
        let client = self.at_mut(id);
        let Some(connection) = client.connections.get_mut(&transport) else { return };
        if connection.half_open {
            return;
        }
        if let Some(held) = &mut connection.held {
            held.push_back(flight);
            return;
        }
        let socket = connection.socket;
        match (flight.cargo, socket) {
            (Cargo::Connect, _) => self.accept(id, transport),
            (Cargo::FrameUp(frame), Some(socket)) => self.server.handle_frame(now, socket, frame),
            (Cargo::CloseUp, Some(socket)) => self.server.handle_close(now, socket),
            (Cargo::FrameUp(_) | Cargo::CloseUp, None) => {}
            (Cargo::Opened, _) => client.socket.handle_opened(now, transport),
            (Cargo::FrameDown(frame), _) => client.socket.handle_frame(now, transport, frame),
            (Cargo::Closed(cause), _) => {
                client.connections.remove(&transport);
                client.socket.handle_closed(now, transport, cause);
            }
        }
    }

    fn accept(&mut self, id: ClientId, transport: TransportId) {
        let request = self.at(id).request.clone();
        match self.server.connect(self.now, &request) {
            Ok(accepted) => {
                self.owners.insert(accepted.socket, (id, transport));
                if let Some(connection) = self.at_mut(id).connections.get_mut(&transport) {
                    connection.socket = Some(accepted.socket);
                }
                self.depart(id, transport, Cargo::Opened);
            }
            Err(refusal) => {
                let refused = CloseCause::Refused(refusal.into());
                self.depart(id, transport, Cargo::Closed(refused));
            }
        }
    }
}
