//! The server that all connections share, and where its answers go.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use phx_proto::{CloseCode, Frame, Instant};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant as TokioInstant;

use crate::{Accepted, Action, ConnectRequest, Refusal, Server, SocketId};

pub(super) struct Hub {
    state: Mutex<State>,
    /// The server's clock counts from here.
    epoch: TokioInstant,
    changed: Notify,
}

struct State {
    server: Server,
    outboxes: BTreeMap<SocketId, UnboundedSender<Outgoing>>,
}

/// What a connection is to do. The queue is as long as the server makes it: like a socket's
/// process in Phoenix, it has no limit.
pub(super) enum Outgoing {
    Frame(Frame),
    Close(CloseCode),
    Drop,
}

impl Hub {
    pub(super) fn new(server: Server) -> Self {
        Hub {
            state: Mutex::new(State { server, outboxes: BTreeMap::new() }),
            epoch: TokioInstant::now(),
            changed: Notify::new(),
        }
    }

    /// Calls the server and passes on what it answers.
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
    ) -> Result<(Accepted, UnboundedReceiver<Outgoing>), Refusal> {
        let mut state = self.lock();
        let accepted = state.server.connect(self.now(), request);
        let connected = accepted.map(|accepted| {
            let (outbox, outgoing) = unbounded_channel();
            state.outboxes.insert(accepted.socket, outbox);
            (accepted, outgoing)
        });
        state.pass_on();
        drop(state);
        self.changed.notify_one();
        connected
    }

    pub(super) fn disconnected(&self, socket: SocketId) {
        self.lock().outboxes.remove(&socket);
        self.with(|server, now| server.handle_lost(now, socket));
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

    /// A test's own channel panicked while it held the lock: its test fails by that, and the others
    /// go on.
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
                Action::Close { socket, code } => {
                    (self.outboxes.remove(&socket), Outgoing::Close(code))
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
