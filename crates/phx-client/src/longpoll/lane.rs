//! One of a session's two connections, and the exchange that waits for it or is under way on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use phx_proto::CloseCause;
use phx_proto::longpoll::{ExchangeId, Unanswered};

use crate::http::{Answer, Connection, Exchanged, Limits, Message};
use crate::runtime::BoxFuture;
use crate::turn::Turn;

/// Opens a connection to the server.
pub(super) type Opener = Box<dyn Fn() -> BoxFuture<Result<Connection, CloseCause>> + Send>;

/// What ended on a lane.
pub(super) enum Ended {
    Exchange(ExchangeId, Result<Answer, Unanswered>),
    /// No connection could be opened, for an exchange that may have followed.
    Opening(CloseCause),
}

/// A connection without an exchange.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unused {
    Opening,
    Idle,
}

/// A connection that is opened when it is needed, and again when the server has closed it.
pub(super) struct Lane {
    state: State,
    waiting: Option<(ExchangeId, Message)>,
    limits: Arc<Limits>,
}

#[derive(Default)]
enum State {
    #[default]
    Closed,
    Opening(BoxFuture<Result<Connection, CloseCause>>),
    Idle(Box<Connection>),
    Busy(UnderWay),
}

struct UnderWay {
    id: ExchangeId,
    turn: Turn,
    /// What the turn had moved when its progress was last looked at.
    moved: usize,
    /// Makes the exchange give up.
    ending: Arc<AtomicBool>,
    exchange: BoxFuture<Exchanged>,
}

impl Lane {
    pub(super) fn new(limits: Arc<Limits>) -> Self {
        Lane { state: State::Closed, waiting: None, limits }
    }

    /// The same lane with this open connection.
    pub(super) fn with(self, connection: Connection) -> Self {
        Lane { state: State::Idle(Box::new(connection)), ..self }
    }

    /// Begins an exchange. The next poll sends it.
    pub(super) fn start(&mut self, id: ExchangeId, request: Message) {
        self.waiting = Some((id, request));
    }

    /// Begins to open the connection, if it isn't there. Returns true if it began.
    pub(super) fn prepare(&mut self, opener: &Opener) -> bool {
        let is_closed = matches!(self.state, State::Closed);
        if is_closed {
            self.state = State::Opening(opener());
        }
        is_closed
    }

    /// Closes the connection, which has no exchange.
    pub(super) fn close(&mut self) {
        self.state = State::Closed;
    }

    /// Ends the connection in order, and with it the exchange. Nothing may start after that.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.state {
            State::Closed | State::Opening(_) => {}
            State::Idle(connection) => ready!(connection.poll_close(cx)),
            State::Busy(under_way) => {
                under_way.ending.store(true, Ordering::Relaxed);
                drop(ready!(under_way.exchange.as_mut().poll(cx)));
            }
        }
        self.state = State::Closed;
        Poll::Ready(())
    }

    /// True without an exchange.
    pub(super) fn is_free(&self) -> bool {
        self.waiting.is_none() && !matches!(self.state, State::Busy(_))
    }

    /// The connection, if there is one, without an exchange.
    pub(super) fn unused(&self) -> Option<Unused> {
        match &self.state {
            State::Opening(_) if self.waiting.is_none() => Some(Unused::Opening),
            State::Idle(_) if self.waiting.is_none() => Some(Unused::Idle),
            State::Closed | State::Opening(_) | State::Idle(_) | State::Busy(_) => None,
        }
    }

    /// The turn of the open connection.
    pub(super) fn turn(&self) -> Option<&Turn> {
        match &self.state {
            State::Idle(connection) => Some(connection.turn()),
            State::Busy(under_way) => Some(&under_way.turn),
            State::Closed | State::Opening(_) => None,
        }
    }

    /// The exchange under way, if bytes of it have gone out or come since the last call.
    pub(super) fn take_progress(&mut self) -> Option<ExchangeId> {
        let State::Busy(under_way) = &mut self.state else { return None };
        let moved = under_way.turn.moved();
        (std::mem::replace(&mut under_way.moved, moved) != moved).then_some(under_way.id)
    }

    /// Returns true if an exchange that starts now is sent at once, on an open connection. Drops one that the server has
    /// closed.
    pub(super) fn is_ready(&mut self, cx: &mut Context<'_>) -> bool {
        let State::Idle(connection) = &mut self.state else {
            return false;
        };
        let is_usable = connection.poll_end(cx).is_pending();
        if !is_usable {
            self.state = State::Closed;
        }
        is_usable && self.waiting.is_none()
    }

    /// Opens the connection for an exchange, sends it, and reads the answer.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, opener: &Opener) -> Poll<Ended> {
        // An idle connection that the server closes is of no use to the exchange that waits.
        self.is_ready(cx);
        if self.waiting.is_some() {
            self.prepare(opener);
        }
        if let State::Opening(opening) = &mut self.state {
            // One that ends at once counts as not opened: otherwise such a server would be dialed without end.
            let opened = ready!(opening.as_mut().poll(cx)).and_then(|mut connection| {
                match connection.poll_end(cx) {
                    Poll::Pending => Ok(connection),
                    Poll::Ready(cause) => Err(cause),
                }
            });
            match opened {
                Ok(connection) => self.state = State::Idle(Box::new(connection)),
                Err(cause) => {
                    self.state = State::Closed;
                    return Poll::Ready(match self.waiting.take() {
                        Some((id, _)) => Ended::Exchange(id, Err(Unanswered::NotRead(cause))),
                        None => Ended::Opening(cause),
                    });
                }
            }
        }
        if self.waiting.is_some()
            && let State::Idle(_) = &self.state
            && let State::Idle(connection) = std::mem::take(&mut self.state)
            && let Some((id, request)) = self.waiting.take()
        {
            let turn = connection.turn().clone();
            let (moved, ending) = (turn.moved(), connection.ending());
            let exchange = Box::pin(connection.exchange(request, Arc::clone(&self.limits)));
            self.state = State::Busy(UnderWay { id, turn, moved, ending, exchange });
        }
        let State::Busy(UnderWay { id, exchange, .. }) = &mut self.state else {
            return Poll::Pending;
        };
        let (id, (answered, connection)) = (*id, ready!(exchange.as_mut().poll(cx)));
        self.state = connection.map_or(State::Closed, |open| State::Idle(Box::new(open)));
        Poll::Ready(Ended::Exchange(id, answered))
    }
}
