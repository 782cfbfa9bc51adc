//! What waits for the transport, in order. Frames are made when the transport can take them, so
//! nothing is ever buffered as bytes.

use alloc::collections::{BTreeMap, VecDeque};

use bytestring::ByteString;

use crate::{ChannelId, PushId};

/// What will be a frame when its turn comes.
#[derive(Clone, Debug)]
pub(super) enum Outgoing {
    /// The channel's join; the key is its ref.
    Join(ChannelId),
    /// A leave; the key is its ref. It holds all it needs, since its channel may be gone by then.
    Leave { channel: ChannelId, topic: ByteString, join_ref: u64 },
    /// A push; the key is its id and ref.
    Push { push: PushId, join_ref: u64 },
}

/// Everything that is ready to be sent, in the order of the calls.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Refs of heartbeats and pings. They go first: behind a long line of pushes a healthy
    /// connection would look dead.
    heartbeats: VecDeque<u64>,
    /// By number of the call.
    others: BTreeMap<u64, Outgoing>,
}

impl Outbox {
    pub(super) fn push_heartbeat(&mut self, reference: u64) {
        self.heartbeats.push_back(reference);
    }

    pub(super) fn insert(&mut self, key: u64, outgoing: Outgoing) {
        self.others.insert(key, outgoing);
    }

    /// Takes back what was to be sent; `None` if it isn't here.
    pub(super) fn remove(&mut self, key: u64) -> Option<Outgoing> {
        self.others.remove(&key)
    }

    /// Whether this still waits for the transport.
    pub(super) fn contains(&self, key: u64) -> bool {
        self.others.contains_key(&key)
    }

    pub(super) fn pop_heartbeat(&mut self) -> Option<u64> {
        self.heartbeats.pop_front()
    }

    pub(super) fn pop(&mut self) -> Option<(u64, Outgoing)> {
        self.others.pop_first()
    }

    pub(super) fn clear_heartbeats(&mut self) {
        self.heartbeats.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.heartbeats.is_empty() && self.others.is_empty()
    }
}
