//! Futures of an open and of a closed connection.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::MutexGuard;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{Either, select};
use phx_proto::{CallError, CloseCode, ConnectionState};

use super::{ConnectCause, ConnectError, Socket};
use crate::shared::{State, WatchKey};

/// Future of an open connection. It resolves after the hooks of the same opening or end have run. Cancel-safe:
/// dropping it changes nothing about the connection.
#[must_use = "the socket connects all the same; await this to know when it has"]
pub struct Connecting(Wait);

/// Future of a closed connection. It resolves after the hooks of that end have run. Cancel-safe: dropping it
/// changes nothing about the connection.
#[must_use = "the socket disconnects all the same; await this to know when it has"]
pub struct Disconnecting(Wait);

/// A wait for an opening or an end of the connection.
struct Wait {
    socket: Socket,
    key: WatchKey,
    /// The number of an event before it.
    since: u64,
}

impl Socket {
    /// Connects, and stays connected until [`disconnect`](Self::disconnect). Call it after a `disconnect`, or after
    /// a refusal that ended the attempts; it also ends the wait for the next attempt at once.
    ///
    /// The call takes effect at once; the future waits until the connection is open, or the client stops trying.
    /// Cancel-safe.
    pub fn connect(&self) -> Connecting {
        let since = self.shared().call(|state, now, _| {
            if !state.is_driver_gone() {
                state.core.connect(now);
            }
            state.ends.now()
        });
        Connecting(Wait::new(self, since))
    }

    /// Waits until the connection is open, or the client stops trying. Doesn't affect the connection. Cancel-safe.
    pub fn wait_connected(&self) -> Connecting {
        let state = self.shared().lock();
        // If the client has stopped trying, the future returns the cause of that.
        let over = state.connection_state() == ConnectionState::Closed;
        let since = if over { state.ends.before_closed() } else { state.ends.now() };
        drop(state);
        Connecting(Wait::new(self, since))
    }

    /// Disconnects with close code 1000, and stays disconnected until [`connect`](Self::connect).
    ///
    /// The call takes effect at once; the future waits until the transport is closed, at the latest after
    /// [`SocketBuilder::close_timeout`](crate::SocketBuilder::close_timeout). Channels are kept and rejoin after
    /// the next `connect`, so their streams don't end. Cancel-safe.
    pub fn disconnect(&self) -> Disconnecting {
        let since = self.shared().call(|state, now, _| state.disconnect_normally(now));
        Disconnecting(Wait::new(self, since))
    }

    /// As [`disconnect`](Self::disconnect), with a code and a reason for the server.
    ///
    /// # Errors
    ///
    /// [`CallError`], without any effect, if a close frame can't hold `code` (1000 and 3000 to 4999 are allowed) or
    /// `reason` (at most 123 bytes).
    pub fn disconnect_with(
        &self,
        code: CloseCode,
        reason: &str,
    ) -> Result<Disconnecting, CallError> {
        let since = self.shared().call(|state, now, _| state.disconnect(now, code, reason))?;
        Ok(Disconnecting(Wait::new(self, since)))
    }
}

impl Connecting {
    /// Limits the wait to this time; the error has the cause of the last attempt's failure. The socket itself keeps
    /// trying. Cancel-safe.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # async fn doc(socket: phx_client::Socket) {
    /// if let Err(failed) = socket.wait_connected().with_timeout(Duration::from_secs(5)).await {
    ///     eprintln!("still trying: {failed}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConnectError`]; when the time is over, [`ConnectCause::TimedOut`].
    pub async fn with_timeout(self, limit: Duration) -> Result<(), ConnectError> {
        let socket = self.0.socket.clone();
        let clock = &socket.shared().runtime;
        let timer = pin!(clock.sleep_until(clock.now() + limit));
        match select(self, timer).await {
            Either::Left((connected, _)) => connected,
            Either::Right(((), _)) => {
                let state = socket.shared().lock();
                let last = state.ends.cause().cloned();
                let (endpoint, tried) = (&socket.shared().endpoint, state.tried_transport);
                Err(ConnectError::of(endpoint, tried, ConnectCause::TimedOut { last }))
            }
        }
    }
}

impl Future for Connecting {
    type Output = Result<(), ConnectError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let state = self.0.socket.shared().lock();
        if state.is_stop_reported() {
            return Poll::Ready(Err(self.0.error(&state, ConnectCause::Stopped)));
        }
        let now = state.connection_state();
        let is_open = now == ConnectionState::Open && state.ends.is_open_reported();
        if is_open || state.ends.has_opened_since(self.0.since) {
            return Poll::Ready(Ok(()));
        }
        // If the caller wants a new attempt, the report of the previous end may still be on its way.
        if now == ConnectionState::Closed
            && let Some(cause) = state.ends.given_up_since(self.0.since)
        {
            let cause = ConnectCause::Closed(cause.clone());
            return Poll::Ready(Err(self.0.error(&state, cause)));
        }
        self.0.wait(state, now, cx);
        Poll::Pending
    }
}

impl Future for Disconnecting {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let state = self.0.socket.shared().lock();
        if state.is_stop_reported() || state.ends.has_ended_since(self.0.since) {
            return Poll::Ready(());
        }
        let now = state.connection_state();
        self.0.wait(state, now, cx);
        Poll::Pending
    }
}

impl Wait {
    fn new(socket: &Socket, since: u64) -> Self {
        let key = socket.shared().lock().connection.watch();
        Wait { socket: socket.clone(), key, since }
    }

    fn error(&self, state: &State, cause: ConnectCause) -> ConnectError {
        ConnectError::of(&self.socket.shared().endpoint, state.tried_transport, cause)
    }

    /// Registers the task for when the connection's state is no longer `known`.
    fn wait(&self, mut state: MutexGuard<'_, State>, known: ConnectionState, cx: &Context<'_>) {
        let old = state.connection.wait(self.key, known, cx);
        drop(state);
        drop(old);
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let old = self.socket.shared().lock().connection.unwatch(self.key);
        drop(old);
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connecting").field(&self.0.socket).finish()
    }
}

impl fmt::Debug for Disconnecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Disconnecting").field(&self.0.socket).finish()
    }
}
