//! The server that all connections share, and the routing of its answers.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phx_proto::{ByteString, CloseCode, Frame, Instant};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant as TokioInstant;

#[cfg(feature = "deflate")]
use super::deflate::CompressionFault;
use crate::faulty_pipe::Faults;
use crate::{
    Accepted, Action, ConnectRequest, Connectivity, ExchangeId, HttpAnswer, HttpRequest,
    HttpServer, Server, SocketId, UpgradeRejection,
};

pub(super) struct Hub {
    state: Mutex<State>,
    /// Epoch of the server's clock.
    epoch: TokioInstant,
    changed: Notify,
    /// Notified of every request of long-poll.
    asked: Notify,
    /// Commands to idle connections of long-poll.
    idling: watch::Sender<Idling>,
}

/// The faults of a connection, for those that set them.
pub(super) type Line = watch::Sender<Faults>;

struct State {
    server: Server,
    /// Requests that wait for their answers.
    answers: BTreeMap<ExchangeId, oneshot::Sender<HttpAnswer>>,
    /// The connections that aren't a WebSocket's.
    http: BTreeMap<u64, Carrier>,
    carriers_made: u64,
    outboxes: BTreeMap<SocketId, UnboundedSender<Outgoing>>,
    /// Faults of the connections whose tasks run, known to the server or not.
    lines: BTreeMap<SocketId, Line>,
    refusals: VecDeque<UpgradeRejection>,
    /// What the next upgrades are answered about extensions.
    forged_extensions: VecDeque<String>,
    connectivity: Connectivity,
    /// Latency of future connections.
    latency: Duration,
}

/// A connection that carries requests.
struct Carrier {
    line: Line,
    /// The session of its last request.
    session: Option<SocketId>,
    /// True while a poll waits for its answer.
    polls: bool,
}

/// Entry of a connection that carries requests, for as long as it does.
pub(super) struct HttpLine {
    hub: Arc<Hub>,
    id: u64,
}

/// Commands to idle connections.
#[derive(Clone, Copy, Default)]
struct Idling {
    /// Number of commands to close.
    closed: u64,
    stopping: bool,
}

/// An idle connection's view of the commands.
pub(super) struct Idle(watch::Receiver<Idling>);

impl Idle {
    /// Ignores earlier commands.
    pub(super) fn starts(&mut self) {
        self.0.borrow_and_update();
    }

    /// Completes when a command to close comes.
    pub(super) async fn closed(&mut self) {
        if !self.0.borrow().stopping {
            // An error means that the listener is gone.
            let _ = self.0.changed().await;
        }
    }
}

/// A command for a connection. The queue is as long as the server makes it: like a socket's
/// process in Phoenix, it has no limit.
pub(super) enum Outgoing {
    Frame(Frame),
    #[cfg(feature = "deflate")]
    Fault(CompressionFault),
    Close(CloseCode, ByteString),
    Drop,
}

impl Hub {
    pub(super) fn new(mut server: Server) -> Self {
        // A listener that comes back must not take the tokens of the one before for its own.
        server.salt_tokens(RandomState::new().hash_one(()));
        Hub {
            state: Mutex::new(State {
                server,
                answers: BTreeMap::new(),
                http: BTreeMap::new(),
                carriers_made: 0,
                outboxes: BTreeMap::new(),
                lines: BTreeMap::new(),
                refusals: VecDeque::new(),
                forged_extensions: VecDeque::new(),
                connectivity: Connectivity::Online,
                latency: Duration::ZERO,
            }),
            epoch: TokioInstant::now(),
            changed: Notify::new(),
            asked: Notify::new(),
            idling: watch::Sender::default(),
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
        line: &Line,
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

    /// Handles a request that isn't an upgrade's. Its answer comes over the channel, which ends without one when the
    /// listener stops.
    pub(super) fn request(
        &self,
        request: HttpRequest,
        line: &HttpLine,
    ) -> (ExchangeId, oneshot::Receiver<HttpAnswer>) {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        let (session, polls) = (state.server.session_of(&request), request.method() == "GET");
        if let Some(carrier) = state.http.get_mut(&line.id) {
            (carrier.session, carrier.polls) = (session, polls && session.is_some());
        }
        let refusal =
            if state.server.is_attempt(&request) { state.refusals.pop_front() } else { None };
        let exchange = match refusal {
            Some(refusal) => {
                let _ = sender.send(refusal.into());
                state.server.next_exchange()
            }
            None => {
                let exchange = state.server.handle_request(self.now(), request);
                state.answers.insert(exchange, sender);
                exchange
            }
        };
        state.pass_on();
        drop(state);
        self.changed.notify_one();
        self.asked.notify_waiters();
        (exchange, receiver)
    }

    /// Handles the end of an exchange on its connection, answered or not.
    pub(super) fn exchange_ended(&self, exchange: ExchangeId, line: &HttpLine) {
        let mut state = self.lock();
        let unanswered = state.answers.remove(&exchange).is_some();
        if let Some(carrier) = state.http.get_mut(&line.id) {
            carrier.polls = false;
        }
        drop(state);
        if unanswered {
            self.with(|server, now| server.handle_abandoned(now, exchange));
        }
    }

    pub(super) fn takes_requests(&self, path: &str) -> bool {
        self.lock().server.takes_requests(path)
    }

    pub(super) fn http_server(&self) -> HttpServer {
        self.lock().server.http_server()
    }

    pub(super) async fn wait_for_polls(&self, count: usize) {
        loop {
            // It counts from its creation on, so no request comes in between unnoticed.
            let asked = self.asked.notified();
            if self.lock().server.waiting_polls() >= count {
                return;
            }
            asked.await;
        }
    }

    pub(super) fn idle(&self) -> Idle {
        Idle(self.idling.subscribe())
    }

    /// Closes the connections of long-poll that are idle.
    pub(super) fn close_idle(&self) {
        self.idling.send_modify(|idling| idling.closed = idling.closed.wrapping_add(1));
    }

    /// Resets the connections whose polls wait.
    pub(super) fn abort_polls(&self) {
        for carrier in self.lock().http.values().filter(|carrier| carrier.polls) {
            carrier.line.send_modify(|faults| faults.cut = true);
        }
    }

    /// Ends the connections of long-poll, those whose requests wait without an answer.
    pub(super) fn stop_requests(&self) {
        self.lock().answers.clear();
        self.idling.send_modify(|idling| idling.stopping = true);
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

    pub(super) fn forge_extensions(&self, answer: String) {
        self.lock().forged_extensions.push_back(answer);
    }

    pub(super) fn forged_extensions(&self) -> Option<String> {
        self.lock().forged_extensions.pop_front()
    }

    /// Returns the web server whose compression is imitated, if compression is on.
    #[cfg(feature = "deflate")]
    pub(super) fn compression(&self) -> Option<HttpServer> {
        let state = self.lock();
        state.server.compresses().then(|| state.server.http_server())
    }

    /// Sends a fault behind the frames that were sent before.
    #[cfg(feature = "deflate")]
    pub(super) fn send_fault(&self, only: Option<SocketId>, fault: CompressionFault) {
        let state = self.lock();
        for (socket, outbox) in &state.outboxes {
            if only.is_none_or(|only| only == *socket) {
                // The connection may have ended already.
                let _ = outbox.send(Outgoing::Fault(fault));
            }
        }
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
        let wanted = |socket: Option<SocketId>| only.is_none_or(|only| Some(only) == socket);
        let sockets = state.lines.iter().map(|(socket, line)| (Some(*socket), line));
        let carriers = state.http.values().map(|carrier| (carrier.session, &carrier.line));
        for (_, line) in sockets.chain(carriers).filter(|(socket, _)| wanted(*socket)) {
            line.send_modify(&change);
        }
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

impl HttpLine {
    pub(super) fn new(hub: &Arc<Hub>, line: &Line) -> Self {
        let mut state = hub.lock();
        state.carriers_made += 1;
        let id = state.carriers_made;
        let carrier = Carrier { line: line.clone(), session: None, polls: false };
        state.http.insert(id, carrier);
        drop(state);
        HttpLine { hub: Arc::clone(hub), id }
    }
}

impl Drop for HttpLine {
    fn drop(&mut self) {
        self.hub.lock().http.remove(&self.id);
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
                Action::Answer { exchange, answer } => {
                    if let Some(asked) = self.answers.remove(&exchange) {
                        // The connection may have ended already.
                        let _ = asked.send(answer);
                    }
                    continue;
                }
            };
            if let Some(outbox) = outbox {
                // The connection may have ended already.
                let _ = outbox.send(outgoing);
            }
        }
    }
}
