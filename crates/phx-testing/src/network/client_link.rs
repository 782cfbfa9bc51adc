//! A client's way to the server: its faults, and their effects on packets.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use fastrand::Rng;
use phx_proto::Frame;
use phx_proto::longpoll::TokenPlace;

use super::in_flight::{InFlight, Packet};
use crate::UpgradeRejection;

/// Client in a [`Simulation`](crate::Simulation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub(crate) usize);

/// Outcome of a client's attempts to connect.
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

/// A client's way to the server, for all its connections.
#[derive(Debug)]
pub(crate) struct ClientLink {
    pub(crate) latency: Duration,
    pub(crate) jitter: Duration,
    /// Extra delay of replies to heartbeats.
    pub(crate) heartbeats_late_by: Duration,
    /// Used for the jitter alone: equal programs give equal runs.
    rng: Rng,
    pub(crate) connectivity: Connectivity,
    /// Frames vanish; the requests of long-poll pass.
    pub(crate) swallows_frames: bool,
    pub(crate) refusals: VecDeque<UpgradeRejection>,
    /// Where the server read the token of the last session.
    pub(super) token_place: TokenPlace,
    /// Answers that have come since the client's machine was suspended.
    pub(super) unseen: Option<Vec<InFlight>>,
    pub(crate) alterations_up: VecDeque<Alteration>,
    pub(crate) alterations_down: VecDeque<Alteration>,
}

impl ClientLink {
    pub(super) fn new(client: ClientId) -> Self {
        ClientLink {
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            heartbeats_late_by: Duration::ZERO,
            rng: Rng::with_seed(u64::try_from(client.0).unwrap_or(u64::MAX)),
            connectivity: Connectivity::default(),
            swallows_frames: false,
            refusals: VecDeque::new(),
            token_place: TokenPlace::default(),
            unseen: None,
            alterations_up: VecDeque::new(),
            alterations_down: VecDeque::new(),
        }
    }

    /// Ends lasting and pending faults. A suspended machine stays suspended, and the token's place is no fault.
    pub(super) fn heal(&mut self, client: ClientId) {
        let (token_place, unseen) = (self.token_place, self.unseen.take());
        *self = ClientLink { token_place, unseen, ..ClientLink::new(client) };
    }

    /// Returns the part of a sent packet that arrives.
    pub(super) fn alter(&mut self, cargo: Packet) -> Packet {
        match cargo {
            Packet::FrameUp(frame) => Packet::FrameUp(altered(&mut self.alterations_up, frame)),
            Packet::FrameDown(frame) => {
                Packet::FrameDown(altered(&mut self.alterations_down, frame))
            }
            other => other,
        }
    }

    /// Returns the delay of the next packet.
    pub(super) fn delay(&mut self) -> Duration {
        if self.jitter.is_zero() {
            return self.latency;
        }
        let nanos = u64::try_from(self.jitter.as_nanos()).unwrap_or(u64::MAX);
        self.latency.saturating_add(Duration::from_nanos(self.rng.u64(..=nanos)))
    }
}

fn altered(alterations: &mut VecDeque<Alteration>, frame: Frame) -> Frame {
    match alterations.pop_front() {
        Some(Alteration(alter)) => alter(frame),
        None => frame,
    }
}

/// A change of a frame on its way.
pub(crate) struct Alteration(pub(crate) Box<dyn FnOnce(Frame) -> Frame + Send>);

impl fmt::Debug for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Alteration(..)")
    }
}
