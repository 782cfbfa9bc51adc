//! The server's record of the traffic, for simulated runs and real ones.
//!
//! Pushes and messages carry numbers. Those of the client's pushes grow for as long as its channel exists. Those of
//! the server's messages start at 1 in each *life* of a channel: the time from a join to the end of that join.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use phx_client::ByteString;
use phx_testing::{Reason, SocketId};
use serde::{Deserialize, Serialize};

pub(crate) mod deliveries;
pub(crate) mod numbered;
pub(crate) mod numbers;
pub(crate) mod room;

use numbered::Numbered;
use numbers::Numbers;

/// The server's record; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
pub(crate) struct Entries {
    topics: BTreeMap<ByteString, Topic>,
    /// The latest lives by number; 0 means none.
    lives: BTreeMap<u64, Life>,
    last_life: u64,
    /// True for endless traffic: then the record stays small, and no receipts are kept.
    is_endless: bool,
    /// True while the server pushes nothing.
    pub(crate) is_paused: bool,
    receipts: Vec<Receipt>,
    rejections: u64,
    /// Numbered messages that were damaged on their way: the client, what the number counts, and the number.
    damaged: BTreeSet<(usize, u64, u64)>,
    /// Number of altered frames that reached each client.
    odd_frames: BTreeMap<usize, u64>,
}

/// Handled pushes of one topic, over all its lives.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Topic {
    pub(crate) handled: Numbers,
    /// Pushes that were handled a second time.
    pub(crate) doubled: u64,
    /// Pushes that were handled after one that was made later, in the same life.
    pub(crate) out_of_order: u64,
}

/// One life of a channel.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) topic: ByteString,
    socket: SocketId,
    /// Numbered messages pushed in it.
    pub(crate) pushed: u64,
    last_handled: u64,
    pub(crate) has_ended: bool,
    /// True if it crashed on a connection that stayed open.
    crashed: bool,
}

/// A push that was handled.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    pub(crate) topic: ByteString,
    pub(crate) push: u64,
    pub(crate) is_again: bool,
    pub(crate) is_in_order: bool,
}

/// Number of ended lives that are kept: a client asks about one soon after its end.
const LIVES: usize = 1024;

/// Record of a life, for the client.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    pub(crate) life: u64,
    /// Number of the last message pushed in it.
    pub(crate) pushed: u64,
    pub(crate) topic: Topic,
}

impl Ledger {
    /// Creates a record of endless traffic. Its lives have greater numbers than those of all earlier records.
    pub(crate) fn endless() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let last_life = u64::try_from(since.as_micros()).unwrap_or_default();
        let entries = Entries { last_life, is_endless: true, ..Entries::default() };
        Ledger(Arc::new(Mutex::new(entries)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    pub(crate) fn begin(&mut self, topic: &ByteString, socket: SocketId) -> u64 {
        self.last_life += 1;
        // A copy, since a slice would keep its whole frame in memory.
        let topic = ByteString::from(&**topic);
        let (pushed, last_handled, has_ended, crashed) = (0, 0, false, false);
        let life = Life { topic, socket, pushed, last_handled, has_ended, crashed };
        self.lives.insert(self.last_life, life);
        let ended = self.lives.iter().find(|(_, life)| life.has_ended).map(|(number, _)| *number);
        if let Some(oldest) = ended.filter(|_| self.lives.len() > LIVES) {
            self.lives.remove(&oldest);
        }
        self.last_life
    }

    pub(crate) fn end(&mut self, life: u64, reason: Reason) {
        if let Some(life) = self.lives.get_mut(&life) {
            (life.has_ended, life.crashed) = (true, reason == Reason::Crashed);
        }
    }

    pub(crate) fn life(&self, life: u64) -> Option<&Life> {
        self.lives.get(&life)
    }

    pub(crate) fn living(&self) -> usize {
        self.lives.values().filter(|life| !life.has_ended).count()
    }

    /// Returns true if the server ended a life of a topic.
    pub(crate) fn has_ended_one(&self, topic: &str) -> bool {
        self.lives.values().any(|life| life.has_ended && *life.topic == *topic)
    }

    /// Returns the last number that the client must have received of an ended life: known if the life crashed, and
    /// the next one began on the same connection.
    pub(crate) fn must_have_got(&self, life: u64) -> Option<u64> {
        let over = self.lives.get(&life).filter(|life| life.crashed)?;
        let mut later = self.lives.range(life.saturating_add(1)..).map(|(_, life)| life);
        let next = later.find(|next| next.topic == over.topic)?;
        (next.socket == over.socket).then_some(over.pushed)
    }

    /// Returns the number of the next message to push in a life; `None` while the server is paused.
    fn next_push(&mut self, life: u64) -> Option<u64> {
        let life = self.lives.get_mut(&life).filter(|_| !self.is_paused)?;
        life.pushed += 1;
        Some(life.pushed)
    }

    fn receive(&mut self, life: u64, push: u64) {
        let Some(life) = self.lives.get_mut(&life) else { return };
        let topic = self.topics.entry(life.topic.clone()).or_default();
        let is_again = !topic.handled.insert(push, self.is_endless);
        let is_in_order = push > life.last_handled;
        life.last_handled = push;
        topic.doubled += u64::from(is_again);
        topic.out_of_order += u64::from(!is_in_order);
        if !self.is_endless {
            let topic = life.topic.clone();
            self.receipts.push(Receipt { topic, push, is_again, is_in_order });
        }
    }

    /// Returns the receipts since the last call.
    pub(crate) fn take_receipts(&mut self) -> Vec<Receipt> {
        std::mem::take(&mut self.receipts)
    }

    pub(crate) fn topic(&self, topic: &ByteString) -> Option<&Topic> {
        self.topics.get(topic)
    }

    /// Iterates over the records of all topics.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.values()
    }

    fn report(&self, number: u64) -> Option<Report> {
        let life = self.life(number)?;
        let topic = self.topics.get(&life.topic).cloned().unwrap_or_default();
        Some(Report { life: number, pushed: life.pushed, topic })
    }

    fn reject(&mut self) {
        self.rejections += 1;
    }

    pub(crate) fn has_rejected(&self) -> bool {
        self.rejections > 0
    }

    /// Records a frame on its way to a client that is damaged, or that the server never sent.
    pub(crate) fn note_odd_frame(&mut self, client: usize, numbered: Option<Numbered>) {
        *self.odd_frames.entry(client).or_default() += 1;
        if let Some(Numbered { of, number, .. }) = numbered {
            self.damaged.insert((client, of, number));
        }
    }

    pub(crate) fn odd_frames(&self, client: usize) -> u64 {
        self.odd_frames.get(&client).copied().unwrap_or_default()
    }

    pub(crate) fn is_damaged(&self, client: usize, of: u64, number: u64) -> bool {
        self.damaged.contains(&(client, of, number))
    }
}
