//! Packets on their way between a client and the server.

use std::collections::BTreeMap;

use phx_proto::{CloseCause, Frame, Instant, PHOENIX, Serializer as _, V2, longpoll};

use crate::{HttpAnswer, HttpRequest};

/// A connection, from the attempt to make it to its end. Newer ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(super) u64);

/// An event of a connection, as a client sees it.
#[derive(Debug)]
pub(crate) enum Delivery {
    Opened,
    Frame(Frame),
    /// The connection has lost messages, and goes on.
    Gap,
    /// The connection takes frames again.
    Ready,
    Closed(CloseCause),
}

#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) connection: ConnectionId,
    pub(super) cargo: Packet,
}

#[derive(Debug)]
pub(super) enum Packet {
    // To the server.
    Connect,
    FrameUp(Frame),
    CloseUp,
    #[cfg(feature = "client")]
    LostUp,
    Request(longpoll::ExchangeId, HttpRequest),
    // To the client.
    Answer(longpoll::ExchangeId, HttpAnswer),
    Opened,
    FrameDown(Frame),
    Closed(CloseCause),
}

/// Flights in the order of their arrival, and of their departure where that is equal.
#[derive(Debug, Default)]
pub(super) struct Flights {
    queue: BTreeMap<(Instant, u64), InFlight>,
    departed: u64,
}

impl Flights {
    pub(super) fn depart(&mut self, arrival: Instant, flight: InFlight) {
        self.departed += 1;
        self.queue.insert((arrival, self.departed), flight);
    }

    pub(super) fn take_arrived(&mut self, now: Instant) -> Option<InFlight> {
        let entry = self.queue.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }
}

impl Packet {
    pub(super) fn is_frame(&self) -> bool {
        match self {
            Packet::FrameUp(_) | Packet::FrameDown(_) => true,
            // Those of long-poll count as frames.
            Packet::Request(..) | Packet::Answer(..) => true,
            Packet::Connect | Packet::CloseUp | Packet::Opened | Packet::Closed(_) => false,
            #[cfg(feature = "client")]
            Packet::LostUp => false,
        }
    }

    /// Returns true for what an open WebSocket carries.
    pub(super) fn is_web_sockets(&self) -> bool {
        matches!(self, Packet::FrameUp(_) | Packet::FrameDown(_) | Packet::CloseUp)
    }

    pub(super) fn is_heartbeat_reply(&self) -> bool {
        let Packet::FrameDown(frame) = self else { return false };
        V2.decode(frame.clone()).is_ok_and(|reply| reply.topic == PHOENIX)
    }

    pub(super) fn is_up(&self) -> bool {
        match self {
            Packet::Connect | Packet::FrameUp(_) | Packet::CloseUp | Packet::Request(..) => true,
            #[cfg(feature = "client")]
            Packet::LostUp => true,
            Packet::Opened | Packet::FrameDown(_) | Packet::Closed(_) | Packet::Answer(..) => false,
        }
    }
}
