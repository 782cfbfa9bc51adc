//! Observers, which see what goes into a socket and what comes out, in order: for recorders.

use core::fmt;
use core::time::Duration;

use bytestring::ByteString;

use crate::{
    Action, CallError, ChannelId, CloseCause, CloseCode, DecodeError, Event, Instant, Lifecycle,
    Message, Params, ParamsRequestId, Payload, PingId, RequestId, TransportId, TransportProperties,
};

/// Sees everything that goes into a [`Socket`](crate::Socket) and comes out of it, in order; see
/// [`Socket::observe`](crate::Socket::observe).
///
/// Equal configurations, seeds and inputs give equal outputs, so what an observer sees is enough to run a session
/// again. It must not call the socket, and should be quick: it runs inside each call.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A call or an input, before the socket acts on it. `now` is the socket's clock; `deadline` is what
    /// [`poll_timeout`](crate::Socket::poll_timeout) returned before it.
    fn input(&mut self, now: Instant, deadline: Option<Instant>, input: Input<'_>);

    /// What a call returned, or what a poll gave.
    fn output(&mut self, output: Output<'_>);
}

/// A call, or an input.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// [`Socket::connect`](crate::Socket::connect).
    Connect,
    /// [`Socket::disconnect`](crate::Socket::disconnect), with a code and a reason that can be sent.
    Disconnect(CloseCode, &'a str),
    /// [`Socket::reconnect_now`](crate::Socket::reconnect_now).
    ReconnectNow,
    /// [`Socket::switch_transport`](crate::Socket::switch_transport).
    SwitchTransport,
    /// [`Socket::channel`](crate::Socket::channel), with the topic.
    Channel(&'a ByteString, &'a Params),
    /// [`Socket::replace`](crate::Socket::replace), with the topic.
    Replace(&'a ByteString, &'a Params),
    /// [`Socket::remove`](crate::Socket::remove).
    Remove(ChannelId),
    /// [`Socket::join`](crate::Socket::join).
    Join(ChannelId, Option<Duration>),
    /// [`Socket::push`](crate::Socket::push), or [`push_without_reply`](crate::Socket::push_without_reply).
    #[non_exhaustive]
    Push {
        /// The channel.
        channel: ChannelId,
        /// The event's name.
        event: &'a ByteString,
        /// The payload.
        payload: &'a Payload,
        /// `true` if a reply is expected.
        expects_reply: bool,
        /// The time that it has, if the call says so.
        timeout: Option<Duration>,
    },
    /// [`Socket::leave`](crate::Socket::leave).
    Leave(ChannelId, Option<Duration>),
    /// [`Socket::cancel`](crate::Socket::cancel).
    Cancel(RequestId),
    /// [`Socket::ping`](crate::Socket::ping).
    Ping,
    /// [`Socket::handle_opened_with`](crate::Socket::handle_opened_with).
    Opened(TransportId, TransportProperties),
    /// [`Socket::handle_gap`](crate::Socket::handle_gap).
    Gap(TransportId),
    /// [`Socket::handle_frame`](crate::Socket::handle_frame) or
    /// [`handle_decoded`](crate::Socket::handle_decoded), with the frame's length in bytes.
    Frame(TransportId, usize, Result<&'a Message, &'a DecodeError>),
    /// A frame of a transport that isn't the current one: only the clock moves.
    Stale(TransportId),
    /// [`Socket::handle_unread`](crate::Socket::handle_unread).
    Unread(TransportId),
    /// [`Socket::handle_lifecycle`](crate::Socket::handle_lifecycle).
    Lifecycle(Lifecycle),
    /// [`Socket::handle_closed`](crate::Socket::handle_closed).
    Closed(TransportId, &'a CloseCause),
    /// [`Socket::handle_params`](crate::Socket::handle_params).
    Params(ParamsRequestId, Option<&'a Payload>),
    /// [`Socket::handle_timeout`](crate::Socket::handle_timeout).
    Timeout,
}

impl<'a> Input<'a> {
    pub(crate) fn push(
        channel: ChannelId,
        event: &'a ByteString,
        payload: &'a Payload,
        expects_reply: bool,
        timeout: Option<Duration>,
    ) -> Self {
        Input::Push { channel, event, payload, expects_reply, timeout }
    }
}

/// What a call returned, or what a poll gave.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Output<'a> {
    /// A call that makes a channel returned.
    Channel(Result<ChannelId, &'a CallError>),
    /// A join, a push or a leave returned.
    Request(Result<RequestId, &'a CallError>),
    /// A ping returned.
    Ping(Result<PingId, &'a CallError>),
    /// Another call returned: whether it did something.
    Done(bool),
    /// [`Socket::poll_action`](crate::Socket::poll_action) gave this.
    Action(Option<&'a Action>),
    /// [`Socket::poll_control`](crate::Socket::poll_control) gave this.
    Control(Option<&'a Action>),
    /// [`Socket::poll_event`](crate::Socket::poll_event) gave this. A poll without an event changes nothing, and isn't
    /// observed.
    Event(&'a Event),
}
