//! The faults that can be set on connections in memory.

use std::fmt;
use std::time::Duration;

use phx_proto::{CloseCause, CloseCode, Frame, Instant};

use super::{ClientId, ConnectionId, Connectivity, Delivery, Line, Network};
use crate::Refusal;

/// What becomes of a frame on its way.
pub(crate) struct Alteration(AlterFn);

pub(crate) type AlterFn = Box<dyn FnOnce(Frame) -> Frame + Send>;

impl Alteration {
    pub(super) fn apply(self, frame: Frame) -> Frame {
        (self.0)(frame)
    }
}

impl fmt::Debug for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Alteration(..)")
    }
}

impl Network {
    pub(crate) fn set_latency(&mut self, client: ClientId, latency: Duration) {
        self.clients[client.0].latency = latency;
    }

    pub(crate) fn set_jitter(&mut self, client: ClientId, up_to: Duration) {
        self.clients[client.0].jitter = up_to;
    }

    pub(crate) fn set_heartbeats_late_by(&mut self, client: ClientId, late_by: Duration) {
        self.clients[client.0].heartbeats_late_by = late_by;
    }

    pub(crate) fn alter_next_down(&mut self, client: ClientId, alter: AlterFn) {
        self.clients[client.0].alterations_down.push_back(Alteration(alter));
    }

    pub(crate) fn alter_next_up(&mut self, client: ClientId, alter: AlterFn) {
        self.clients[client.0].alterations_up.push_back(Alteration(alter));
    }

    pub(crate) fn cut_after(&mut self, client: ClientId, frames: u32) {
        self.must_be_known(client);
        let newest = self.connections.values_mut().rev().find(|it| it.client == client);
        if let Some(connection) = newest {
            connection.frames_left = Some(frames);
        }
    }

    pub(crate) fn set_connectivity(&mut self, client: ClientId, connectivity: Connectivity) {
        self.clients[client.0].connectivity = connectivity;
    }

    pub(crate) fn refuse_next(&mut self, client: ClientId, refusal: Refusal) {
        self.clients[client.0].refusals.push_back(refusal);
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
        self.forget(now, id);
        self.deliveries.push_back((id, Delivery::Closed(CloseCause::lost("cut"))));
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

    /// Ends what lasts or waits. Half-open connections stay dead.
    pub(crate) fn heal(&mut self, now: Instant, client: ClientId) {
        self.must_be_known(client);
        self.clients[client.0] = Line::new(client);
        self.all_of(client).for_each(|connection| connection.frames_left = None);
        self.resume(now, client);
    }

    pub(crate) fn inject(&mut self, client: ClientId, frame: Frame) {
        let open = self.newest(client).filter(|(_, connection)| connection.opened);
        if let Some((id, _)) = open {
            self.deliveries.push_back((*id, Delivery::Frame(frame)));
        }
    }

    pub(crate) fn close_from_server(&mut self, now: Instant, client: ClientId, code: CloseCode) {
        if let Some(socket) = self.server_socket(client) {
            self.server.close(now, socket, code);
        }
    }
}
