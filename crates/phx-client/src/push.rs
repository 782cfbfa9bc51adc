//! Pushes and their replies.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use phx_proto::{ByteString, IntoPayload, Outcome, Payload, RequestId, Status};
use serde::de::DeserializeOwned;

use crate::channel::Channel;
use crate::shared::{Pending, spans};

mod error;
mod event_name;

use event_name::EventName;

pub use error::{PushCause, PushError};

/// A push, and the future of its reply, decoded as an `R`.
///
/// [`Channel::push`] itself hands the push to the socket, as in phoenix.js: the order of the calls is the order on
/// the wire, however and whenever the futures are awaited, and a push whose future is never awaited is sent all the
/// same. Awaiting gives the response of an `ok` reply; everything else is a [`PushError`], including a push that
/// was refused at once.
///
/// The outcome is kept until it is taken, so a `Push` can be awaited long after its reply arrived; the kept
/// responses are limited in bytes ([`SocketBuilder::max_answer_bytes`](crate::SocketBuilder::max_answer_bytes)).
/// Dropping the future only gives up the outcome: the push continues. [`cancel`](Self::cancel) withdraws it. The
/// future is cancel-safe in the sense that it can be polled through a `&mut` reference and kept.
///
/// `R` is inferred from the use of the response; `()` accepts any. If the program ignores the response, call
/// [`acknowledged`](Push::acknowledged), [`reply`](Push::reply) or [`detach`](Push::detach). Otherwise the compiler
/// can't infer `R`, and its error for `room.push(..).await?;` names these methods (or it is `type annotations
/// needed`).
///
/// # Examples
///
/// ```no_run
/// use phx_client::{Channel, PushCause, PushError};
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
/// # async fn doc(room: Channel) -> Result<(), PushError> {
/// let posted: Posted = room.push("new_msg", &NewMsg { body: "hi" }).await?;
///
/// match room.push("new_msg", &NewMsg { body: "" }).await {
///     Ok(Posted { id }) => println!("posted as {id}"),
///     Err(PushError { cause: PushCause::Rejected { status, response, .. }, .. }) => {
///         println!("{status}: {response:?}");
///     }
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

/// Kind of a push: with a reply from the server, or without.
#[derive(Clone, Copy)]
enum WithReply {
    Yes,
    No,
}

/// Pushing.
impl Channel {
    /// Pushes an event to the server: `&value` for anything that serialises, or a [`Payload`].
    ///
    /// The push is made at once; the returned future waits for the reply, see [`Push`]. While the channel is
    /// joining or the connection is lost, pushes wait in order for the join.
    ///
    /// A task that awaits the reply doesn't read its streams during that. If one of them is full, the reply can't
    /// be read before the stream has stalled, see [`StreamOverflow::Wait`](crate::StreamOverflow::Wait): if many
    /// messages arrive, read them in another task.
    pub fn push<R>(&self, event: impl Into<ByteString>, payload: impl IntoPayload) -> Push<R> {
        Push::new(self.start_push(event.into(), payload, WithReply::Yes, None))
    }

    /// Pushes an event to which the server sends no reply: the frame has no ref. The future resolves as soon as the
    /// transport has taken the frame; whether the server receives it isn't known.
    ///
    /// It waits for the join, counts in every limit, and fails as another [`push`](Self::push) does if it can't be sent.
    pub fn push_without_reply(
        &self,
        event: impl Into<ByteString>,
        payload: impl IntoPayload,
    ) -> Push<()> {
        Push::new(self.start_push(event.into(), payload, WithReply::No, None))
    }

    /// As [`push_without_reply`](Self::push_without_reply), with a separate time limit, as
    /// [`push_with_timeout`](Self::push_with_timeout) has.
    pub fn push_without_reply_with_timeout(
        &self,
        timeout: Duration,
        event: impl Into<ByteString>,
        payload: impl IntoPayload,
    ) -> Push<()> {
        Push::new(self.start_push(event.into(), payload, WithReply::No, Some(timeout)))
    }

    /// As [`push`](Self::push), with a separate time limit, counted from this call, instead of
    /// [`SocketBuilder::push_timeout`](crate::SocketBuilder::push_timeout).
    pub fn push_with_timeout<R>(
        &self,
        timeout: Duration,
        event: impl Into<ByteString>,
        payload: impl IntoPayload,
    ) -> Push<R> {
        Push::new(self.start_push(event.into(), payload, WithReply::Yes, Some(timeout)))
    }

    fn start_push(
        &self,
        event: ByteString,
        payload: impl IntoPayload,
        with_reply: WithReply,
        timeout: Option<Duration>,
    ) -> PushWait {
        let name = EventName::of(&event);
        let made = self.make_push(event, payload, with_reply, timeout);
        PushWait { pending: Pending::new(self.clone(), made), event: name }
    }

    fn make_push(
        &self,
        event: ByteString,
        payload: impl IntoPayload,
        with_reply: WithReply,
        timeout: Option<Duration>,
    ) -> Result<RequestId, PushError> {
        let payload = match payload.into_payload() {
            Ok(payload) => payload,
            Err(error) => {
                return Err(PushError::new(self, event, None, PushCause::Payload(error)));
            }
        };
        let log = &self.shared().settings.log;
        let shown = log.wants().then(|| (event.clone(), payload.clone()));
        let refused = |event, payload, cause| PushError::new(self, event, Some(payload), cause);
        let mut span = spans::push(self.topic(), &event, payload.len());
        let push = self.shared().call(|state, now, _| {
            if state.is_driver_gone() {
                return Err(refused(event, payload, PushCause::Stopped));
            }
            let core = &mut state.core;
            let made = match with_reply {
                WithReply::Yes => core.push(now, self.id(), event, payload, timeout),
                WithReply::No => core.push_without_reply(now, self.id(), event, payload, timeout),
            };
            let push = made.map_err(|error| {
                refused(error.event, error.payload, PushCause::InvalidState(error.reason))
            })?;
            state.pushes.register(push);
            state.spans.pushed(push, span.take());
            Ok(push)
        })?;
        if let Some((event, payload)) = shown {
            log.pushed(self.topic(), &event, &payload);
        }
        Ok(push)
    }
}

impl<R> Push<R> {
    fn new(wait: PushWait) -> Self {
        Push { wait, response: PhantomData }
    }

    /// Returns the push if the socket accepted it. Without this call a refusal is the future's error.
    ///
    /// # Errors
    ///
    /// [`PushError`] if nothing was sent; it holds the payload.
    pub fn accepted(mut self) -> Result<Self, PushError> {
        match self.wait.pending.take_refusal() {
            Some(refused) => Err(refused),
            None => Ok(self),
        }
    }

    /// Returns the push's id, which identifies its reply in [`Channel::incoming`]; `None` if the push was refused.
    #[must_use]
    pub fn id(&self) -> Option<RequestId> {
        self.wait.pending.id()
    }

    /// Cancels the push. If it hasn't been sent, it never will be; otherwise this only gives up the outcome.
    /// Returns `false` if the outcome had been decided already.
    pub fn cancel(self) -> bool {
        let cancel =
            |push| self.wait.pending.handle.shared().call(|state, _, _| state.core.cancel(push));
        self.id().is_some_and(cancel)
    }
}

/// Methods for pushes whose response isn't decoded: they choose `R` if nothing else does.
impl Push<()> {
    /// Returns a future of the reply with any status: for applications with custom statuses, or with details in
    /// their `error` replies.
    pub fn reply(self) -> PushReply {
        PushReply { wait: self.wait }
    }

    /// Returns the same push, to await an `ok` whose response is ignored.
    pub fn acknowledged(self) -> Self {
        self
    }

    /// Detaches the push: nothing waits for its outcome.
    ///
    /// # Errors
    ///
    /// [`PushError`] if the socket didn't accept the push; it holds the payload.
    pub fn detach(self) -> Result<(), PushError> {
        self.accepted().map(drop)
    }
}

/// Future of a push's [`Reply`], see [`Push::reply`]. Cancel-safe as [`Push`] is.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct PushReply {
    wait: PushWait,
}

/// Reply to a push.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// Status of the reply: `ok`, `error` or a custom one.
    pub status: Status,
    /// Response of the reply.
    pub response: Payload,
}

/// The part of a push's future that doesn't depend on the type of the response.
struct PushWait {
    pending: Pending<Channel, RequestId, PushError>,
    event: EventName,
}

impl PushWait {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Reply, PushError>> {
        let outcome = match ready!(self.pending.poll(cx)) {
            Ok(outcome) => outcome.map_or(Err(PushCause::Stopped), reply),
            Err(refused) => return Poll::Ready(Err(refused)),
        };
        Poll::Ready(outcome.map_err(|cause| self.error(cause)))
    }

    fn poll_ok(&mut self, cx: &Context<'_>) -> Poll<Result<Payload, PushError>> {
        self.poll(cx).map(|reply| match reply? {
            Reply { status: Status::Ok, response } => Ok(response),
            Reply { status, response } => Err(self.error(PushCause::Rejected { status, response })),
        })
    }

    fn error(&self, cause: PushCause) -> PushError {
        PushError::new(&self.pending.handle, self.event.get(), None, cause)
    }
}

fn reply(outcome: Outcome) -> Result<Reply, PushCause> {
    Err(match outcome {
        Outcome::Reply { status, response, .. } => return Ok(Reply { status, response }),
        // All that a push without a reply has to say.
        Outcome::Sent => return Ok(Reply { status: Status::Ok, response: Payload::empty() }),
        Outcome::ReplyDropped { status, len, .. } => PushCause::ReplyDropped { status, len },
        Outcome::TimedOut => PushCause::TimedOut,
        Outcome::NotSent => PushCause::NotSent,
        Outcome::ChannelCrashed => PushCause::ChannelCrashed,
        Outcome::Disconnected => PushCause::Disconnected,
        Outcome::Cancelled => PushCause::Cancelled,
        Outcome::Evicted => PushCause::Evicted,
        Outcome::EncodeFailed(error) => PushCause::EncodeFailed(error),
        Outcome::TooLarge { len, max, .. } => PushCause::TooLarge { len, max },
        // `Left` belongs to leaves.
        _ => PushCause::ChannelClosed,
    })
}

impl fmt::Debug for PushWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Push");
        shown.field("topic", self.pending.handle.topic());
        shown.field("id", &self.pending.id()).finish_non_exhaustive()
    }
}

impl<R> fmt::Debug for Push<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wait.fmt(f)
    }
}

/// A type that a push's response can be decoded into: any that implements [`serde::Deserialize`] without borrowing; `()`
/// takes any response.
#[diagnostic::on_unimplemented(
    message = "the response of this push has no type that it can be decoded into",
    label = "nothing says what the response is",
    note = "if the response isn't needed, say `.push(..).acknowledged().await?`, or `.push(..).detach()?` to wait for nothing",
    note = "otherwise give it a type that implements `serde::Deserialize`: `let response: serde_json::Value = room.push(..).await?`"
)]
pub trait Response: DeserializeOwned + 'static {}

#[diagnostic::do_not_recommend]
impl<R: DeserializeOwned + 'static> Response for R {}

impl<R: Response> Future for Push<R> {
    type Output = Result<R, PushError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.wait.poll_ok(cx));
        Poll::Ready(match (unit(), response) {
            (Some(unit), Ok(_)) => Ok(unit),
            (Some(unit), Err(error)) if error.cause.is_dropped_ok() => Ok(unit),
            (_, response) => {
                response?.decode().map_err(|error| self.wait.error(PushCause::Response(error)))
            }
        })
    }
}

/// `()` accepts any response, including a dropped one: serde's impl would accept only `null`, which servers don't
/// send.
fn unit<R: 'static>() -> Option<R> {
    let unit: &mut dyn Any = &mut Some(());
    unit.downcast_mut::<Option<R>>().and_then(Option::take)
}

impl Future for PushReply {
    type Output = Result<Reply, PushError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.wait.poll(cx)
    }
}
