//! Waiting for a socket to open or to close.

use std::convert::Infallible;
use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{Either, select};
use phx_proto::{
    CloseCause, CloseCode, ConfigError, ConnectionState, DisconnectError, EndpointError, Instant,
};

use super::Socket;
use crate::shared::{State, WatchKey};

/// The future of an open connection. It resolves after the hooks of the same opening or end have run.
/// Cancel-safe: dropping it changes nothing about the connection.
#[must_use = "the socket connects all the same; await this to know when it has"]
pub struct Connecting {
    socket: Socket,
    key: WatchKey,
    /// The number of the last event before it.
    since: u64,
}

/// The future of a closed connection. It resolves after the hooks of that end have run. Cancel-safe: dropping it changes nothing about the connection.
#[must_use = "the socket disconnects all the same; await this to know when it has"]
pub struct Disconnecting {
    socket: Socket,
    key: WatchKey,
    /// The number of an event before its end.
    since: u64,
}

/// Why a socket isn't connected, and won't be unless it is told to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectFailed {
    /// The endpoint, a param or a header is unusable. Nothing was tried.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A setting can't work. Nothing was tried.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A connection ended, or an attempt failed, and the
    /// [reconnect policy](crate::Builder::reconnect_policy) says not to try again: with the default
    /// one, because the server refused the first attempt for good. Or the user disconnected.
    #[error("{0}")]
    Closed(CloseCause),
    /// The builder wasn't told what to run on: [`Builder::runtime`](crate::Builder::runtime) and
    /// [`Builder::connector`](crate::Builder::connector). The adapters' entries do that.
    #[error("the builder has no {missing}")]
    #[non_exhaustive]
    Incomplete {
        /// `runtime` or `connector`.
        missing: &'static str,
    },
    /// It wasn't open within the time that [`Connecting::within`] or
    /// [`Builder::connect_within`](crate::Builder::connect_within) were given.
    #[error("not connected in time{}", Last(.last.as_ref()))]
    #[non_exhaustive]
    TimedOut {
        /// Why the last connection ended or the last attempt failed; `None` if there was none yet,
        /// as with a server that takes the connection and says nothing.
        last: Option<CloseCause>,
    },
    /// The socket's driver has ended: its runtime was shut down, or it panicked.
    #[error("the socket's driver has ended")]
    Stopped,
}

/// What went wrong last, behind what is said.
struct Last<'a>(Option<&'a CloseCause>);

impl fmt::Display for Last<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl Socket {
    /// Connects, and stays connected until [`disconnect`](Self::disconnect). Only needed after a
    /// `disconnect`, or after a refusal that ended the attempts; it also ends a wait for the next
    /// attempt at once.
    ///
    /// It acts here and now; the future waits until the connection is open, or is given up.
    /// Cancel-safe.
    pub fn connect(&self) -> Connecting {
        Connecting::start(self)
    }

    /// Waits until the connection is open, or given up. Does nothing to it. Cancel-safe.
    pub fn opened(&self) -> Connecting {
        Connecting::wait(self)
    }

    /// Disconnects with close code 1000, and stays so until [`connect`](Self::connect).
    ///
    /// It acts here and now; the future waits until the transport is closed, at the latest after
    /// [`Builder::close_timeout`](crate::Builder::close_timeout). Channels stay known and rejoin
    /// after the next `connect`, so their streams don't end. Cancel-safe.
    pub fn disconnect(&self) -> Disconnecting {
        let started: Result<_, Infallible> =
            Disconnecting::start(self, |state, now| Ok(state.disconnect_normally(now)));
        let Ok(disconnecting) = started;
        disconnecting
    }

    /// [`disconnect`](Self::disconnect), telling the server why.
    ///
    /// # Errors
    ///
    /// [`DisconnectError`], and nothing is done, if a close frame can't hold `code` (1000 and 3000 to
    /// 4999 are allowed) or `reason` (123 bytes at the most).
    pub fn disconnect_with(
        &self,
        code: CloseCode,
        reason: &str,
    ) -> Result<Disconnecting, DisconnectError> {
        Disconnecting::start(self, |state, now| state.disconnect(now, code, reason))
    }
}

impl Connecting {
    /// Gives up the wait when it has taken this long; the error tells why the last attempt failed.
    /// The socket isn't told: it keeps trying. Cancel-safe.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # async fn doc(socket: phx_client::Socket) {
    /// if let Err(failed) = socket.opened().within(Duration::from_secs(5)).await {
    ///     eprintln!("still trying: {failed}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConnectFailed`]; after the time that is [`ConnectFailed::TimedOut`].
    pub async fn within(self, limit: Duration) -> Result<(), ConnectFailed> {
        let socket = self.socket.clone();
        let clock = &socket.shared().runtime;
        let timer = pin!(clock.sleep_until(clock.now() + limit));
        match select(self, timer).await {
            Either::Left((connected, _)) => connected,
            Either::Right(((), _)) => {
                let last = socket.shared().lock().ends.cause().cloned();
                Err(ConnectFailed::TimedOut { last })
            }
        }
    }

    pub(super) fn start(socket: &Socket) -> Self {
        let (since, key) = socket.shared().call(|state, now, _| {
            if !state.is_driver_gone() {
                state.core.connect(now);
            }
            (state.ends.now(), state.connection.watch())
        });
        Connecting { socket: socket.clone(), key, since }
    }

    pub(super) fn wait(socket: &Socket) -> Self {
        let mut state = socket.shared().lock();
        // Where nothing is tried any more, the cause of that is what the future returns.
        let over = state.connection_state() == ConnectionState::Closed;
        let since = if over { state.ends.before_closed() } else { state.ends.now() };
        let key = state.connection.watch();
        drop(state);
        Connecting { socket: socket.clone(), key, since }
    }
}

impl Future for Connecting {
    type Output = Result<(), ConnectFailed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.socket.shared().lock();
        if state.is_stop_reported() {
            return Poll::Ready(Err(ConnectFailed::Stopped));
        }
        let now = state.connection_state();
        let is_open = now == ConnectionState::Open && state.ends.is_open_reported();
        if is_open || state.ends.has_opened_since(self.since) {
            return Poll::Ready(Ok(()));
        }
        // Where a new attempt is wanted, the report of the end before it may still be on its way.
        if now == ConnectionState::Closed
            && let Some(cause) = state.ends.given_up_since(self.since)
        {
            return Poll::Ready(Err(ConnectFailed::Closed(cause.clone())));
        }
        let old = state.connection.wait(self.key, now, cx);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        let old = self.socket.shared().lock().connection.unwatch(self.key);
        drop(old);
    }
}

impl Disconnecting {
    pub(super) fn start<E>(
        socket: &Socket,
        disconnect: impl FnOnce(&mut State, Instant) -> Result<u64, E>,
    ) -> Result<Self, E> {
        let (since, key) = socket.shared().call(|state, now, _| {
            let since = disconnect(state, now)?;
            Ok((since, state.connection.watch()))
        })?;
        Ok(Disconnecting { socket: socket.clone(), key, since })
    }
}

impl Future for Disconnecting {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.socket.shared().lock();
        if state.is_stop_reported() || state.ends.has_ended_since(self.since) {
            return Poll::Ready(());
        }
        let now = state.connection_state();
        let old = state.connection.wait(self.key, now, cx);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Disconnecting {
    fn drop(&mut self) {
        let old = self.socket.shared().lock().connection.unwatch(self.key);
        drop(old);
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connecting").field(&self.socket).finish()
    }
}

impl fmt::Debug for Disconnecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Disconnecting").field(&self.socket).finish()
    }
}
