//! The server that all connections share, and the routing of its answers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phx_proto::{ByteString, CloseCode, Frame, Instant};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::Instant as TokioInstant;

use crate::faulty_pipe::Faults;
use crate::{Accepted, Action, ConnectRequest, Connectivity, Server, SocketId, UpgradeRejection};

pub(super) struct Hub {
    state: Mutex<State>,
    /// Epoch of the server's clock.
    epoch: TokioInstant,
    changed: Notify,
}

struct State {
    server: Server,
    outboxes: BTreeMap<SocketId, UnboundedSender<Outgoing>>,
    /// Faults of the connections whose tasks run, known to the server or not.
    lines: BTreeMap<SocketId, watch::Sender<Faults>>,
    refusals: VecDeque<UpgradeRejection>,
    connectivity: Connectivity,
    /// Latency of future connections.
    latency: Duration,
}

/// A command for a connection. The queue is as long as the server makes it: like a socket's
/// process in Phoenix, it has no limit.
pub(super) enum Outgoing {
    Frame(Frame),
    Close(CloseCode, ByteString),
    Drop,
}

impl Hub {
    pub(super) fn new(server: Server) -> Self {
        Hub {
            state: Mutex::new(State {
                server,
                outboxes: BTreeMap::new(),
                lines: BTreeMap::new(),
                refusals: VecDeque::new(),
                connectivity: Connectivity::Online,
                latency: Duration::ZERO,
            }),
            epoch: TokioInstant::now(),
            changed: Notify::new(),
        }
    }

    /// Calls the server and routes its answers.
    pub(super) fn with<T>(&self, f: impl FnOnce(&mut Server, Instant) -> T) -> T {
        let mut state = self.lock();
        let result = f(&mut state.server, self.now());
        state.pass_on();
        drop(state);
        self.changed.notify_one();
        result
    }

    pub(super) fn connect(
        &self,
        request: &ConnectRequest,
        line: &watch::Sender<Faults>,
    ) -> Result<(Accepted, UnboundedReceiver<Outgoing>), UpgradeRejection> {
        let mut state = self.lock();
        if let Some(refusal) = state.refusals.pop_front() {
            return Err(refusal);
        }
        let accepted = state.server.connect(self.now(), request);
        let connected = accepted.map(|accepted| {
            let (outbox, outgoing) = unbounded_channel();
            state.outboxes.insert(accepted.socket, outbox);
            state.lines.insert(accepted.socket, line.clone());
            (accepted, outgoing)
        });
        state.pass_on();
        drop(state);
        self.changed.notify_one();
        connected
    }

    pub(super) fn disconnected(&self, socket: SocketId) {
        let mut state = self.lock();
        state.outboxes.remove(&socket);
        state.lines.remove(&socket);
        drop(state);
        self.with(|server, now| server.handle_lost(now, socket));
    }

    pub(super) fn max_frame_size(&self) -> usize {
        self.lock().server.max_frame_size()
    }

    pub(super) fn refuse_next(&self, refusal: UpgradeRejection) {
        self.lock().refusals.push_back(refusal);
    }

    pub(super) fn connectivity(&self) -> Connectivity {
        self.lock().connectivity
    }

    pub(super) fn set_connectivity(&self, connectivity: Connectivity) {
        self.lock().connectivity = connectivity;
    }

    pub(super) fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// The faults of a connection that has just come.
    pub(super) fn faults(&self) -> Faults {
        Faults { latency: self.lock().latency, ..Faults::default() }
    }

    /// Returns the connections whose tasks run: all, or this one if it is among them.
    pub(super) fn lines(&self, only: Option<SocketId>) -> Vec<SocketId> {
        let state = self.lock();
        let wanted = |socket: &SocketId| only.is_none_or(|only| only == *socket);
        state.lines.keys().copied().filter(wanted).collect()
    }

    pub(super) fn change_faults(&self, only: Option<SocketId>, change: impl Fn(&mut Faults)) {
        let state = self.lock();
        let wanted = |socket: &SocketId| only.is_none_or(|only| only == *socket);
        for (_, line) in state.lines.iter().filter(|(socket, _)| wanted(socket)) {
            line.send_modify(&change);
        }
    }

    /// Resets a connection: the server notices at once.
    pub(super) fn cut(&self, socket: SocketId) {
        self.change_faults(Some(socket), |faults| faults.cut = true);
        self.disconnected(socket);
    }

    /// Completes after the next call to the server, or at once if one came since the last time.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn next_timeout(&self) -> Option<TokioInstant> {
        let at = self.lock().server.poll_timeout()?;
        self.epoch.checked_add(at.since_epoch())
    }

    pub(super) fn now(&self) -> Instant {
        Instant::from_epoch(self.epoch.elapsed())
    }

    /// If a test's channel panicked while it held the lock, its test fails by that, and the others continue.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pass_on(&mut self) {
        while let Some(action) = self.server.poll_action() {
            let (outbox, outgoing) = match action {
                Action::Send { socket, frame } => {
                    (self.outboxes.get(&socket).cloned(), Outgoing::Frame(frame))
                }
                Action::Close { socket, code, reason } => {
                    (self.outboxes.remove(&socket), Outgoing::Close(code, reason))
                }
                Action::Drop { socket } => (self.outboxes.remove(&socket), Outgoing::Drop),
            };
            if let Some(outbox) = outbox {
                // The connection may have ended already.
                let _ = outbox.send(outgoing);
            }
        }
    }
}
