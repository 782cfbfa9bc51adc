//! A client for [Phoenix Channels](https://hexdocs.pm/phoenix/channels.html): handles, streams and
//! one driver, on any async runtime.
//!
//! This crate names no runtime and opens no connection: an adapter crate brings both, and re-exports
//! everything here. Programs depend on the adapter for their runtime. Take this crate itself for a
//! [`Runtime`] or a [`Connector`] of your own.
//!
//! # The whole story
//!
//! ```no_run
//! use phx_client::{SocketBuilder, StreamItem};
//! use serde::{Deserialize, Serialize};
//! use serde_json::json;
//!
//! #[derive(Serialize, Deserialize)]
//! struct NewMsg {
//!     body: String,
//! }
//!
//! #[derive(Deserialize)]
//! struct Posted {
//!     id: u64,
//! }
//!
//! # async fn story(builder: SocketBuilder) -> Result<(), Box<dyn std::error::Error>> {
//! // An adapter's entry makes the builder: it knows the runtime and how to connect.
//! let socket = builder.param("token", "secret").connect().await?;
//!
//! // The stream first, then the join: so nothing is missed that the server sends right after it.
//! let room = socket.channel("room:lobby").params(&json!({ "name": "ann" })).create()?;
//! let mut messages = room.on::<NewMsg>("new_msg");
//! room.join().await?;
//!
//! let posted: Posted = room.push("new_msg", &NewMsg { body: "hi".into() }).await?;
//! println!("posted as {}", posted.id);
//!
//! while let Some(item) = messages.next().await {
//!     if let StreamItem::Message(message) = item {
//!         println!("{}", message.body);
//!     }
//! }
//!
//! room.leave().await?;
//! socket.disconnect().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What it does by itself
//!
//! It reconnects after a lost connection and rejoins the channels, with a backoff and jitter; sends
//! heartbeats and drops a connection that doesn't answer them; keeps pushes that couldn't be sent
//! until they can be, or their deadline has passed; and fails those that were sent at once when the
//! connection is lost, because nobody knows whether they arrived.
//!
//! # Handles
//!
//! [`Socket`], [`Channel`] and [`Presence`] are handles: cheap to clone, usable from anywhere, and
//! without a type parameter for the runtime. Streams and pushes hold a handle of their channel, and a
//! channel one of its socket. When the last handle of a channel is dropped it is left; when the last
//! of a socket is dropped it is closed, and its task ends.
//!
//! # Calls act at once, futures wait
//!
//! [`Channel::push`], [`join`](Channel::join), [`leave`](Channel::leave), [`Socket::connect`],
//! [`disconnect`](Socket::disconnect) and [`ping`](Socket::ping) act when they are called, as in
//! phoenix.js, and return a future that waits for the outcome. So the order of calls is the order on
//! the wire, and every such future is cancel-safe: dropping it gives up the outcome and nothing else.
//! The exceptions make something that only the future's output would own, and drop it when they are
//! dropped: [`SocketBuilder::connect`] (the socket) and [`ChannelBuilder::join`] (the channel).
//!
//! # Messages
//!
//! A stream ([`Channel::on`]) sees what comes after it was made. To miss nothing of what the server
//! sends right after a join, make the channel with [`ChannelBuilder::create`], then its streams, and
//! join it then. Streams are lossless as long as they are read; [`StreamOverflow`] says what happens when
//! they aren't. After a rejoin they say that something may be missing, with [`StreamItem::Gap`].
//!
//! # Logs
//!
//! `tracing` events go to the targets `phx_client::connection`, `phx_client::channel`,
//! `phx_client::presence` and `phx_client::hook`: names, lengths and causes, never a payload, a
//! param, a header or a token. [`SocketBuilder::logger`] gets the same and the payloads of messages.
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | where to connect, credentials, timeouts, limits | [`SocketBuilder`], [`Credentials`] |
//! | connection: state, disconnect, ping, hooks | [`Socket`], [`SocketStatus`] |
//! | topics: join, push, streams, hooks | [`ChannelBuilder`], [`Channel`], [`Push`], [`Messages`] |
//! | who is there | [`Presence`] |
//! | a runtime or transport of one's own | [`Runtime`], [`Connector`] |
//! | the protocol itself, without any async | [`proto`] |
mod builder;
mod channel;
mod connector;
#[cfg(feature = "websocket")]
pub mod dial;
mod driver;
#[cfg(feature = "websocket")]
mod http;
mod log;
mod messages;
mod payload;
mod presence;
mod push;
mod runtime;
mod shared;
mod socket;
mod status;
mod subscription;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "websocket")]
mod turn;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use builder::{Credentials, IntoEndpoint, SocketBuilder};
pub use channel::{
    Channel, ChannelBuilder, ChannelError, Join, JoinCause, JoinError, Leave, LeaveCause,
    LeaveError,
};
pub use connector::{Attempt, Connector, Transport};
pub use log::{LogKind, LogRecord};
pub use messages::item::{
    ChannelMessage, Incoming, StreamItem, StreamOptions, StreamOverflow, TopicFilter, TopicMessage,
};
pub use messages::{Messages, Values};
pub use payload::IntoPayload;
pub use presence::{Presence, PresenceChanges, PresenceItem};
pub use push::{Push, PushCause, PushError, PushReply, Reply};
pub use runtime::{BoxFuture, NoRuntimeError, Runtime, suspended};
pub use socket::{
    Closed, ConnectCause, ConnectError, Connecting, Disconnecting, Ping, PingError, Socket,
    SocketError,
};
pub use status::{ChannelStatus, SocketStatus};
pub use subscription::Subscription;

/// The core, for those who need more of it than this crate shows.
pub use phx_proto as proto;
pub use phx_proto::{
    Backoff, ByteString, Bytes, CallError, ChannelCloseCause, ChannelErrorCause, ChannelState,
    CloseCause, CloseCode, ClosePolicy, Config, ConfigError, ConnectionState, Counters,
    DEFAULT_HEARTBEAT_INTERVAL, DEFAULT_TIMEOUT, DecodeCause, DecodeError, EncodeError, Endpoint,
    EndpointError, Escaped, Field, Frame, Instant, JsonError, Message, ParamCause, Payload,
    PayloadDropped, PayloadError, PresenceChange, PresenceConfig, PresenceEntry, PresenceError,
    PresenceMeta, PresenceStatus, ProxyCause, PushOverflow, Reconnect, ReconnectPolicy, Ref,
    Rejection, Rejoin, RejoinPolicy, Request, RequestId, Serializer, Status, TlsCause,
    TlsCauseKind, UpgradeRejection, V1, V2, events,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct CrateReadme;
