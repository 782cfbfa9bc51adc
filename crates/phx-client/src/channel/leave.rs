//! A leave under way.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use phx_proto::{LeaveError, Outcome, RequestId};

use super::Channel;
use crate::shared::Pending;

/// The future of a leave: ready when the channel is closed.
///
/// The leave itself doesn't depend on this future, and goes on when it is dropped. Cancel-safe.
#[must_use = "the leave is under way; its outcome is what the future tells"]
pub struct Leave(Pending<Channel, RequestId, LeaveFailed>);

/// Why a leave wasn't confirmed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaveFailed {
    /// There is nothing to leave.
    #[error(transparent)]
    Refused(#[from] LeaveError),
    /// The server didn't confirm it in time. The channel is closed all the same.
    #[error("the server didn't confirm the leave in time")]
    TimedOut,
    /// The socket's driver has ended: its runtime was shut down, or it panicked.
    #[error("the socket's driver has ended")]
    Stopped,
}

/// Leaving.
impl Channel {
    /// Leaves the channel. It is closed when the server has confirmed that, or the time
    /// ([`SocketBuilder::leave_timeout`](crate::SocketBuilder::leave_timeout)) is over, or the connection ends.
    ///
    /// The leave is under way when this returns, and goes on when the future is dropped.
    pub fn leave(&self) -> Leave {
        self.start_leaving(None)
    }

    /// [`leave`](Self::leave), with this time for the server to confirm it.
    pub fn leave_with_timeout(&self, timeout: Duration) -> Leave {
        self.start_leaving(Some(timeout))
    }

    fn start_leaving(&self, timeout: Option<Duration>) -> Leave {
        let id = self.id();
        Leave(Pending::ask(self.clone(), LeaveFailed::Stopped, |state, now, wakers| {
            let push = state.core.leave(now, id, timeout)?;
            state.wake_channel_watchers(id, wakers);
            Ok(push)
        }))
    }
}

impl Future for Leave {
    type Output = Result<(), LeaveFailed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx).map(|outcome| match outcome?.ok_or(LeaveFailed::Stopped)? {
            Outcome::TimedOut => Err(LeaveFailed::TimedOut),
            // Confirmed, or gone in another way: the channel is left.
            _ => Ok(()),
        })
    }
}

impl fmt::Debug for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leave").field("topic", self.0.handle.topic()).finish_non_exhaustive()
    }
}
