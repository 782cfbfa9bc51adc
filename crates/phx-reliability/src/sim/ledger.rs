//! What the server saw and did, for comparison with what the clients tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::numbered::Numbered;
use phx_proto::ByteString;

/// Shared by the server's channels and the checker.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
pub(super) struct Entries {
    /// How often each push was received.
    received: BTreeMap<u64, u32>,
    /// Pushes in the order in which they were received, since this was read last, each with the
    /// life that received it.
    order: Vec<(u64, u64)>,
    lives: BTreeMap<u64, Life>,
    rejections: u64,
    /// Numbered messages that were damaged on their way, by the client and what they are numbers of.
    damaged: BTreeSet<(usize, u64, u64)>,
    /// How many frames reached each client that weren't as the server sent them.
    odd_frames: BTreeMap<usize, u64>,
}

/// One life of a channel on the server, from its join to its end.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) topic: ByteString,
    /// Numbered messages pushed in it.
    pub(super) pushed: u64,
    /// The last push that it received.
    pub(super) last_received: u64,
    pub(super) has_ended: bool,
}

impl Ledger {
    pub(super) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    pub(super) fn receive(&mut self, life: u64, push: u64) {
        *self.received.entry(push).or_default() += 1;
        self.order.push((life, push));
    }

    pub(super) fn times_received(&self, push: u64) -> u32 {
        self.received.get(&push).copied().unwrap_or_default()
    }

    pub(super) fn take_received(&mut self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.order)
    }

    /// Lives are numbered from 1; 0 is none.
    pub(super) fn begin(&mut self, topic: ByteString) -> u64 {
        let number = self.lives.last_key_value().map_or(1, |(last, _)| last + 1);
        self.lives.insert(number, Life { topic, pushed: 0, last_received: 0, has_ended: false });
        number
    }

    pub(super) fn end(&mut self, life: u64) {
        if let Some(life) = self.lives.get_mut(&life) {
            life.has_ended = true;
        }
    }

    pub(super) fn life(&self, life: u64) -> Option<&Life> {
        self.lives.get(&life)
    }

    pub(super) fn life_mut(&mut self, life: u64) -> Option<&mut Life> {
        self.lives.get_mut(&life)
    }

    /// Whether the server ended a life of a topic.
    pub(super) fn has_ended_one(&self, topic: &str) -> bool {
        self.lives.values().any(|life| life.has_ended && *life.topic == *topic)
    }

    pub(super) fn living(&self) -> usize {
        self.lives.values().filter(|life| !life.has_ended).count()
    }

    /// The number of the next message pushed in a life.
    pub(super) fn next_push(&mut self, life: u64) -> u64 {
        let Some(life) = self.lives.get_mut(&life) else { return 0 };
        life.pushed += 1;
        life.pushed
    }

    pub(super) fn reject(&mut self) {
        self.rejections += 1;
    }

    pub(super) fn has_rejected(&self) -> bool {
        self.rejections > 0
    }

    /// A frame on its way to a client is damaged, or was never sent by the server.
    pub(super) fn note_odd_frame(&mut self, client: usize, numbered: Option<Numbered>) {
        *self.odd_frames.entry(client).or_default() += 1;
        if let Some(Numbered { of, number, .. }) = numbered {
            self.damaged.insert((client, of, number));
        }
    }

    pub(super) fn odd_frames(&self, client: usize) -> u64 {
        self.odd_frames.get(&client).copied().unwrap_or_default()
    }

    pub(super) fn is_damaged(&self, client: usize, of: u64, number: u64) -> bool {
        self.damaged.contains(&(client, of, number))
    }
}
