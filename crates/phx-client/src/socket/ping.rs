//! WebSocket pings and their answers.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use phx_proto::{CallError, PingId};

use super::Socket;
use crate::shared::Pending;

/// Future of a ping's round-trip time. Cancel-safe.
#[must_use = "the future has the round-trip time"]
pub struct Ping(Pending<Socket, PingId, CallError>);

/// Error of a ping without an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PingError {
    /// The socket couldn't send the ping.
    #[error("can't ping: {0}")]
    InvalidState(CallError),
    /// The connection ended before the answer.
    #[error("ping failed: the connection ended before the answer came")]
    Disconnected,
}

impl Socket {
    /// Sends a WebSocket ping, and measures the time until its answer.
    ///
    /// The ping is sent at once. Cancel-safe.
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
