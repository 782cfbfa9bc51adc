//! Faults of a simulation's clients.

use std::collections::VecDeque;
use std::time::Duration;

use phx_proto::{ByteString, CloseCode, Frame};

use super::{ClientId, Simulation};
use crate::network::Alteration;
use crate::{Connectivity, UpgradeRejection};

/// Faults.
impl Simulation {
    /// Sets the delay in each direction, from now on; packets on their way arrive first. Default: none.
    pub fn set_latency(&mut self, client: ClientId, latency: Duration) {
        self.network.line(client).latency = latency;
    }

    /// Sets the largest random delay beyond the latency, from now on. Packets of one connection stay in order, but
    /// connections overtake each other. Default: none.
    pub fn set_jitter(&mut self, client: ClientId, up_to: Duration) {
        self.network.line(client).jitter = up_to;
    }

    /// Delays the server's replies to heartbeats beyond all else by this much, from now on, as if they waited
    /// behind a backlog: later packets overtake them. Default: none.
    pub fn set_heartbeats_late_by(&mut self, client: ClientId, late_by: Duration) {
        self.network.line(client).heartbeats_late_by = late_by;
    }

    /// Sets the outcome of the client's attempts to connect from now on.
    pub fn set_connectivity(&mut self, client: ClientId, connectivity: Connectivity) {
        self.network.line(client).connectivity = connectivity;
    }

    /// Sets whether every WebSocket is opened and then carries nothing, from now on, as behind some firewalls. The
    /// requests of long-poll pass.
    pub fn swallow_frames(&mut self, client: ClientId, swallows: bool) {
        self.network.line(client).swallows_frames = swallows;
    }

    /// Answers the client's next attempt to connect with `refusal`; several queue up.
    pub fn refuse_next(&mut self, client: ClientId, refusal: UpgradeRejection) {
        self.network.line(client).refusals.push_back(refusal);
    }

    /// Cuts the client's connection: both sides notice at once, and packets on their way are lost. A session of
    /// long-poll goes on over new connections.
    pub fn cut(&mut self, client: ClientId) {
        self.network.cut(self.now, client);
        self.settle();
    }

    /// Cuts the client's newest connection when this many more frames have arrived over it, in any direction.
    pub fn cut_after(&mut self, client: ClientId, frames: u32) {
        self.network.cut_after(client, frames);
    }

    /// Drops everything sent over the client's connection from now on. Neither side notices: like a pulled cable.
    pub fn half_open(&mut self, client: ClientId) {
        self.network.half_open(client);
    }

    /// Returns true if the client's newest connection is [half-open](Simulation::half_open), which the client may
    /// not have noticed yet.
    #[must_use]
    pub fn is_half_open(&self, client: ClientId) -> bool {
        self.network.is_half_open(client)
    }

    /// Holds back packets over the client's connection in either direction, until [`resume`](Simulation::resume).
    pub fn stall(&mut self, client: ClientId) {
        self.network.stall(client);
    }

    /// Ends a [`stall`](Simulation::stall): the held packets arrive now.
    pub fn resume(&mut self, client: ClientId) {
        self.network.resume(self.now, client);
        self.settle();
    }

    /// Makes the client's transports take no frames, as with a full send buffer, until
    /// [`unblock_sends`](Simulation::unblock_sends). They can still be opened and closed.
    pub fn block_sends(&mut self, client: ClientId) {
        self.at_mut(client).is_blocked = true;
    }

    /// Ends [`block_sends`](Simulation::block_sends).
    pub fn unblock_sends(&mut self, client: ClientId) {
        self.at_mut(client).is_blocked = false;
        self.touched.insert(client);
        self.settle();
    }

    /// Delivers a frame to the client that its server never sent.
    pub fn inject(&mut self, client: ClientId, frame: Frame) {
        self.network.inject(client, frame);
        self.settle();
    }

    /// Makes the server close the client's connection.
    pub fn close(&mut self, client: ClientId, code: CloseCode) {
        self.close_because(client, code, "");
    }

    /// Makes the server close the client's connection with this reason.
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

    /// Suspends the client's machine: until [`wake`](Simulation::wake) its timers don't fire, and it doesn't see
    /// what arrives. The network and the server continue.
    pub fn suspend(&mut self, client: ClientId) {
        self.at_mut(client).held.get_or_insert_default();
        self.network.suspend(client);
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
        self.network.wake(self.now, client);
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

    /// Ends every lasting or pending fault of the client: latency, jitter, late replies to heartbeats, stalls,
    /// connectivity, refusals, alterations, a pending cut, blocked sends, suspension. A half-open connection stays
    /// dead, and a clock keeps its offset.
    pub fn heal(&mut self, client: ClientId) {
        self.network.heal(self.now, client);
        self.unblock_sends(client);
        self.wake(client);
    }
}
