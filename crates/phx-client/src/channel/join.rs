//! A join under way.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use phx_proto::{ChannelState, EncodeError, JoinError, Outcome, Payload, RequestId, Status};

use super::{Channel, ChannelBuilder, NewChannelFailed};
use crate::shared::Pending;

/// The future of the server's first answer to a join that isn't a crash: the response to it.
///
/// The join itself doesn't depend on this future, and goes on when it is dropped. Cancel-safe.
#[must_use = "the join is under way; its outcome is what the future tells"]
pub struct Join(Pending<Channel, RequestId, JoinFailed>);

/// Why a channel isn't joined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinFailed {
    /// The channel couldn't be made.
    #[error(transparent)]
    Channel(#[from] NewChannelFailed),
    /// The channel can't be joined (again).
    #[error(transparent)]
    Refused(#[from] JoinError),
    /// The server rejected the join. Unless the
    /// [rejoin policy](crate::SocketBuilder::rejoin_policy) says otherwise the channel is closed.
    #[error("the server rejected the join with the status `{status}`")]
    #[non_exhaustive]
    Rejected {
        /// The status, usually `error`.
        status: Status,
        /// The response, often `{"reason": ".."}`.
        response: Payload,
    },
    /// The server answered, and the response was dropped: answers that nobody had awaited yet held as many bytes as
    /// [`SocketBuilder::max_answer_bytes`](crate::SocketBuilder::max_answer_bytes) allows. With the status `ok` the channel is
    /// joined.
    #[error(
        "the server answered the join with the status `{status}`, and its response of {len} bytes was dropped: too many answers waited to be read"
    )]
    #[non_exhaustive]
    ReplyDropped {
        /// The status, of which the first 255 bytes are kept.
        status: Status,
        /// The length of the response in bytes.
        len: usize,
    },
    /// No answer came in time. The channel keeps trying for as long as there is a handle to it.
    #[error("no answer to the join came in time")]
    TimedOut,
    /// The join crashed on the server, and no later attempt was answered otherwise in time. The channel
    /// keeps trying for as long as there is a handle to it; its [`failure`](Channel::failure) has what
    /// the server said.
    #[error("the join crashed on the server, and was not accepted in time")]
    Crashed,
    /// The channel was closed before it was joined.
    #[error("the channel closed before it was joined")]
    Closed,
    /// The serializer couldn't encode the join.
    #[error("the join couldn't be encoded")]
    EncodeFailed(#[source] EncodeError),
    /// The socket's driver has ended: its runtime was shut down, or it panicked.
    #[error("the socket's driver has ended")]
    Stopped,
}

/// Joining.
impl Channel {
    /// Joins the channel; for one that was made by
    /// [`ChannelBuilder::create`], after its streams and hooks.
    ///
    /// The join is under way when this returns, and goes on when the future is dropped: the future
    /// only waits for the server's first answer that isn't a crash, until its deadline. Cancel-safe in
    /// that sense.
    ///
    /// A channel that was left, that the server closed or whose join it rejected begins a new life by
    /// this: its params are made anew, and its hooks stay. Streams that ended stay ended; those made
    /// from here on belong to the new life. A channel that was removed or replaced can't be joined
    /// again, nor can one whose topic has another channel by now.
    pub fn join(&self) -> Join {
        self.start_joining(self.handle.join_timeout)
    }

    /// [`join`](Self::join), with this time to wait for the answer instead of
    /// [`ChannelBuilder::join_timeout`].
    pub fn join_with_timeout(&self, timeout: Duration) -> Join {
        self.start_joining(Some(timeout))
    }

    fn start_joining(&self, timeout: Option<Duration>) -> Join {
        let id = self.id();
        Join(Pending::ask(self.clone(), JoinFailed::Stopped, |state, now, wakers| {
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
    /// Makes the channel and joins it.
    ///
    /// What the server sends right after the join may come before a stream is made of the returned
    /// channel, and is lost then. To miss nothing, [`create`](Self::create) the channel, make its
    /// streams, and [join](Channel::join) it.
    ///
    /// A join that fails leaves nothing behind: the channel is dropped with the error. Dropping the
    /// future does the same.
    ///
    /// # Errors
    ///
    /// [`JoinFailed`]: the channel can't be made, the server rejected the join, or gave no answer in
    /// time.
    pub async fn join(self) -> Result<Channel, JoinFailed> {
        let channel = match self.create() {
            Err(NewChannelFailed::Stopped) => return Err(JoinFailed::Stopped),
            created => created?,
        };
        match channel.join().await {
            // Joined, though the response is lost.
            Ok(_) | Err(JoinFailed::ReplyDropped { status: Status::Ok, .. }) => Ok(channel),
            Err(failed) => Err(failed),
        }
    }
}

impl Future for Join {
    type Output = Result<Payload, JoinFailed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx).map(|outcome| match outcome?.ok_or(JoinFailed::Stopped)? {
            Outcome::Reply { status: Status::Ok, response, .. } => Ok(response),
            Outcome::Reply { status, response, .. } => {
                Err(JoinFailed::Rejected { status, response })
            }
            Outcome::ReplyDropped { status, len, .. } => {
                Err(JoinFailed::ReplyDropped { status, len })
            }
            Outcome::TimedOut => Err(JoinFailed::TimedOut),
            Outcome::JoinCrashed => Err(JoinFailed::Crashed),
            Outcome::EncodeFailed(error) => Err(JoinFailed::EncodeFailed(error)),
            _ => Err(JoinFailed::Closed),
        })
    }
}

impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join").field("topic", self.0.handle.topic()).finish_non_exhaustive()
    }
}
