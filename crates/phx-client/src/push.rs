//! A push under way, its reply, and what can become of it instead.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use phx_proto::{
    ByteString, EncodeError, Outcome, Payload, PayloadError, PushError, RequestId, Status,
};
use serde::de::DeserializeOwned;

use crate::channel::Channel;
use crate::payload::IntoPayload;
use crate::shared::Pending;

/// A push that has been made, and the future of its reply, decoded as an `R`.
///
/// The push was handed to the socket by [`Channel::push`] itself, as in phoenix.js: the order of the
/// calls is the order on the wire, however and whenever the futures are awaited, and a push that
/// nobody awaits is sent all the same. Awaiting gives the response of an `ok` reply; everything
/// else is a [`PushFailed`], a push that was refused on the spot included.
///
/// The outcome is kept until it is taken, so a `Push` can be awaited long after its reply came. Where many are kept,
/// their responses are limited in bytes ([`SocketBuilder::max_answer_bytes`](crate::SocketBuilder::max_answer_bytes)).
/// Dropping it only gives up the outcome: the push goes on. [`cancel`](Self::cancel) takes it back.
/// The future is cancel-safe in the sense that it can be polled through a `&mut` reference and kept.
///
/// `R` is inferred from what is done with the response; `()` takes any. Where nothing is done with
/// it, say so: [`acknowledged`](Push::acknowledged), [`reply`](Push::reply) or
/// [`detach`](Push::detach). Otherwise the compiler finds no `R`, and `room.push(..).await?;` is the
/// error `the trait bound "!: Deserialize" is not satisfied` (or `type annotations needed`).
///
/// # Examples
///
/// ```no_run
/// use phx_client::{Channel, PushFailed};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize)]
/// struct NewMsg<'a> {
///     body: &'a str,
/// }
/// #[derive(Deserialize)]
/// struct Posted {
///     id: u64,
/// }
///
/// # async fn doc(room: Channel) -> Result<(), PushFailed> {
/// let posted: Posted = room.push("new_msg", &NewMsg { body: "hi" }).await?;
///
/// match room.push("new_msg", &NewMsg { body: "" }).await {
///     Ok(Posted { id }) => println!("posted as {id}"),
///     Err(PushFailed::Rejected { status, response, .. }) => println!("{status}: {response:?}"),
///     Err(other) => return Err(other),
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "the push is made; say `.detach()` if its outcome doesn't matter"]
pub struct Push<R> {
    wait: PushWait,
    response: PhantomData<fn() -> R>,
}

/// Pushing.
impl Channel {
    /// Pushes an event to the server: `&value` for anything that serialises, or a [`Payload`].
    ///
    /// The push is made here and now; the returned future waits for the reply, see [`Push`]. While
    /// the channel is joining, or the connection is away, pushes wait in order for the join.
    ///
    /// A task that awaits the reply doesn't read its streams meanwhile. If one of them is full, the
    /// reply can't be read before the stream has stalled, see
    /// [`StreamOverflow::Wait`](crate::StreamOverflow::Wait): where many messages come, read in another task.
    pub fn push<R>(&self, event: impl Into<ByteString>, payload: impl IntoPayload) -> Push<R> {
        Push::new(self.clone(), self.start_push(event.into(), payload, None))
    }

    /// [`push`](Self::push), with a deadline of its own, counted from here, instead of
    /// [`SocketBuilder::push_timeout`](crate::SocketBuilder::push_timeout).
    pub fn push_with_timeout<R>(
        &self,
        timeout: Duration,
        event: impl Into<ByteString>,
        payload: impl IntoPayload,
    ) -> Push<R> {
        Push::new(self.clone(), self.start_push(event.into(), payload, Some(timeout)))
    }

    fn start_push(
        &self,
        event: ByteString,
        payload: impl IntoPayload,
        timeout: Option<Duration>,
    ) -> Result<RequestId, PushRefused> {
        let payload = payload.into_payload()?;
        let log = &self.shared().settings.log;
        let shown = log.wants().then(|| (event.clone(), payload.clone()));
        let push = self.shared().call(|state, now, _| {
            if state.is_driver_gone() {
                return Err(PushRefused::Stopped { event, payload });
            }
            let push = state.core.push(now, self.id(), event, payload, timeout)?;
            state.pushes.register(push);
            Ok::<RequestId, PushRefused>(push)
        })?;
        if let Some((event, payload)) = shown {
            log.pushed(self.topic(), &event, &payload);
        }
        Ok(push)
    }
}

impl<R> Push<R> {
    pub(crate) fn new(channel: Channel, made: Result<RequestId, PushRefused>) -> Self {
        Push { wait: PushWait(Pending::new(channel, made)), response: PhantomData }
    }

    /// The push, if the socket accepted it. Without this a refusal is the future's error.
    ///
    /// # Errors
    ///
    /// [`PushRefused`]: nothing was sent; it hands the payload back.
    pub fn accepted(mut self) -> Result<Self, PushRefused> {
        match self.wait.0.take_refusal() {
            Some(refused) => Err(refused),
            None => Ok(self),
        }
    }

    /// The push's id, by which [`Channel::incoming`] names it in replies; `None` if the push was refused.
    #[must_use]
    pub fn id(&self) -> Option<RequestId> {
        self.wait.0.id()
    }

    /// Takes the push back. One that hasn't been sent never will be; of one that has, only the
    /// outcome is given up. Returns `false` if the outcome had been decided already.
    pub fn cancel(self) -> bool {
        let cancel = |push| self.wait.0.handle.shared().call(|state, _, _| state.core.cancel(push));
        self.id().is_some_and(cancel)
    }
}

/// For pushes whose response isn't decoded: these choose `R` where nothing else does.
impl Push<()> {
    /// The reply, whatever its status: where the application has statuses of its own, or says more
    /// with `error` than that something failed.
    pub fn reply(self) -> PushReply {
        PushReply { wait: self.wait }
    }

    /// The same push, awaited for an `ok` whose response is ignored.
    pub fn acknowledged(self) -> Self {
        self
    }

    /// Lets the push go without waiting for its outcome.
    ///
    /// # Errors
    ///
    /// [`PushRefused`] if the socket didn't accept it; it hands the payload back.
    pub fn detach(self) -> Result<(), PushRefused> {
        self.accepted().map(drop)
    }
}

/// The future of a push's [`Reply`], see [`Push::reply`]. Cancel-safe as [`Push`] is.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct PushReply {
    wait: PushWait,
}

/// A reply to a push.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// `ok`, `error` or the application's own.
    pub status: Status,
    /// The response.
    pub response: Payload,
}

/// A push that the socket didn't accept. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushRefused {
    /// The value can't be written as JSON.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The channel can't take it; the error holds the event and the payload.
    #[error(transparent)]
    Push(#[from] PushError),
    /// The socket's driver has ended: its runtime was shut down, or it panicked.
    #[error("the socket's driver has ended")]
    #[non_exhaustive]
    Stopped {
        /// The event, as it was given.
        event: ByteString,
        /// The payload, as it was given.
        payload: Payload,
    },
}

impl From<PushRefused> for PushFailed {
    fn from(refused: PushRefused) -> Self {
        match refused {
            PushRefused::Stopped { .. } => PushFailed::Stopped,
            refused => PushFailed::Refused(refused),
        }
    }
}

/// Why a push has no response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushFailed {
    /// The socket didn't accept it. Nothing was sent.
    #[error(transparent)]
    Refused(PushRefused),
    /// The server replied with a status other than `ok`.
    #[error("the server replied with the status `{status}`")]
    #[non_exhaustive]
    Rejected {
        /// The status.
        status: Status,
        /// The response.
        response: Payload,
    },
    /// The server replied, and the response was dropped: replies that nobody had awaited yet held as many bytes as
    /// [`SocketBuilder::max_answer_bytes`](crate::SocketBuilder::max_answer_bytes) allows.
    #[error(
        "the server replied with the status `{status}`, and its response of {len} bytes was dropped: too many replies waited to be read"
    )]
    #[non_exhaustive]
    ReplyDropped {
        /// The status, of which the first 255 bytes are kept.
        status: Status,
        /// The length of the response in bytes.
        len: usize,
    },
    /// The server replied `ok`, but the response isn't what was asked for.
    #[error("the response isn't what was expected")]
    Response(#[source] PayloadError),
    /// No reply came in time. Whether the server received the push isn't known.
    #[error("no reply came in time")]
    TimedOut,
    /// It couldn't be sent in time: the channel wasn't joined (its [`failure`](Channel::failure) says
    /// why), or the connection took nothing more. The server never saw it.
    #[error("the push couldn't be sent in time")]
    NotSent,
    /// The connection ended after the push was sent. Whether the server received it isn't known.
    #[error("the connection ended before the reply came")]
    Disconnected,
    /// The channel crashed after the push was sent. Whether the server received it isn't known.
    #[error("the channel crashed before the reply came")]
    ChannelCrashed,
    /// The channel was closed.
    #[error("the channel closed before the reply came")]
    ChannelClosed,
    /// It was cancelled.
    #[error("the push was cancelled")]
    Cancelled,
    /// The channel's buffer was full, and a newer push took its place. It was never sent.
    #[error("the push gave way to a newer one in a full buffer")]
    Evicted,
    /// The serializer couldn't encode it. It was never sent.
    #[error("the push couldn't be encoded")]
    EncodeFailed(#[source] EncodeError),
    /// The socket's driver has ended: its runtime was shut down, or it panicked.
    #[error("the socket's driver has ended")]
    Stopped,
}

/// The part of a push's future that doesn't depend on what becomes of the reply.
struct PushWait(Pending<Channel, RequestId, PushRefused>);

impl PushWait {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Reply, PushFailed>> {
        self.0.poll(cx).map(|outcome| reply(outcome?.ok_or(PushFailed::Stopped)?))
    }

    fn poll_ok(&mut self, cx: &Context<'_>) -> Poll<Result<Payload, PushFailed>> {
        self.poll(cx).map(|reply| match reply? {
            Reply { status: Status::Ok, response } => Ok(response),
            Reply { status, response } => Err(PushFailed::Rejected { status, response }),
        })
    }
}

fn reply(outcome: Outcome) -> Result<Reply, PushFailed> {
    Err(match outcome {
        Outcome::Reply { status, response, .. } => return Ok(Reply { status, response }),
        Outcome::ReplyDropped { status, len, .. } => PushFailed::ReplyDropped { status, len },
        Outcome::TimedOut => PushFailed::TimedOut,
        Outcome::NotSent => PushFailed::NotSent,
        Outcome::ChannelCrashed => PushFailed::ChannelCrashed,
        Outcome::Disconnected => PushFailed::Disconnected,
        Outcome::Cancelled => PushFailed::Cancelled,
        Outcome::Evicted => PushFailed::Evicted,
        Outcome::EncodeFailed(error) => PushFailed::EncodeFailed(error),
        // `Left` belongs to leaves.
        _ => PushFailed::ChannelClosed,
    })
}

impl fmt::Debug for PushWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Push");
        shown.field("topic", self.0.handle.topic());
        shown.field("id", &self.0.id()).finish_non_exhaustive()
    }
}

impl<R> fmt::Debug for Push<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wait.fmt(f)
    }
}

impl<R: DeserializeOwned + 'static> Future for Push<R> {
    type Output = Result<R, PushFailed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.wait.poll_ok(cx).map(|response| match (unit(), response) {
            (Some(unit), Ok(_) | Err(PushFailed::ReplyDropped { status: Status::Ok, .. })) => {
                Ok(unit)
            }
            (_, response) => response?.decode().map_err(PushFailed::Response),
        })
    }
}

/// `()` takes any response, one that was dropped too: serde's own would take `null` only, which servers don't send.
fn unit<R: 'static>() -> Option<R> {
    let unit: &mut dyn Any = &mut Some(());
    unit.downcast_mut::<Option<R>>().and_then(Option::take)
}

impl Future for PushReply {
    type Output = Result<Reply, PushFailed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.wait.poll(cx)
    }
}
