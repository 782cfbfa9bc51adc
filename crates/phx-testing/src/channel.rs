//! Channels as user code: a trait for whole modules, closures for small ones.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;

use phx_proto::{ByteString, Payload, Status};
use serde::Serialize;

use crate::Context;

/// One life of a channel: created for each join, dropped when the channel ends.
///
/// The callbacks are those of a `Phoenix.Channel`, with its rules: a `join` blocks its socket while it
/// [sleeps](Context::sleep), the others only their channel; an unhandled event crashes the channel. A Rust panic
/// isn't a crash: it goes through the server to the test that called it.
///
/// # Examples
///
/// ```
/// use phx_testing::{Channel, Context, Handled, Payload};
///
/// #[derive(Default)]
/// struct Room {
///     messages: u32,
/// }
///
/// impl Channel for Room {
///     fn join(&mut self, _: &mut Context<'_>, _params: Payload) -> Result<Payload, Payload> {
///         Ok(Payload::empty())
///     }
///
///     fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
///         match event {
///             "new_msg" => {
///                 self.messages += 1;
///                 ctx.broadcast("new_msg", payload);
///                 Handled::ok(&self.messages)
///             }
///             _ => Handled::Crash,
///         }
///     }
/// }
/// ```
pub trait Channel: Send + 'static {
    /// Returns the topic of the server's side, of which the channel has the broadcasts and presences; `None` for the
    /// channel's topic, which the client's messages have in either case. It is called before [`join`](Self::join).
    fn server_topic(&self, topic: &ByteString, params: &Payload) -> Option<ByteString> {
        let _ = (topic, params);
        None
    }

    /// Handles a join: `Ok` with the response, or `Err` with the reason, which is the response of an error reply.
    ///
    /// Pushes made here are sent after the reply.
    #[expect(clippy::missing_errors_doc, reason = "the error is the channel's own")]
    fn join(&mut self, ctx: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        let _ = (ctx, params);
        Ok(Payload::empty())
    }

    /// Handles an event that the client pushed.
    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        let _ = (ctx, event, payload);
        Handled::Crash
    }

    /// Handles a message sent with [`Context::send`] or [`Context::send_after`].
    ///
    /// There is no push to reply to: a reply is a crash, as in Phoenix.
    fn handle_info(&mut self, ctx: &mut Context<'_>, message: Box<dyn Any + Send>) -> Handled {
        let _ = (ctx, message);
        Handled::NoReply
    }

    /// Handles the channel's end. (Phoenix skips this for [`Duplicate`](Reason::Duplicate), unless the channel
    /// traps exits.)
    fn terminate(&mut self, ctx: &mut Context<'_>, reason: Reason) {
        let _ = (ctx, reason);
    }
}

/// Result of handling an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "Phoenix's own return values")]
pub enum Handled {
    /// Reply to the push.
    Reply(Status, Payload),
    /// Send no reply, or send it [later](Context::reply).
    NoReply,
    /// Stop the channel: the client gets `phx_close`.
    Stop,
    /// Reply, then stop.
    StopReply(Status, Payload),
    /// Crash the channel: the client gets `phx_error`.
    Crash,
}

impl Handled {
    /// Returns a reply with the status `ok`. A response that can't be written as JSON is a crash, as in Phoenix.
    pub fn ok<T: Serialize + ?Sized>(response: &T) -> Self {
        Handled::reply(Status::Ok, response)
    }

    /// Returns a reply with the status `error`.
    pub fn error<T: Serialize + ?Sized>(response: &T) -> Self {
        Handled::reply(Status::Error, response)
    }

    /// Returns a reply with any status.
    pub fn reply<T: Serialize + ?Sized>(status: Status, response: &T) -> Self {
        match Payload::json(response) {
            Ok(response) => Handled::Reply(status, response),
            Err(_) => Handled::Crash,
        }
    }
}

/// Reason of a channel's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The client left.
    Left,
    /// The client joined the topic again on the same connection.
    Duplicate,
    /// The connection ended.
    Closed,
    /// The channel stopped itself.
    Stopped,
    /// The channel crashed.
    Crashed,
}

type JoinFn = dyn FnMut(&mut Context<'_>, Payload) -> Result<Payload, Payload> + Send;
type EventFn = dyn FnMut(&mut Context<'_>, Payload) -> Handled + Send;
type InfoFn = dyn FnMut(&mut Context<'_>, Box<dyn Any + Send>) -> Handled + Send;

/// Channel made of closures.
///
/// Without a `join` every join is ok. Events without a closure crash the channel.
///
/// # Examples
///
/// ```
/// use phx_testing::{Handled, Handlers, Server, Status};
///
/// let server = Server::builder()
///     .channel("room:*", || {
///         Handlers::new()
///             .handle_in("echo", |_, payload| Handled::Reply(Status::Ok, payload))
///             .handle_in("boom", |_, _| Handled::Crash)
///     })
///     .build();
/// # let _ = server;
/// ```
#[derive(Default)]
pub struct Handlers {
    join: Option<Box<JoinFn>>,
    events: BTreeMap<ByteString, Box<EventFn>>,
    info: Option<Box<InfoFn>>,
}

impl Handlers {
    /// Creates handlers that accept every join and handle no event.
    #[must_use]
    pub fn new() -> Self {
        Handlers::default()
    }

    /// Sets the function that decides about joins; see [`Channel::join`].
    #[must_use]
    pub fn join(
        mut self,
        join: impl FnMut(&mut Context<'_>, Payload) -> Result<Payload, Payload> + Send + 'static,
    ) -> Self {
        self.join = Some(Box::new(join));
        self
    }

    /// Sets the function that handles one event; see [`Channel::handle_in`].
    #[must_use]
    pub fn handle_in(
        mut self,
        event: impl Into<ByteString>,
        handle: impl FnMut(&mut Context<'_>, Payload) -> Handled + Send + 'static,
    ) -> Self {
        self.events.insert(event.into(), Box::new(handle));
        self
    }

    /// Sets the function that handles messages of [`Context::send`]; see [`Channel::handle_info`].
    #[must_use]
    pub fn handle_info(
        mut self,
        handle: impl FnMut(&mut Context<'_>, Box<dyn Any + Send>) -> Handled + Send + 'static,
    ) -> Self {
        self.info = Some(Box::new(handle));
        self
    }
}

impl Channel for Handlers {
    fn join(&mut self, ctx: &mut Context<'_>, params: Payload) -> Result<Payload, Payload> {
        match &mut self.join {
            Some(join) => join(ctx, params),
            None => Ok(Payload::empty()),
        }
    }

    fn handle_in(&mut self, ctx: &mut Context<'_>, event: &str, payload: Payload) -> Handled {
        match self.events.get_mut(event) {
            Some(handle) => handle(ctx, payload),
            None => Handled::Crash,
        }
    }

    fn handle_info(&mut self, ctx: &mut Context<'_>, message: Box<dyn Any + Send>) -> Handled {
        match &mut self.info {
            Some(handle) => handle(ctx, message),
            None => Handled::NoReply,
        }
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events: Vec<_> = self.events.keys().collect();
        f.debug_struct("Handlers").field("events", &events).finish_non_exhaustive()
    }
}
