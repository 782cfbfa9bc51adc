//! Handles, streams and one driver for Phoenix Channels, on any async runtime.
mod builder;
mod channel;
mod connector;
mod driver;
mod hook;
mod log;
mod messages;
mod payload;
mod push;
mod runtime;
mod shared;
mod socket;
mod status;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use builder::{Builder, Credentials};
pub use channel::{
    Channel, ChannelBuilder, Join, JoinFailed, Leave, LeaveFailed, NewChannelFailed,
};
pub use connector::{Connector, Transport};
pub use hook::Hook;
pub use log::{LogKind, LogRecord};
pub use messages::{ChannelMessage, Messages, StreamItem, Values, WhenSlow};
pub use payload::IntoPayload;
pub use push::{Acknowledged, Push, PushFailed, PushRefused, PushReply, Reply};
pub use runtime::{BoxFuture, Runtime, Timer};
pub use socket::{
    Closed, ConnectFailed, Connecting, Disconnecting, Ping, PingFailed, Socket, SocketError,
};
pub use status::{ChannelStatus, SocketStatus};

/// The core, for those who need more of it than this crate shows.
pub use phx_proto as proto;
pub use phx_proto::{
    Backoff, ByteString, ChannelCloseCause, ChannelError, ChannelState, CloseCause, CloseCode,
    Config, ConnectionState, Counters, DEFAULT_HEARTBEAT_INTERVAL, DEFAULT_TIMEOUT, DecodeError,
    DisconnectError, EncodeError, Endpoint, EndpointError, Frame, Instant, JoinError, LeaveError,
    Message, NewChannelError, Payload, PayloadError, PingError, PushError, PushErrorKind,
    Reconnect, ReconnectPolicy, Ref, Refusal, Rejection, RejoinPolicy, Request, Serializer, Status,
    V1, V2, WhenFull,
};
