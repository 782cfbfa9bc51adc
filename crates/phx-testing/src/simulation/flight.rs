//! What is on its way between a client and the server.

use std::collections::BTreeMap;

use phx_proto::{CloseCause, Frame, Instant, TransportId};

use super::ClientId;

#[derive(Debug)]
pub(super) struct Flight {
    pub(super) client: ClientId,
    pub(super) transport: TransportId,
    pub(super) cargo: Cargo,
}

#[derive(Debug)]
pub(super) enum Cargo {
    // To the server.
    Connect,
    FrameUp(Frame),
    CloseUp,
    // To the client.
    Opened,
    FrameDown(Frame),
    Closed(CloseCause),
}

/// Flights in the order of their arrival, and of their departure where that is equal.
#[derive(Debug, Default)]
pub(super) struct Flights {
    queue: BTreeMap<(Instant, u64), Flight>,
    departed: u64,
}

impl Flights {
    pub(super) fn depart(&mut self, arrival: Instant, flight: Flight) {
        self.departed += 1;
        // Nothing overtakes: a shorter latency than before counts from the last arrival.
        let same_way = |other: &&(Instant, u64)| {
            self.queue.get(other).is_some_and(|other| other.is_same_way(&flight))
        };
        let last = self.queue.keys().rev().find(same_way).map(|(at, _)| *at);
        let arrival = last.map_or(arrival, |last| arrival.max(last));
        self.queue.insert((arrival, self.departed), flight);
    }

    pub(super) fn take_arrived(&mut self, now: Instant) -> Option<Flight> {
        let entry = self.queue.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }
}

impl Flight {
    fn is_same_way(&self, other: &Flight) -> bool {
        self.transport == other.transport
            && self.client == other.client
            && self.cargo.is_up() == other.cargo.is_up()
    }
}

impl Cargo {
    pub(super) fn is_up(&self) -> bool {
        matches!(self, Cargo::Connect | Cargo::FrameUp(_) | Cargo::CloseUp)
    }
}
