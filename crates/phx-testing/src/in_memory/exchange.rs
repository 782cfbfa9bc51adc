//! State that all links to one server share: the network, and received frames.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use phx_client::{Received, Runtime};
use phx_proto::{CloseCause, Instant, Request, TransportKind};

use crate::network::{ClientId, ConnectionId, Delivery, Network};
use crate::{ConnectRequest, Server};

pub(super) struct Exchange {
    runtime: Arc<dyn Runtime>,
    state: Mutex<State>,
}

struct State {
    network: Network,
    ends: BTreeMap<ConnectionId, End>,
    /// Waker of the task that watches the time.
    alarm: Option<Waker>,
    sockets: u64,
}

/// The client's end of a connection that its transport hasn't dropped.
#[derive(Default)]
struct End {
    opened: bool,
    received: VecDeque<Received>,
    closed: Option<CloseCause>,
    waker: Option<Waker>,
}

impl Exchange {
    pub(super) fn new(server: Server, runtime: Arc<dyn Runtime>) -> Self {
        let state =
            State { network: Network::new(server), ends: BTreeMap::new(), alarm: None, sockets: 0 };
        Exchange { runtime, state: Mutex::new(state) }
    }

    pub(super) fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.runtime
    }

    /// Calls the network, and performs all that is due, before and after.
    pub(super) fn with<T>(&self, f: impl FnOnce(&mut Network, Instant) -> T) -> T {
        self.call(|state, now| f(&mut state.network, now))
    }

    /// Starts an attempt to connect.
    pub(super) fn connect(
        &self,
        client: ClientId,
        kind: TransportKind,
        request: &Request,
    ) -> ConnectionId {
        self.call(|state, now| {
            let id = match kind {
                TransportKind::LongPoll => state.network.connect_session(now, client, request),
                _ => state.network.connect(now, client, ConnectRequest::from(request)),
            };
            state.ends.insert(id, End::default());
            id
        })
    }

    fn call<T>(&self, f: impl FnOnce(&mut State, Instant) -> T) -> T {
        let now = self.runtime.now();
        let mut wakers = Vec::new();
        let mut state = self.lock();
        let before = state.network.poll_timeout();
        state.settle(now, &mut wakers);
        let result = f(&mut state, now);
        state.settle(now, &mut wakers);
        if state.network.poll_timeout() != before {
            wakers.extend(state.alarm.take());
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    /// Handles the end of a connection's client side.
    pub(super) fn disconnected(&self, id: ConnectionId) {
        let ended = self.lock().ends.remove(&id).is_some_and(|end| end.closed.is_some());
        if !ended {
            self.with(|network, now| network.abandon(now, id));
        }
    }

    pub(super) fn poll_opened(
        &self,
        id: ConnectionId,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), CloseCause>> {
        self.poll(id, cx, |end| match (end.opened, &end.closed) {
            (true, _) => Some(Ok(())),
            (false, Some(cause)) => Some(Err(cause.clone())),
            (false, None) => None,
        })
    }

    /// Returns frames and gaps first, and then the end.
    pub(super) fn poll_received(
        &self,
        id: ConnectionId,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Received, CloseCause>> {
        self.poll(id, cx, |end| match end.received.pop_front() {
            Some(received) => Some(Ok(received)),
            None => end.closed.clone().map(Err),
        })
    }

    /// Returns the number of bytes of frames that a connection takes now, once it takes some. The end is reported by
    /// [`poll_received`](Self::poll_received).
    pub(super) fn poll_room(&self, id: ConnectionId, cx: &mut Context<'_>) -> Poll<usize> {
        let mut state = self.lock();
        let room = state.network.room(id);
        let Some(end) = state.ends.get_mut(&id).filter(|end| end.closed.is_none()) else {
            return Poll::Ready(usize::MAX);
        };
        match room {
            Some(room) => Poll::Ready(room),
            None => {
                end.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Returns the end, without the frames before it.
    pub(super) fn poll_closed(&self, id: ConnectionId, cx: &mut Context<'_>) -> Poll<CloseCause> {
        self.poll(id, cx, |end| end.closed.clone())
    }

    fn poll<T>(
        &self,
        id: ConnectionId,
        cx: &mut Context<'_>,
        ready: impl FnOnce(&mut End) -> Option<T>,
    ) -> Poll<T> {
        let mut state = self.lock();
        let Some(end) = state.ends.get_mut(&id) else { return Poll::Pending };
        match ready(end) {
            Some(ready) => Poll::Ready(ready),
            None => {
                end.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Performs all that is due. The waker is woken when the next deadline changes.
    pub(super) fn pass_time(&self, waker: &Waker) -> Option<Instant> {
        self.with(|_, _| ());
        let mut state = self.lock();
        state.alarm = Some(waker.clone());
        state.network.poll_timeout()
    }

    /// Returns a number for each socket: its seed.
    pub(super) fn next_seed(&self) -> u64 {
        let mut state = self.lock();
        state.sockets += 1;
        state.sockets
    }

    fn wake_alarm(&self) {
        let alarm = self.lock().alarm.take();
        if let Some(alarm) = alarm {
            alarm.wake();
        }
    }

    /// If a test's channel panicked while it held the lock, the test fails by that.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn settle(&mut self, now: Instant, wakers: &mut Vec<Waker>) {
        self.network.handle_timeout(now);
        while let Some((id, delivery)) = self.network.poll_delivery() {
            // Without an end, the client doesn't care any more.
            let Some(end) = self.ends.get_mut(&id) else { continue };
            match delivery {
                Delivery::Opened => end.opened = true,
                Delivery::Frame(frame) => end.received.push_back(Received::Frame(frame)),
                Delivery::Gap => end.received.push_back(Received::Gap),
                // Its waker is the driver's, which asks for room again.
                Delivery::Ready => {}
                Delivery::Closed(cause) => end.closed = Some(cause),
            }
            wakers.extend(end.waker.take());
        }
    }
}

/// The task that watches the time finds that there is nothing left to watch.
impl Drop for Exchange {
    fn drop(&mut self) {
        self.wake_alarm();
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}

/// For reports of a test that hangs.
impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().network.describe(f)
    }
}
