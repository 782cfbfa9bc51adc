//! A ping under way.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use phx_proto::{PingError, PingId};

use super::Socket;

/// The future of a ping's round-trip time. Cancel-safe.
#[must_use = "the round-trip time is what the future tells"]
pub struct Ping {
    socket: Socket,
    state: PingState,
}

enum PingState {
    Refused(PingError),
    Made(PingId),
    Over,
}

/// Why a ping has no round-trip time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PingFailed {
    /// The ping couldn't be made.
    #[error(transparent)]
    Refused(#[from] PingError),
    /// The connection ended first.
    #[error("the connection ended before the answer came")]
    Disconnected,
}

impl Socket {
    /// Asks the server for a sign of life, and measures the time until it comes.
    ///
    /// The ping is made here and now. Cancel-safe.
    pub fn ping(&self) -> Ping {
        Ping::start(self)
    }
}

impl Ping {
    pub(super) fn start(socket: &Socket) -> Self {
        let made = socket.shared().call(|state, now, _| {
            if state.is_driver_gone() {
                return Err(PingError::NotConnected);
            }
            let made = state.core.ping(now);
            if let Ok(ping) = made {
                state.pings.expect(ping);
            }
            made
        });
        Ping {
            socket: socket.clone(),
            state: made.map_or_else(PingState::Refused, PingState::Made),
        }
    }
}

impl Future for Ping {
    type Output = Result<Duration, PingFailed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ping = match std::mem::replace(&mut self.state, PingState::Over) {
            PingState::Made(ping) => ping,
            PingState::Refused(error) => return Poll::Ready(Err(error.into())),
            PingState::Over => return Poll::Pending,
        };
        let mut state = self.socket.shared().lock();
        let (polled, old) = state.pings.poll(&ping, cx);
        let stopped = state.is_stop_reported();
        drop(state);
        drop(old);
        let round_trip = match polled {
            Poll::Ready(round_trip) => round_trip,
            Poll::Pending if stopped => None,
            Poll::Pending => {
                self.state = PingState::Made(ping);
                return Poll::Pending;
            }
        };
        Poll::Ready(round_trip.ok_or(PingFailed::Disconnected))
    }
}

impl Drop for Ping {
    fn drop(&mut self) {
        if let PingState::Made(ping) = self.state {
            let old = self.socket.shared().lock().pings.forget(&ping);
            drop(old);
        }
    }
}

impl fmt::Debug for Ping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ping").finish_non_exhaustive()
    }
}
