//! State that a proxy's thread and its commands share: the connections, and the faults of the next.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::faulty_pipe::{Faults, Passed};

/// Connection through a proxy, from the client's arrival. Newer ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// Direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "a line has two ends")]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// Event of a connection, see [`FaultProxy::start_watched`](super::FaultProxy::start_watched).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A client connected.
    Connected(ConnectionId),
    /// A byte was altered by [`Connections::alter_after`](super::Connections::alter_after).
    Altered(ConnectionId),
    /// It was reset by [`Connections::cut`](super::Connections::cut) or
    /// [`Connections::cut_after`](super::Connections::cut_after).
    Cut(ConnectionId),
    /// The connection ended for any reason: once for each, after its other events.
    Ended(ConnectionId),
}

/// Connections that a command applies to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    All,
    One(ConnectionId),
    Next,
}

pub(super) struct Shared {
    state: Mutex<State>,
    watch: Box<dyn Fn(Event) + Send + Sync>,
}

struct State {
    server: SocketAddr,
    lines: BTreeMap<ConnectionId, (watch::Sender<Faults>, Arc<Passed>)>,
    /// Of the connection that comes next.
    next: Faults,
    /// Of connections to come.
    latency: Duration,
    swallows_frames: bool,
    made: u64,
}

/// A connection that has just come.
pub(super) struct Came {
    pub(super) id: ConnectionId,
    pub(super) server: SocketAddr,
    pub(super) faults: watch::Receiver<Faults>,
    pub(super) passed: Arc<Passed>,
}

impl Shared {
    pub(super) fn new(server: SocketAddr, watch: Box<dyn Fn(Event) + Send + Sync>) -> Self {
        let state = State {
            server,
            lines: BTreeMap::new(),
            next: Faults::default(),
            latency: Duration::ZERO,
            swallows_frames: false,
            made: 0,
        };
        Shared { state: Mutex::new(state), watch }
    }

    pub(super) fn came(&self) -> Came {
        let mut state = self.lock();
        state.made += 1;
        let id = ConnectionId(state.made);
        let mut faults = std::mem::take(&mut state.next);
        faults.latency = faults.latency.max(state.latency);
        faults.swallows_frames |= state.swallows_frames;
        let (line, faults) = watch::channel(faults);
        let passed = Arc::<Passed>::default();
        state.lines.insert(id, (line, Arc::clone(&passed)));
        let server = state.server;
        drop(state);
        self.report(Event::Connected(id));
        Came { id, server, faults, passed }
    }

    pub(super) fn went(&self, id: ConnectionId) {
        self.lock().lines.remove(&id);
        self.report(Event::Ended(id));
    }

    pub(super) fn report(&self, event: Event) {
        (self.watch)(event);
    }

    pub(super) fn ids(&self) -> Vec<ConnectionId> {
        self.lock().lines.keys().copied().collect()
    }

    pub(super) fn set_server(&self, server: SocketAddr) {
        self.lock().server = server;
    }

    pub(super) fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    pub(super) fn set_swallows_frames(&self, swallows: bool) {
        self.lock().swallows_frames = swallows;
    }

    pub(super) fn change(&self, which: Which, change: impl Fn(&mut Faults, &Passed)) {
        let mut state = self.lock();
        match which {
            Which::All => state.lines.values().for_each(|(line, passed)| {
                line.send_modify(|faults| change(faults, passed));
            }),
            Which::One(id) => {
                if let Some((line, passed)) = state.lines.get(&id) {
                    line.send_modify(|faults| change(faults, passed));
                }
            }
            Which::Next => change(&mut state.next, &Passed::default()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("server", &self.lock().server).finish_non_exhaustive()
    }
}
