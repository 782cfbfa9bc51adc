//! Driver of the client cores: performs their actions, and passes them the time and the network's deliveries.

use phx_proto::{Action, Payload, TransportKind};

use super::{ClientId, Simulation};
use crate::network::{ConnectionId, Delivery};

impl Simulation {
    /// Polls the cores that were called, unless their machines are suspended; returns true if there were any.
    pub(super) fn drain(&mut self) -> bool {
        let mut happened = false;
        while let Some(id) = self.touched.pop_first() {
            happened = true;
            if self.at(id).held.is_some() {
                // The machine stands still: waking it touches the client again.
                self.set_alarm(id);
                continue;
            }
            while let Some(action) = self.next_action(id) {
                self.act(id, action);
            }
            if let Some(connection) = self.at(id).newest() {
                self.network.flush(self.now, connection);
            }
            let client = self.at_mut(id);
            while let Some(event) = client.socket.poll_event() {
                client.events.push_back(event);
            }
            self.set_alarm(id);
        }
        happened
    }

    fn next_action(&mut self, id: ClientId) -> Option<Action> {
        let newest = self.at(id).newest();
        let takes_frames = newest.is_none_or(|newest| self.network.room(newest).is_some());
        self.at_mut(id).poll_action(takes_frames)
    }

    /// Calls the cores whose timeout has come; returns true if there were any.
    pub(super) fn ring(&mut self) -> bool {
        let mut happened = false;
        while let Some((_, id)) = self.alarms.first().copied().filter(|(at, _)| *at <= self.now) {
            happened = true;
            self.alarms.pop_first();
            let now = self.now;
            let client = self.at_mut(id);
            client.alarm = None;
            let now = client.clock.read(now);
            client.socket.handle_timeout(now);
            self.touched.insert(id);
        }
        happened
    }

    fn set_alarm(&mut self, id: ClientId) {
        let client = self.at_mut(id);
        let timeout = client.socket.poll_timeout().filter(|_| client.held.is_none());
        let alarm = timeout.map(|at| client.clock.when(at));
        let old = std::mem::replace(&mut client.alarm, alarm);
        if old != alarm {
            old.map(|at| self.alarms.remove(&(at, id)));
            alarm.map(|at| self.alarms.insert((at, id)));
        }
    }

    fn act(&mut self, id: ClientId, action: Action) {
        let now = self.now;
        let Some(client) = self.clients.get_mut(id.0) else { return };
        match action {
            Action::Connect { transport, .. } => {
                let connection = match (client.transport, client.request.to_request()) {
                    (TransportKind::LongPoll, Some(request)) => {
                        self.network.connect_session(now, id, &request)
                    }
                    _ => self.network.connect(now, id, client.request.clone()),
                };
                client.connections.insert(transport, (connection, client.transport));
                self.owners.insert(connection, (id, transport));
            }
            Action::Send { transport, frame, .. } => {
                client.sent.push(frame.clone());
                if let Some((connection, _)) = client.connections.get(&transport) {
                    self.network.send(now, *connection, frame);
                }
            }
            Action::Close { transport, .. } => {
                if let Some((connection, _)) = client.connections.get(&transport).copied()
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
                client.socket.handle_params(client.clock.read(now), request, params);
            }
            _ => {}
        }
    }

    /// Passes a client an event of one of its connections, once its machine is awake.
    pub(super) fn deliver(&mut self, connection: ConnectionId, delivery: Delivery) {
        let now = self.now;
        let Some((id, transport)) = self.owners.get(&connection).copied() else { return };
        let client = self.at_mut(id);
        if let Some(held) = &mut client.held {
            held.push_back((connection, delivery));
            return;
        }
        let now = client.clock.read(now);
        match delivery {
            Delivery::Opened => {
                let kind = client.connections.get(&transport).map(|(_, kind)| *kind);
                let properties = kind.unwrap_or_default().properties();
                client.socket.handle_opened_with(now, transport, properties);
            }
            Delivery::Frame(frame) => client.socket.handle_frame(now, transport, frame),
            Delivery::Gap => client.socket.handle_gap(now, transport),
            // The core is polled for frames next.
            Delivery::Ready => {}
            Delivery::Closed(cause) => {
                client.connections.remove(&transport);
                client.socket.handle_closed(now, transport, cause);
                self.owners.remove(&connection);
            }
        }
        self.touched.insert(id);
    }
}
