//! The faults that can be set on a simulation's clients.

use std::collections::VecDeque;
use std::time::Duration;

use phx_proto::{ByteString, CloseCode, Frame};

use super::{ClientId, Simulation};
use crate::network::Alteration;
use crate::{Connectivity, UpgradeRejection};

/// Faults.
impl Simulation {
    /// Time that everything takes from one side to the other, from now on; what is on its way
    /// arrives first. Default: none.
    pub fn set_latency(&mut self, client: ClientId, latency: Duration) {
        self.network.line(client).latency = latency;
    }

    /// Time of up to this, a different one each time, that everything takes beyond the latency, from
    /// now on. Nothing overtakes anything on one connection, but connections overtake each other.
    /// Default: none.
    pub fn set_jitter(&mut self, client: ClientId, up_to: Duration) {
        self.network.line(client).jitter = up_to;
    }

    /// Has the server's replies to heartbeats arrive later than all else by this much, from now on, as
    /// if they waited behind a backlog: what is sent after them overtakes them. Default: none.
    pub fn set_heartbeats_late_by(&mut self, client: ClientId, late_by: Duration) {
        self.network.line(client).heartbeats_late_by = late_by;
    }

    /// Sets how the client's attempts to connect end from now on.
    pub fn set_connectivity(&mut self, client: ClientId, connectivity: Connectivity) {
        self.network.line(client).connectivity = connectivity;
    }

    /// Has the client's next attempt to connect answered with `refusal`; several queue up.
    pub fn refuse_next(&mut self, client: ClientId, refusal: UpgradeRejection) {
        self.network.line(client).refusals.push_back(refusal);
    }

    /// Cuts the client's connection: both sides notice at once, and what is on its way is lost.
    pub fn cut(&mut self, client: ClientId) {
        self.network.cut(self.now, client);
        self.settle();
    }

    /// Cuts the client's newest connection when this many more frames have arrived over it, in
    /// whichever direction.
    pub fn cut_after(&mut self, client: ClientId, frames: u32) {
        self.network.cut_after(client, frames);
    }

    /// From now on nothing that is sent over the client's connection arrives, and neither side
    /// notices: what is left of a connection when a cable is pulled.
    pub fn half_open(&mut self, client: ClientId) {
        self.network.half_open(client);
    }

    /// Returns true if the client's newest connection is [half-open](Simulation::half_open), which the client may
    /// not have noticed yet.
    #[must_use]
    pub fn is_half_open(&self, client: ClientId) -> bool {
        self.network.is_half_open(client)
    }

    /// Holds back what arrives over the client's connection in either direction, until
    /// [`resume`](Simulation::resume).
    pub fn stall(&mut self, client: ClientId) {
        self.network.stall(client);
    }

    /// Ends a [`stall`](Simulation::stall): what was held back arrives now.
    pub fn resume(&mut self, client: ClientId) {
        self.network.resume(self.now, client);
        self.settle();
    }

    /// Has the client's transports take no frames, as when a send buffer is full, until
    /// [`unblock_sends`](Simulation::unblock_sends). They can still be opened and closed.
    pub fn block_sends(&mut self, client: ClientId) {
        self.at_mut(client).is_blocked = true;
    }

    /// Ends what [`block_sends`](Simulation::block_sends) began.
    pub fn unblock_sends(&mut self, client: ClientId) {
        self.at_mut(client).is_blocked = false;
        self.touched.insert(client);
        self.settle();
    }

    /// Has the client receive a frame that its server never sent.
    pub fn inject(&mut self, client: ClientId, frame: Frame) {
        self.network.inject(client, frame);
        self.settle();
    }

    /// Has the server close the client's connection.
    pub fn close(&mut self, client: ClientId, code: CloseCode) {
        self.close_because(client, code, "");
    }

    /// Has the server close the client's connection with this reason.
    pub fn close_because(
        &mut self,
        client: ClientId,
        code: CloseCode,
        reason: impl Into<ByteString>,
    ) {
        self.network.close_from_server(self.now, client, code, reason.into());
        self.settle();
    }

    /// Changes the next frame that arrives at the client: cuts it short or garbles it. Several queue
    /// up.
    pub fn alter_next_received(
        &mut self,
        client: ClientId,
        alter: impl FnOnce(Frame) -> Frame + Send + 'static,
    ) {
        self.network.line(client).alterations_down.push_back(Alteration(Box::new(alter)));
    }

    /// Changes the next frame that arrives at the server from this client. Several queue up.
    pub fn alter_next_sent(
        &mut self,
        client: ClientId,
        alter: impl FnOnce(Frame) -> Frame + Send + 'static,
    ) {
        self.network.line(client).alterations_up.push_back(Alteration(Box::new(alter)));
    }

    /// Puts the client's machine to sleep: until [`wake`](Simulation::wake) its timers don't fire, and
    /// it doesn't see what arrives. The network and the server go on.
    pub fn suspend(&mut self, client: ClientId) {
        self.at_mut(client).held.get_or_insert_default();
        self.touched.insert(client);
        self.settle();
    }

    /// Wakes the client's machine: it sees the packets that arrived during the suspension, and that its clock has
    /// jumped.
    pub fn wake(&mut self, client: ClientId) {
        let held: VecDeque<_> = self.at_mut(client).held.take().unwrap_or_default();
        self.touched.insert(client);
        for (connection, delivery) in held {
            self.deliver(connection, delivery);
        }
        self.settle();
    }

    /// Sets the client's clock ahead, as a machine without a steady clock may.
    pub fn set_clock_ahead(&mut self, client: ClientId, by: Duration) {
        self.at_mut(client).clock.jump_ahead(by);
        self.touched.insert(client);
        self.settle();
    }

    /// Sets the client's clock back.
    pub fn set_clock_back(&mut self, client: ClientId, by: Duration) {
        self.at_mut(client).clock.jump_back(by);
        self.touched.insert(client);
        self.settle();
    }

    /// Ends every fault on the client that lasts or waits: latency, jitter, late replies to heartbeats, stalls, connectivity,
    /// refusals, alterations, a cut that was to come, blocked sends, sleep. A half-open connection stays dead, and
    /// a clock that is off stays off.
    pub fn heal(&mut self, client: ClientId) {
        self.network.heal(self.now, client);
        self.unblock_sends(client);
        self.wake(client);
    }
}
