//! WebSocket pings and their answers.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use phx_proto::{CallError, PingId};

use super::Socket;
use crate::shared::Pending;

/// The future of a ping's round-trip time. Cancel-safe.
#[must_use = "the future has the round-trip time"]
pub struct Ping(Pending<Socket, PingId, CallError>);

/// A ping without a round-trip time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PingError {
    /// The ping couldn't be made.
    #[error("can't ping: {0}")]
    InvalidState(CallError),
    /// The connection ended first.
    #[error("ping failed: the connection ended before the answer came")]
    Disconnected,
}

impl Socket {
    /// Asks the server for a sign of life, and measures the time until it comes.
    ///
    /// The ping is made here and now. Cancel-safe.
    pub fn ping(&self) -> Ping {
        let stopped = CallError::NotConnected;
        Ping(Pending::ask(self.clone(), stopped, |state, now, _| state.core.ping(now)))
    }
}

impl Future for Ping {
    type Output = Result<Duration, PingError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx).map(|answer| {
            let round_trip = answer.map_err(PingError::InvalidState)?;
            round_trip.flatten().ok_or(PingError::Disconnected)
        })
    }
}

impl fmt::Debug for Ping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ping").finish_non_exhaustive()
    }
}
