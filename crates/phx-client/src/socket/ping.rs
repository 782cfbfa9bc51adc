//! A ping under way.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use phx_proto::{PingError, PingId};

use super::Socket;
use crate::shared::Pending;

/// The future of a ping's round-trip time. Cancel-safe.
#[must_use = "the round-trip time is what the future tells"]
pub struct Ping(Pending<Socket, PingId, PingError>);

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
        let stopped = PingError::NotConnected;
        Ping(Pending::ask(self.clone(), stopped, |state, now, _| state.core.ping(now)))
    }
}

impl Future for Ping {
    type Output = Result<Duration, PingFailed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx).map(|answer| answer?.flatten().ok_or(PingFailed::Disconnected))
    }
}

impl fmt::Debug for Ping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ping").finish_non_exhaustive()
    }
}
