//! Faults of connections in memory.

use phx_proto::{ByteString, CloseCause, CloseCode, Frame, Instant};

use super::Network;
use super::client_link::{ClientId, ClientLink};
use super::in_flight::{ConnectionId, Delivery};

impl Network {
    /// Faults set on a client's link.
    pub(crate) fn line(&mut self, client: ClientId) -> &mut ClientLink {
        &mut self.clients[client.0]
    }

    pub(crate) fn cut_after(&mut self, client: ClientId, frames: u32) {
        self.must_be_known(client);
        let newest = self.connections.values_mut().rev().find(|it| it.client == client);
        if let Some(connection) = newest {
            connection.frames_left = Some(frames);
        }
    }

    pub(crate) fn cut(&mut self, now: Instant, client: ClientId) {
        self.must_be_known(client);
        let ids = self.connections.iter().filter(|(_, it)| it.client == client).map(|(id, _)| *id);
        let ids: Vec<_> = ids.collect();
        for id in ids {
            self.cut_one(now, id);
        }
    }

    pub(super) fn cut_one(&mut self, now: Instant, id: ConnectionId) {
        if self.connections.get(&id).is_some_and(|connection| connection.polling.is_some()) {
            return self.cut_session(now, id);
        }
        self.forget(now, id);
        self.deliveries.push_back((id, Delivery::Closed(CloseCause::io("cut"))));
    }

    pub(crate) fn half_open(&mut self, client: ClientId) {
        self.all_of(client).for_each(|connection| connection.half_open = true);
    }

    pub(crate) fn is_half_open(&self, client: ClientId) -> bool {
        self.newest(client).is_some_and(|(_, connection)| connection.half_open)
    }

    pub(crate) fn stall(&mut self, client: ClientId) {
        self.all_of(client).for_each(|connection| {
            connection.held.get_or_insert_default();
        });
    }

    pub(crate) fn resume(&mut self, now: Instant, client: ClientId) {
        let held: Vec<_> =
            self.all_of(client).filter_map(|connection| connection.held.take()).collect();
        for flight in held.into_iter().flatten() {
            self.arrive(now, flight);
        }
    }

    /// Ends lasting and pending faults. Half-open connections stay dead.
    pub(crate) fn heal(&mut self, now: Instant, client: ClientId) {
        self.line(client).heal(client);
        self.all_of(client).for_each(|connection| connection.frames_left = None);
        self.resume(now, client);
    }

    pub(crate) fn inject(&mut self, client: ClientId, frame: Frame) {
        let open = self.newest(client).filter(|(_, connection)| connection.opened);
        if let Some((id, _)) = open {
            self.deliveries.push_back((*id, Delivery::Frame(frame)));
        }
    }

    pub(crate) fn close_from_server(
        &mut self,
        now: Instant,
        client: ClientId,
        code: CloseCode,
        reason: ByteString,
    ) {
        if let Some(socket) = self.server_socket(client) {
            self.server.close_because(now, socket, code, reason);
        }
    }
}
