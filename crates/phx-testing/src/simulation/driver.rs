//! Carries out what the client cores ask for, and tells them what the network delivers.

use phx_proto::{Action, Payload};

use super::{ClientId, Simulation};
use crate::network::{ConnectionId, Delivery};

impl Simulation {
    /// Does what the clients ask for; whether they asked for anything.
    pub(super) fn drain(&mut self) -> bool {
        let mut happened = false;
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

    fn act(&mut self, id: ClientId, action: Action) {
        let now = self.now;
        let Some(client) = self.clients.get_mut(id.0) else { return };
        match action {
            Action::Connect { transport, .. } => {
                let connection = self.network.connect(now, id, client.request.clone());
                client.connections.insert(transport, connection);
                self.owners.insert(connection, (id, transport));
            }
            Action::Send { transport, frame, .. } => {
                client.sent.push(frame.clone());
                if let Some(connection) = client.connections.get(&transport) {
                    self.network.send(now, *connection, frame);
                }
            }
            Action::Close { transport, .. } => {
                if let Some(connection) = client.connections.get(&transport).copied()
                    && !self.network.close(now, connection)
                {
                    client.connections.remove(&transport);
                    self.owners.remove(&connection);
                }
            }
            Action::RequestParams { channel, request, .. } => {
                let params = match &mut client.params {
                    Some(params) => params(channel),
                    None => Some(Payload::empty()),
                };
                client.socket.handle_params(now, request, params);
            }
            _ => {}
        }
    }

    /// Tells a client what became of one of its connections.
    pub(super) fn deliver(&mut self, connection: ConnectionId, delivery: Delivery) {
        let now = self.now;
        let Some((id, transport)) = self.owners.get(&connection).copied() else { return };
        let client = self.at_mut(id);
        match delivery {
            Delivery::Opened => client.socket.handle_opened(now, transport),
            Delivery::Frame(frame) => client.socket.handle_frame(now, transport, frame),
            Delivery::Closed(cause) => {
                client.connections.remove(&transport);
                client.socket.handle_closed(now, transport, cause);
                self.owners.remove(&connection);
            }
        }
    }
}
