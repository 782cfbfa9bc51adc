//! The future of a join.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use phx_proto::{ChannelState, Outcome, Payload, RequestId, Status};

use super::{Channel, ChannelBuilder, JoinCause, JoinError};
use crate::shared::Pending;

/// Future of the server's first answer to a join that isn't a crash. Resolves to the response.
///
/// The join itself doesn't depend on this future, and continues when it is dropped. Cancel-safe.
#[must_use = "the join is under way; the future has its outcome"]
pub struct Join(Pending<Channel, RequestId, JoinCause>);

/// Joining.
impl Channel {
    /// Joins the channel. Add streams and hooks to a channel from [`ChannelBuilder::create`] before this call.
    ///
    /// The join is under way when this returns, and continues when the future is dropped: the future only waits for
    /// the server's first answer that isn't a crash, until its deadline. Cancel-safe in that sense.
    ///
    /// A channel that was left, closed by the server or rejected begins a new life: its params are made again, and
    /// its hooks stay. Ended streams stay ended; new ones belong to the new life. A removed or replaced channel
    /// can't be joined again, nor can one whose topic now has another channel.
    pub fn join(&self) -> Join {
        self.start_joining(self.handle.join_timeout)
    }

    /// As [`join`](Self::join), with this time limit for the answer instead of [`ChannelBuilder::join_timeout`].
    pub fn join_with_timeout(&self, timeout: Duration) -> Join {
        self.start_joining(Some(timeout))
    }

    fn join_error(&self, cause: JoinCause) -> JoinError {
        let hides_reason = self.shared().settings.hide_reasons;
        JoinError { topic: self.topic().clone(), cause, hides_reason }
    }

    fn start_joining(&self, timeout: Option<Duration>) -> Join {
        let id = self.id();
        Join(Pending::ask(self.clone(), JoinCause::Stopped, |state, now, wakers| {
            let again = state.core.channel_state(id) == Some(ChannelState::Closed);
            let push = state.core.join(now, id, timeout)?;
            if again {
                state.begin_life(id, wakers);
            }
            if let Some(entry) = state.channels.get_mut(id) {
                entry.join_call = Some(push);
            }
            state.wake_channel_watchers(id, wakers);
            Ok(push)
        }))
    }
}

impl ChannelBuilder {
    /// Creates the channel and joins it.
    ///
    /// Messages that the server sends right after the join may arrive before the caller makes a stream from the
    /// returned channel, and are lost then. To receive all of them, [`create`](Self::create) the channel, make its
    /// streams, and [join](Channel::join) it.
    ///
    /// A failed join leaves nothing behind: the channel is dropped with the error. Dropping the future drops it as
    /// well.
    ///
    /// # Errors
    ///
    /// [`JoinError`]: the channel can't be created, or the server rejected the join or didn't answer in time.
    pub async fn join(self) -> Result<Channel, JoinError> {
        let channel = self.create()?;
        match channel.join().await {
            // The channel is joined, though the response is lost.
            Ok(_)
            | Err(JoinError {
                cause: JoinCause::ReplyDropped { status: Status::Ok, .. }, ..
            }) => Ok(channel),
            Err(failed) => Err(failed),
        }
    }
}

impl Future for Join {
    type Output = Result<Payload, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(self.0.poll(cx));
        let joined = outcome.and_then(|outcome| outcome.map_or(Err(JoinCause::Stopped), response));
        Poll::Ready(joined.map_err(|cause| self.0.handle.join_error(cause)))
    }
}

fn response(outcome: Outcome) -> Result<Payload, JoinCause> {
    Err(match outcome {
        Outcome::Reply { status: Status::Ok, response, .. } => return Ok(response),
        Outcome::Reply { status, response, .. } => JoinCause::Rejected { status, response },
        Outcome::ReplyDropped { status, len, .. } => JoinCause::ReplyDropped { status, len },
        Outcome::TimedOut => JoinCause::TimedOut,
        Outcome::JoinCrashed => JoinCause::Crashed,
        Outcome::EncodeFailed(error) => JoinCause::EncodeFailed(error),
        Outcome::TooLarge { len, max, .. } => JoinCause::TooLarge { len, max },
        _ => JoinCause::Closed,
    })
}

impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join").field("topic", self.0.handle.topic()).finish_non_exhaustive()
    }
}
