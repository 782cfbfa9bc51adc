//! What a recording calls the things of its socket: as many of them as can matter, however long it is.
//!
//! Of a thing that is gone the socket says the same as of any other that is: so one of them stands in for all.

use std::collections::{BTreeMap, HashMap};

use phx_proto::{ChannelId, Socket};

/// Most channels, pushes, events and decisions that wait at the same time in a replay, of each, whatever the recorded
/// settings allow.
pub(super) const MAX_LIVE: usize = 1 << 18;

/// Most bytes of the payloads of the events that wait, and of the pushes.
pub(super) const MAX_LIVE_BYTES: usize = 256 << 20;

/// Ids that are remembered: there are joins and leaves beside pushes.
const MAX_KNOWN: usize = 1 << 20;

/// Channels that are remembered before those that are gone are looked for.
const MIN_CHANNELS: usize = 1_024;

/// Ids whose numbers only grow: the latest of them.
#[derive(Debug)]
pub(super) struct Latest<Id> {
    known: BTreeMap<u64, Id>,
    newest: u64,
    /// Stands in for what isn't known any more.
    gone: Option<Id>,
}

impl<Id> Default for Latest<Id> {
    fn default() -> Self {
        Latest { known: BTreeMap::new(), newest: 0, gone: None }
    }
}

impl<Id: Copy> Latest<Id> {
    pub(super) fn add(&mut self, number: u64, id: Id) {
        if self.known.len() >= MAX_KNOWN
            && let Some((_, oldest)) = self.known.pop_first()
        {
            self.gone = Some(oldest);
        }
        self.known.insert(number, id);
        self.newest = self.newest.max(number);
    }

    /// `None` for a number that was never given.
    pub(super) fn get(&self, number: u64) -> Option<Id> {
        let known = self.known.get(&number).copied();
        known.or(self.gone).filter(|_| number <= self.newest)
    }

    /// Forgets what is done.
    pub(super) fn forget(&mut self, number: u64) {
        if let Some(id) = self.known.remove(&number) {
            self.gone = Some(id);
        }
    }
}

/// The channels, whose numbers are in no order. The socket limits those that aren't gone.
#[derive(Debug, Default)]
pub(super) struct Channels {
    known: HashMap<u64, ChannelId>,
    /// Stands in for those that are gone.
    gone: Option<ChannelId>,
    /// Channels that were left when those that are gone were looked for.
    left: usize,
}

impl Channels {
    pub(super) fn add(&mut self, channel: ChannelId, socket: &Socket) {
        if self.known.len() >= self.left.saturating_mul(2).max(MIN_CHANNELS) {
            let gone = &mut self.gone;
            self.known.retain(|_, channel| {
                let is_there = socket.channel_state(*channel).is_some();
                if !is_there {
                    *gone = Some(*channel);
                }
                is_there
            });
            self.left = self.known.len();
        }
        self.known.insert(channel.as_u64(), channel);
    }

    /// `None` for a number that was never given, as far as that is known.
    pub(super) fn get(&self, number: u64) -> Option<ChannelId> {
        self.known.get(&number).copied().or(self.gone)
    }
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;
    use phx_proto::{Config, Instant, Payload};

    use super::*;

    #[test]
    fn of_the_oldest_ids_one_stands_in_for_the_others() {
        let mut latest = Latest::default();
        assert_eq!(latest.get(0), None);
        let used = measure(|| {
            for number in 1..=MAX_KNOWN as u64 + 10 {
                latest.add(number, number);
            }
        });
        assert!(used.bytes_max < 48 << 20, "{used:?}");
        assert_eq!(latest.known.len(), MAX_KNOWN);
        assert_eq!([1, 10, 11].map(|number| latest.get(number)), [Some(10), Some(10), Some(11)]);
        let newest = MAX_KNOWN as u64 + 10;
        assert_eq!((latest.get(newest), latest.get(newest + 1)), (Some(newest), None));
        latest.forget(500);
        assert_eq!((latest.get(500), latest.get(501)), (Some(500), Some(501)));
    }

    #[test]
    fn channels_are_known_while_they_are_there() {
        let mut socket = Socket::new(Config::default(), 1);
        let mut channels = Channels::default();
        let stays = socket.channel("room:stays", Payload::empty()).unwrap();
        channels.add(stays, &socket);
        let mut gone = Vec::new();
        for _ in 0..3 * MIN_CHANNELS {
            let channel = socket.channel("room:goes", Payload::empty()).unwrap();
            channels.add(channel, &socket);
            assert_eq!(channels.get(channel.as_u64()), Some(channel));
            socket.remove(Instant::EPOCH, channel);
            gone.push(channel.as_u64());
        }
        assert!(channels.known.len() <= MIN_CHANNELS, "{}", channels.known.len());
        assert_eq!(channels.get(stays.as_u64()), Some(stays));
        let stand_ins = gone.iter().filter_map(|number| channels.get(*number));
        assert!(stand_ins.clone().all(|channel| socket.channel_state(channel).is_none()));
        assert_eq!(stand_ins.count(), gone.len());
    }
}
