//! Waiting for a socket to open or to close.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::MutexGuard;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{Either, select};
use phx_proto::{
    CloseCause, CloseCode, ConfigError, ConnectionState, DisconnectError, EndpointError,
};

use super::Socket;
use crate::shared::{State, WatchKey};

/// The future of an open connection. It resolves after the hooks of the same opening or end have run.
/// Cancel-safe: dropping it changes nothing about the connection.
#[must_use = "the socket connects all the same; await this to know when it has"]
pub struct Connecting(Wait);

/// The future of a closed connection. It resolves after the hooks of that end have run. Cancel-safe: dropping it changes nothing about the connection.
#[must_use = "the socket disconnects all the same; await this to know when it has"]
pub struct Disconnecting(Wait);

/// A wait for an opening or an end of the connection.
struct Wait {
    socket: Socket,
    key: WatchKey,
    /// The number of an event before it.
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
    /// [reconnect policy](crate::SocketBuilder::reconnect_policy) says not to try again: with the default
    /// one, because the server refused the first attempt for good. Or the user disconnected.
    #[error("{0}")]
    Closed(CloseCause),
    /// The builder wasn't told what to run on: [`SocketBuilder::runtime`](crate::SocketBuilder::runtime) and
    /// [`SocketBuilder::connector`](crate::SocketBuilder::connector). The adapters' entries do that.
    #[error("the builder has no {missing}")]
    #[non_exhaustive]
    Incomplete {
        /// `runtime` or `connector`.
        missing: &'static str,
    },
    /// It wasn't open within the time that [`Connecting::with_timeout`] or
    /// [`SocketBuilder::connect_with_timeout`](crate::SocketBuilder::connect_with_timeout) were given.
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
        let since = self.shared().call(|state, now, _| {
            if !state.is_driver_gone() {
                state.core.connect(now);
            }
            state.ends.now()
        });
        Connecting(Wait::new(self, since))
    }

    /// Waits until the connection is open, or given up. Does nothing to it. Cancel-safe.
    pub fn wait_connected(&self) -> Connecting {
        let state = self.shared().lock();
        // Where nothing is tried any more, the cause of that is what the future returns.
        let over = state.connection_state() == ConnectionState::Closed;
        let since = if over { state.ends.before_closed() } else { state.ends.now() };
        drop(state);
        Connecting(Wait::new(self, since))
    }

    /// Disconnects with close code 1000, and stays so until [`connect`](Self::connect).
    ///
    /// It acts here and now; the future waits until the transport is closed, at the latest after
    /// [`SocketBuilder::close_timeout`](crate::SocketBuilder::close_timeout). Channels stay known and rejoin
    /// after the next `connect`, so their streams don't end. Cancel-safe.
    pub fn disconnect(&self) -> Disconnecting {
        let since = self.shared().call(|state, now, _| state.disconnect_normally(now));
        Disconnecting(Wait::new(self, since))
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
        let since = self.shared().call(|state, now, _| state.disconnect(now, code, reason))?;
        Ok(Disconnecting(Wait::new(self, since)))
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
    /// if let Err(failed) = socket.wait_connected().with_timeout(Duration::from_secs(5)).await {
    ///     eprintln!("still trying: {failed}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConnectFailed`]; after the time that is [`ConnectFailed::TimedOut`].
    pub async fn with_timeout(self, limit: Duration) -> Result<(), ConnectFailed> {
        let socket = self.0.socket.clone();
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
}

impl Future for Connecting {
    type Output = Result<(), ConnectFailed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let state = self.0.socket.shared().lock();
        if state.is_stop_reported() {
            return Poll::Ready(Err(ConnectFailed::Stopped));
        }
        let now = state.connection_state();
        let is_open = now == ConnectionState::Open && state.ends.is_open_reported();
        if is_open || state.ends.has_opened_since(self.0.since) {
            return Poll::Ready(Ok(()));
        }
        // Where a new attempt is wanted, the report of the end before it may still be on its way.
        if now == ConnectionState::Closed
            && let Some(cause) = state.ends.given_up_since(self.0.since)
        {
            return Poll::Ready(Err(ConnectFailed::Closed(cause.clone())));
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

    /// Has the task woken when the connection's state isn't `known` any more.
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
