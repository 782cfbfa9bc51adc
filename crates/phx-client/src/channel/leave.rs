//! The future of a leave.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use phx_proto::{Outcome, RequestId};

use super::{Channel, LeaveCause, LeaveError};
use crate::shared::Pending;

/// Future of a leave: ready when the channel is closed.
///
/// The leave itself doesn't depend on this future, and continues when it is dropped. Cancel-safe.
#[must_use = "the leave is under way; the future has its outcome"]
pub struct Leave(Pending<Channel, RequestId, LeaveCause>);

/// Leaving.
impl Channel {
    /// Leaves the channel. The channel is closed when the server has confirmed the leave, when
    /// [`SocketBuilder::leave_timeout`](crate::SocketBuilder::leave_timeout) is over, or when the connection ends.
    ///
    /// The leave is under way when this returns, and continues when the future is dropped.
    pub fn leave(&self) -> Leave {
        self.start_leaving(None)
    }

    /// As [`leave`](Self::leave), with this time limit for the server to confirm it.
    pub fn leave_with_timeout(&self, timeout: Duration) -> Leave {
        self.start_leaving(Some(timeout))
    }

    fn start_leaving(&self, timeout: Option<Duration>) -> Leave {
        let id = self.id();
        Leave(Pending::ask(self.clone(), LeaveCause::Stopped, |state, now, wakers| {
            let push = state.core.leave(now, id, timeout)?;
            state.wake_channel_watchers(id, wakers);
            Ok(push)
        }))
    }
}

impl Future for Leave {
    type Output = Result<(), LeaveError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(self.0.poll(cx));
        let left = outcome.and_then(|outcome| match outcome {
            None => Err(LeaveCause::Stopped),
            Some(Outcome::TimedOut) => Err(LeaveCause::TimedOut),
            // Confirmed, or gone in another way: the channel is left.
            Some(_) => Ok(()),
        });
        Poll::Ready(
            left.map_err(|cause| LeaveError { topic: self.0.handle.topic().clone(), cause }),
        )
    }
}

impl fmt::Debug for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leave").field("topic", self.0.handle.topic()).finish_non_exhaustive()
    }
}
