//! Faults on command, for one connection of a proxy, for all, or for the next one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::FaultProxy;
use super::connections::{ConnectionId, Direction, Shared, Which};
use crate::faulty_pipe::{Faults, Passed, WayFaults};

/// Connections of a [`FaultProxy`](super::FaultProxy) that a command applies to. It skips connections that have
/// ended.
///
/// Faults last as long as their connection, unless a command ends them.
#[derive(Clone, Copy, Debug)]
#[must_use = "the connections are named, and nothing is done to them"]
pub struct Connections<'a> {
    shared: &'a Shared,
    which: Which,
}

impl FaultProxy {
    /// Selects all present connections.
    pub fn all(&self) -> Connections<'_> {
        Connections { shared: &self.shared, which: Which::All }
    }

    /// Selects one connection.
    pub fn connection(&self, id: ConnectionId) -> Connections<'_> {
        Connections { shared: &self.shared, which: Which::One(id) }
    }

    /// Selects the next connection, and none after it: its faults apply from its first byte. Several faults add up
    /// until it comes.
    pub fn next(&self) -> Connections<'_> {
        Connections { shared: &self.shared, which: Which::Next }
    }
}

impl Connections<'_> {
    /// Resets the connection: both sides notice at once, and bytes on their way are lost.
    pub fn cut(self) {
        self.change(|faults, _| faults.cut = true);
    }

    /// Resets the connection when this many more bytes have passed in this direction and another one comes: at any
    /// byte, in the middle of a frame or of a handshake.
    pub fn cut_after(self, direction: Direction, bytes: u64) {
        self.change(|faults, passed| {
            way(faults, direction).cut_at = Some(so_far(passed, direction).saturating_add(bytes));
        });
    }

    /// Ends the stream to each side, as a server does that closes its connections without a close frame. Bytes on
    /// their way are lost.
    pub fn end(self) {
        self.change(|faults, _| faults.ended = true);
    }

    /// Drops everything sent over the connection from now on. Neither side notices, not even the other's end: like
    /// a pulled cable.
    pub fn half_open(self) {
        self.change(|faults, _| faults.half_open());
    }

    /// Drops everything sent in this direction from now on, unnoticed by its sender. The other direction works.
    pub fn swallow(self, direction: Direction) {
        self.change(|faults, _| way(faults, direction).vanishes = true);
    }

    /// Sets whether what is sent behind an upgrade to a WebSocket vanishes, see
    /// [`FaultProxy::swallow_frames`].
    pub fn swallow_frames(self, swallows: bool) {
        self.change(|faults, _| faults.swallows_frames = swallows);
    }

    /// Holds back everything sent over the connection in either direction until [`resume`](Connections::resume).
    /// Soon the buffers are full, and nothing more can be sent: like a peer that doesn't read.
    pub fn stall(self) {
        self.change(|faults, _| faults.stalled = true);
    }

    /// Ends a [`stall`](Connections::stall): the held bytes arrive now.
    pub fn resume(self) {
        self.change(|faults, _| faults.stalled = false);
    }

    /// Sets the delay in each direction, from now on.
    pub fn set_latency(self, latency: Duration) {
        self.change(|faults, _| faults.latency = latency);
    }

    /// Flips the highest bit of the byte after the next `bytes` in this direction. ASCII text is no longer UTF-8
    /// then, and a frame's header differs, so that the receiver can't take it for the original.
    pub fn alter_after(self, direction: Direction, bytes: u64) {
        self.change(|faults, passed| {
            way(faults, direction).alter_at = Some(so_far(passed, direction).saturating_add(bytes));
        });
    }

    fn change(self, change: impl Fn(&mut Faults, &Passed)) {
        self.shared.change(self.which, change);
    }
}

fn way(faults: &mut Faults, direction: Direction) -> &mut WayFaults {
    match direction {
        Direction::ToServer => &mut faults.to_server,
        Direction::ToClient => &mut faults.to_client,
    }
}

fn so_far(passed: &Passed, direction: Direction) -> u64 {
    let passed = match direction {
        Direction::ToServer => &passed.to_server,
        Direction::ToClient => &passed.to_client,
    };
    passed.load(Ordering::Relaxed)
}
