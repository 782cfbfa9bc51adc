//! A client for [Phoenix Channels](https://hexdocs.pm/phoenix/channels.html): handles, streams and one driver for each
//! socket, on any async runtime.
//!
//! This crate names no runtime and opens no connection: an adapter crate (`phx-tokio`, `phx-smol`, `phx-async-std`) adds both,
//! and re-exports everything here. Programs depend on the adapter for their runtime. Use this crate directly for a custom
//! [`Runtime`] or [`Connector`].
//!
//! # Example
//!
//! ```no_run
//! use std::time::Duration;
//!
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
//! // The builder comes from an adapter's `socket`, which sets the runtime and the connector.
//! let socket = builder.param("token", "secret").connect_with_timeout(Duration::from_secs(10)).await?;
//!
//! // Streams receive only messages that arrive after they are created, so they come before the join.
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
//! It reconnects after a lost connection and rejoins the channels, with backoff and jitter. It sends heartbeats and drops a
//! connection that doesn't answer them. It keeps pushes that couldn't be sent until they can be, or until their deadline;
//! pushes that were sent fail at once when the connection is lost, because nothing shows whether they arrived.
//!
//! # Handles
//!
//! [`Socket`], [`Channel`] and [`Presence`] are handles: cheap to clone, usable from anywhere, and
//! without a type parameter for the runtime. Streams and pushes hold a handle of their channel, and a
//! channel one of its socket. When the last handle of a channel is dropped it is left; when the last
//! of a socket is dropped it is closed, and its task ends.
//!
//! # Calls and futures
//!
//! [`Channel::push`], [`join`](Channel::join), [`leave`](Channel::leave), [`Socket::connect`],
//! [`disconnect`](Socket::disconnect) and [`ping`](Socket::ping) take effect at once, as in phoenix.js; the future resolves to
//! the outcome. So the order of calls is the order on the wire, and every such future is cancel-safe: dropping it gives up the
//! outcome and nothing else. The exceptions create something that only the future's output would own, and drop it when they
//! are dropped: [`SocketBuilder::connect`] (the socket) and [`ChannelBuilder::join`] (the channel).
//!
//! # Messages
//!
//! Streams ([`Channel::on`]) receive only messages that arrive after they are created. To receive what the server sends right
//! after a join, create the channel with [`ChannelBuilder::create`], then its streams, then join. Streams are lossless as long as
//! they are read; [`StreamOverflow`] is the rule for when they aren't. After a rejoin they yield [`StreamItem::Gap`], since
//! messages may be missing.
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
//! | who is present | [`Presence`] |
//! | a custom runtime or transport | [`Runtime`], [`Connector`] |
//! | the protocol itself, without async | [`proto`] |

mod builder;
mod channel;
mod connector;
#[cfg(feature = "websocket")]
pub mod dial;
mod driver;
#[cfg(feature = "websocket")]
mod http;
mod log;
#[cfg(feature = "longpoll")]
pub mod longpoll;
mod messages;
mod presence;
mod proxy;
mod push;
mod runtime;
mod shared;
mod socket;
mod status;
#[cfg(feature = "websocket")]
mod stream_connector;
mod subscription;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "websocket")]
mod turn;
#[cfg(feature = "websocket")]
pub mod websocket;
#[cfg(feature = "deflate")]
mod wire;

pub use builder::{Credentials, IntoEndpoint, LongPollFallback, SocketBuilder};
pub use channel::{
    Channel, ChannelBuilder, ChannelError, Join, JoinCause, JoinError, Leave, LeaveCause,
    LeaveError,
};
pub use connector::{Attempt, Connector, Received, Transport};
#[cfg(feature = "http")]
pub use http::{HttpAnswer, HttpClient, HttpError, HttpRequest};
pub use log::{LogKind, LogRecord};
pub use messages::item::{
    ChannelMessage, Incoming, StreamItem, StreamOptions, StreamOverflow, TopicFilter, TopicMessage,
};
pub use messages::{Messages, Values};
pub use presence::{Presence, PresenceChanges, PresenceItem};
pub use proxy::Proxy;
pub use push::{Push, PushCause, PushError, PushReply, Reply, Response};
pub use runtime::{BoxFuture, BoxStream, NoRuntimeError, Runtime, suspended};
pub use socket::{
    Closed, ConnectCause, ConnectError, Connecting, Disconnecting, Ping, PingError, Socket,
    SocketError,
};
pub use status::{ChannelStatus, SocketStatus};
#[cfg(feature = "websocket")]
pub use stream_connector::StreamConnector;
pub use subscription::Subscription;
#[cfg(feature = "deflate")]
pub use wire::WireBytes;

/// Recordings of sessions; see [`SocketBuilder::recorder`].
#[cfg(feature = "recorder")]
pub use phx_recorder as recorder;

/// The core, for what this crate doesn't re-export.
pub use phx_proto as proto;
pub use phx_proto::{
    Backoff, ByteString, Bytes, CallError, ChannelCloseCause, ChannelErrorCause, ChannelState,
    CloseCause, CloseCode, ClosePolicy, CompressionCause, Config, ConfigError, ConnectionState,
    Counters, DEFAULT_HEARTBEAT_INTERVAL, DEFAULT_TIMEOUT, DecodeCause, DecodeError, EncodeError,
    Endpoint, EndpointError, Escaped, Field, Frame, Instant, IntoPayload, JsonCause, Lifecycle,
    Message, ParamCause, Payload, PayloadDropped, PayloadError, PresenceChange, PresenceConfig,
    PresenceEntry, PresenceError, PresenceMeta, PresenceStatus, ProxyCause, PushOverflow,
    Reconnect, ReconnectPolicy, Ref, Rejection, Rejoin, RejoinPolicy, Request, RequestId,
    ResponseHeaders, Serializer, Shown, Status, TlsCause, TlsCauseKind, TransportKind,
    TransportProperties, UpgradeRejection, V1, V2, events,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct CrateReadme;
