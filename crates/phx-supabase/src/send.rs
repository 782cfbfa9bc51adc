//! Futures of broadcasts and of presence calls, and their errors.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::FutureExt as _;
use phx_client::{EncodeError, PayloadError, Push, PushError, PushReply, Status};

use crate::error::ServerError;

/// Future of something sent. What is sent doesn't depend on it; dropping it only gives up the outcome. Cancel-safe.
///
/// With [`ack`](crate::ChannelBuilder::ack), and for presence, it resolves with the server's reply. Broadcasts have no
/// reply otherwise: then it resolves once the transport has taken the frame.
#[must_use = "it is sent; the future has its outcome, which `detach` gives up"]
#[derive(Debug)]
pub struct Sending(Result<PushReply, Option<SendError>>);

/// Error of a broadcast or a presence call. `Debug` shows the same text as `Display`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// A name or the metadata is too long for the frame, see [`EncodeError::TooLong`]. Nothing was sent.
    #[error("{0}")]
    Encode(EncodeError),
    /// The value can't be written as JSON. Nothing was sent.
    #[error("the payload can't be written as JSON")]
    Payload(#[source] PayloadError),
    /// What is tracked must be a JSON object. Nothing was sent.
    #[error("what is tracked must be a JSON object")]
    NotAnObject,
    /// Only private channels store broadcasts. Nothing was sent.
    #[error("only private channels store broadcasts")]
    NotPrivate,
    /// The server replied with an error, such as `payload_size_exceeded`.
    #[error("the server refused it: {0}")]
    Rejected(ServerError),
    /// It couldn't be sent, or has no reply.
    #[error("{0}")]
    Push(PushError),
    /// The server refused a broadcast by HTTP.
    #[cfg(feature = "http")]
    #[error("the server refused it with HTTP status {status}: {error}")]
    Refused {
        /// The HTTP status, such as 401, or 429 for a limit.
        status: u16,
        /// The error in the answer.
        error: ServerError,
    },
    /// A broadcast by HTTP has no answer.
    #[cfg(feature = "http")]
    #[error("no answer by HTTP: {0}")]
    Http(phx_client::HttpError),
    /// The token function failed, or took too long. Nothing was sent.
    #[cfg(feature = "http")]
    #[error("the access token couldn't be made: {}", phx_client::Escaped::new(&.0.to_string()))]
    Token(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Debug for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Sending {
    pub(crate) fn of(push: Push<()>) -> Self {
        match push.accepted() {
            Ok(push) => Sending(Ok(push.reply())),
            Err(error) => Sending::failed(SendError::Push(error)),
        }
    }

    pub(crate) fn failed(error: SendError) -> Self {
        Sending(Err(Some(error)))
    }

    /// Detaches it: nothing waits for the outcome.
    ///
    /// # Errors
    ///
    /// [`SendError`] if it wasn't accepted; nothing is sent then.
    pub fn detach(self) -> Result<(), SendError> {
        match self.0 {
            Err(Some(error)) => Err(error),
            Err(None) | Ok(_) => Ok(()),
        }
    }
}

impl Future for Sending {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = match &mut self.0 {
            Ok(reply) => ready!(reply.poll_unpin(cx)),
            Err(error) => {
                return error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error)));
            }
        };
        Poll::Ready(match reply {
            Ok(reply) if reply.status == Status::Ok => Ok(()),
            Ok(reply) => Err(SendError::Rejected(ServerError::of_response(&reply.response))),
            Err(error) => Err(SendError::Push(error)),
        })
    }
}
