//! Who has sent and got what: the server's side of the traffic, and the books of both sides.
//!
//! Everything is numbered. Each channel pushes `up` with 1, 2, 3 and so on for as long as it lives. The
//! server numbers what it pushes as `down` anew in each *life* of a channel, which is the time from
//! one join to the end of that join.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use phx_client::ByteString;
use phx_testing::{Reason, SocketId};
use serde::{Deserialize, Serialize};

mod channel;
mod deliveries;
mod numbers;

pub(crate) use channel::{Crash, server};
pub(crate) use deliveries::{Deliveries, Down};
pub(crate) use numbers::Numbers;

/// What a client pushes, and what the server replies.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Up {
    pub(crate) n: u64,
}

/// The params of a join.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Params {
    /// Milliseconds from one `down` to the next; none, if it is zero.
    pub(crate) tick_ms: u64,
}

/// The server's books; clones share them.
#[derive(Clone)]
pub(crate) struct Ledger(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    topics: BTreeMap<ByteString, Topic>,
    lives: u64,
    paused: bool,
}

/// One topic's part, over all its lives.
#[derive(Default)]
pub(crate) struct Topic {
    pub(crate) handled: Numbers,
    /// Pushes that were handled a second time.
    pub(crate) doubled: u64,
    /// Pushes that were handled after one that was made later, in the same life.
    pub(crate) out_of_order: u64,
    lives: BTreeMap<u64, Life>,
}

/// One life of a channel.
#[derive(Clone, Copy)]
struct Life {
    socket: SocketId,
    sent: u64,
    last_handled: u64,
    /// It crashed while its connection went on.
    crashed: bool,
}

/// Lives of a topic that are remembered: a client asks for one soon after its end.
const LIVES: usize = 8;

/// What a topic's part comes to, for a client that asks.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    /// The life that answers.
    pub(crate) life: u64,
    /// The last number it has pushed.
    pub(crate) sent: u64,
    pub(crate) handled: Numbers,
    pub(crate) doubled: u64,
    pub(crate) out_of_order: u64,
}

impl Ledger {
    /// Books whose lives have greater numbers than those of all books that were begun before.
    pub(crate) fn new() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let lives = u64::try_from(since.as_micros()).unwrap_or_default();
        Ledger(Arc::new(Mutex::new(Books { lives, ..Books::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the server push nothing more, or go on.
    pub(crate) fn pause(&self, paused: bool) {
        self.lock().paused = paused;
    }

    /// Looks a topic up.
    pub(crate) fn with<T>(&self, topic: &ByteString, f: impl FnOnce(&Topic) -> T) -> Option<T> {
        self.lock().topics.get(topic).map(f)
    }

    /// Pushes that were handled twice or out of order, over all topics.
    pub(crate) fn faults(&self) -> (u64, u64) {
        let books = self.lock();
        let topics = books.topics.values();
        topics.fold((0, 0), |sum, topic| (sum.0 + topic.doubled, sum.1 + topic.out_of_order))
    }

    fn begin(&self, topic: &ByteString, socket: SocketId) -> u64 {
        let mut books = self.lock();
        books.lives += 1;
        let number = books.lives;
        let lives = &mut books.topics.entry(topic.clone()).or_default().lives;
        lives.insert(number, Life { socket, sent: 0, last_handled: 0, crashed: false });
        while lives.len() > LIVES {
            lives.pop_first();
        }
        number
    }

    fn end(&self, topic: &ByteString, life: u64, reason: Reason) {
        self.change(topic, life, |life| life.crashed = reason == Reason::Crashed);
    }

    /// The number of the next `down`, unless the server is to be quiet.
    fn next_down(&self, topic: &ByteString, life: u64) -> Option<u64> {
        if self.lock().paused {
            return None;
        }
        self.change(topic, life, |life| {
            life.sent += 1;
            life.sent
        })
    }

    fn handle_up(&self, topic: &ByteString, life: u64, n: u64) {
        let mut books = self.lock();
        let Some(topic) = books.topics.get_mut(topic) else { return };
        if !topic.handled.insert(n) {
            topic.doubled += 1;
        }
        if let Some(life) = topic.lives.get_mut(&life) {
            if n <= life.last_handled {
                topic.out_of_order += 1;
            }
            life.last_handled = n;
        }
    }

    fn report(&self, topic: &ByteString, life: u64) -> Option<Report> {
        self.with(topic, |topic| Report {
            life,
            sent: topic.sent(life).unwrap_or_default(),
            handled: topic.handled.clone(),
            doubled: topic.doubled,
            out_of_order: topic.out_of_order,
        })
    }

    fn change<T>(
        &self,
        topic: &ByteString,
        life: u64,
        change: impl FnOnce(&mut Life) -> T,
    ) -> Option<T> {
        self.lock().topics.get_mut(topic)?.lives.get_mut(&life).map(change)
    }
}

impl Topic {
    /// The last number that this life has pushed.
    pub(crate) fn sent(&self, life: u64) -> Option<u64> {
        self.lives.get(&life).map(|life| life.sent)
    }

    /// The last number that the client must have got of a life that is over: known if the life crashed,
    /// and the next one began on the same connection.
    pub(crate) fn must_have_got(&self, life: u64) -> Option<u64> {
        let over = self.lives.get(&life).filter(|life| life.crashed)?;
        let (_, next) = self.lives.range(life.saturating_add(1)..).next()?;
        (next.socket == over.socket).then_some(over.sent)
    }
}
