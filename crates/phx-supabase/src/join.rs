//! The future of a join.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::FutureExt as _;
use phx_client::{ByteString, Escaped, Join as ClientJoin, JoinCause as ClientCause};

use crate::end::ChannelEnd;
use crate::error::ServerError;
use crate::state::State;

/// Future of the server's first answer to a join. The join continues when it is dropped. Cancel-safe.
#[must_use = "the join is under way; the future has its outcome"]
pub struct Join {
    pub(crate) join: ClientJoin,
    pub(crate) state: Arc<State>,
    pub(crate) topic: ByteString,
}

/// Error of creating or joining a channel. `Debug` shows the same text as `Display`.
#[non_exhaustive]
pub struct JoinError {
    /// Topic of the channel: `realtime:` and its name.
    pub topic: ByteString,
    /// The cause.
    pub cause: JoinCause,
}

/// Cause of a [`JoinError`].
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinCause {
    /// The channel is closed.
    Ended(ChannelEnd),
    /// The server rejected the join with an error that may pass: the channel is joined again by itself, see
    /// [`RETRIES`](crate::RETRIES).
    Rejected(ServerError),
    /// Any other cause.
    Client(ClientCause),
}

impl JoinError {
    pub(crate) fn of(error: phx_client::JoinError, state: Option<&State>) -> Self {
        let cause = match (state.and_then(State::end), error.cause) {
            (Some(end), _) => JoinCause::Ended(end),
            (None, ClientCause::Rejected { response, .. }) => {
                JoinCause::Rejected(ServerError::of_response(&response))
            }
            (None, cause) => JoinCause::Client(cause),
        };
        JoinError { topic: error.topic, cause }
    }
}

impl Future for Join {
    type Output = Result<(), JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let joined = ready!(self.join.poll_unpin(cx));
        Poll::Ready(match (joined, self.state.end()) {
            (Ok(_), None) => Ok(()),
            (Ok(_), Some(end)) => {
                Err(JoinError { topic: self.topic.clone(), cause: JoinCause::Ended(end) })
            }
            (Err(error), _) => Err(JoinError::of(error, Some(&self.state))),
        })
    }
}

impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.join.fmt(f)
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "join of `{}` failed: {}", Escaped::new(&self.topic), self.cause)
    }
}

impl fmt::Display for JoinCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinCause::Ended(end) => end.fmt(f),
            JoinCause::Rejected(error) => write!(f, "{error}"),
            JoinCause::Client(cause) => cause.fmt(f),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for JoinError {}
