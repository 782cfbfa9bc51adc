//! Errors of pushes.

use std::error::Error;
use std::fmt;

use phx_proto::{ByteString, CallError, EncodeError, Escaped, Payload, PayloadError, Status};

use crate::channel::{Channel, rejected};

/// Error of a push without an `ok` response. `Debug` shows the same text as `Display`.
///
/// # Examples
///
/// ```no_run
/// use phx_client::{Channel, PushCause, PushError};
/// use serde_json::{Value, json};
///
/// # async fn doc(room: Channel) -> Result<(), PushError> {
/// match room.push::<Value>("new_msg", &json!({ "body": "" })).await {
///     Ok(posted) => println!("posted: {posted}"),
///     // ``push of `new_msg` to `room:lobby` rejected: empty body``
///     Err(error) if matches!(error.cause, PushCause::Rejected { .. }) => eprintln!("{error}"),
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
pub struct PushError {
    /// The cause: a mistake in the call, or the outcome of the push.
    pub cause: PushCause,
    push: Box<Pushed>,
}

/// The push of an error.
struct Pushed {
    topic: ByteString,
    event: ByteString,
    payload: Option<Payload>,
    hides_reason: bool,
}

/// Cause of a [`PushError`].
#[derive(Debug)]
#[non_exhaustive]
pub enum PushCause {
    /// The value can't be written as JSON. Nothing was sent.
    Payload(PayloadError),
    /// The channel can't take the push. Nothing was sent; [`PushError::into_payload`] returns the payload.
    InvalidState(CallError),
    /// The server replied with a status other than `ok`.
    #[non_exhaustive]
    Rejected {
        /// Status of the reply: any but `ok`.
        status: Status,
        /// Response of the reply.
        response: Payload,
    },
    /// The server replied, and the client dropped the response: replies not awaited yet held as many bytes as
    /// [`SocketBuilder::max_answer_bytes`](crate::SocketBuilder::max_answer_bytes) allows.
    #[non_exhaustive]
    ReplyDropped {
        /// The status, of which the first 255 bytes are kept.
        status: Status,
        /// The length of the response in bytes.
        len: usize,
    },
    /// The server replied `ok`, but the response doesn't decode as the requested type.
    Response(PayloadError),
    /// No reply arrived in time. The server may have received the push.
    TimedOut,
    /// The push couldn't be sent in time: the channel wasn't joined (its [`failure`](crate::Channel::failure) has
    /// the cause), or the transport took no more frames. The server never received it.
    NotSent,
    /// The connection ended after the push was sent. The server may have received it.
    Disconnected,
    /// The channel crashed after the push was sent. The server may have received it.
    ChannelCrashed,
    /// The channel was closed.
    ChannelClosed,
    /// The caller cancelled the push.
    Cancelled,
    /// The channel's buffer was full, and a newer push evicted this one. It was never sent.
    Evicted,
    /// The serializer couldn't encode the push. It was never sent.
    EncodeFailed(EncodeError),
    /// The frame is larger than the transport can send: long-poll has a limit. Nothing was sent.
    #[non_exhaustive]
    TooLarge {
        /// The length of the frame in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The socket's driver has ended: its runtime was shut down, or it panicked. If that was before the push,
    /// [`PushError::into_payload`] returns the payload.
    Stopped,
}

impl PushError {
    /// An error of this push; `payload` if it wasn't accepted.
    pub(super) fn new(
        channel: &Channel,
        event: ByteString,
        payload: Option<Payload>,
        cause: PushCause,
    ) -> Self {
        let topic = channel.topic().clone();
        let hides_reason = channel.shared().settings.hide_reasons;
        PushError { cause, push: Box::new(Pushed { topic, event, payload, hides_reason }) }
    }

    /// Returns the channel's topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.push.topic
    }

    /// Returns the event's name.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.push.event
    }

    /// Returns the payload, to push it again, if the socket didn't accept the push.
    #[must_use]
    pub fn into_payload(self) -> Option<Payload> {
        self.push.payload
    }
}

impl PushCause {
    /// Returns true if the server replied `ok` and the client dropped the response.
    pub(super) fn is_dropped_ok(&self) -> bool {
        matches!(self, PushCause::ReplyDropped { status: Status::Ok, .. })
    }
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (event, topic) = (Escaped::new(&self.push.event), Escaped::new(&self.push.topic));
        match &self.cause {
            PushCause::Rejected { status, response } => {
                write!(f, "push of `{event}` to `{topic}` ")?;
                rejected(f, status, (!self.push.hides_reason).then_some(response))
            }
            PushCause::ChannelCrashed => write!(
                f,
                "`{event}` crashed the channel `{topic}`, or another push did that waited for its reply; the server's log says why"
            ),
            cause => write!(f, "push of `{event}` to `{topic}` failed: {cause}"),
        }
    }
}

impl fmt::Debug for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for PushError {
    /// Error of the serialiser of the value or the response; the text above has everything else.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            PushCause::Payload(error) | PushCause::Response(error) => error.source(),
            _ => None,
        }
    }
}

impl fmt::Display for PushCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PushCause::Payload(error) => error.fmt(f),
            PushCause::InvalidState(error) => error.fmt(f),
            PushCause::Rejected { status, .. } => rejected(f, status, None),
            PushCause::ReplyDropped { status, len } => write!(
                f,
                "the server replied with the status `{status}`, and its response of {len} bytes was dropped: too many replies waited to be read"
            ),
            PushCause::Response(_) => {
                f.write_str("the response isn't of the type that was asked for")
            }
            PushCause::TimedOut => f.write_str("no reply came in time"),
            PushCause::NotSent => f.write_str("it couldn't be sent in time"),
            PushCause::Disconnected => f.write_str("the connection ended before the reply came"),
            PushCause::ChannelCrashed => f.write_str("the channel crashed before the reply came"),
            PushCause::ChannelClosed => f.write_str("the channel closed before the reply came"),
            PushCause::Cancelled => f.write_str("it was cancelled"),
            PushCause::Evicted => f.write_str("it gave way to a newer push in a full buffer"),
            PushCause::EncodeFailed(error) => write!(f, "it couldn't be encoded: {error}"),
            PushCause::TooLarge { len, max } => {
                write!(f, "it has {len} bytes, and the transport takes {max}")
            }
            PushCause::Stopped => f.write_str("the socket's driver has ended"),
        }
    }
}
