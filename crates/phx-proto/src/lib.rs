//! Phoenix Channels as a sans-IO state machine.
#![no_std]
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::std_instead_of_core)]

extern crate alloc;

mod action;
mod backoff;
mod close;
mod config;
mod counters;
mod endpoint;
mod error;
mod event;
mod frame;
mod id;
mod message;
mod payload;
mod policy;
mod serializer;
mod socket;
mod time;

pub use action::{Action, SendReason};
pub use backoff::Backoff;
pub use close::{CloseCause, CloseCode, Refusal};
pub use config::{Config, DEFAULT_HEARTBEAT_INTERVAL, DEFAULT_TIMEOUT, WhenFull};
pub use counters::Counters;
pub use endpoint::{Endpoint, EndpointError, Request};
pub use error::{
    DisconnectError, JoinError, LeaveError, NewChannelError, PingError, PushError, PushErrorKind,
};
pub use event::{ChannelCloseCause, ChannelError, Event, JoinFailure, Outcome};
pub use frame::Frame;
pub use id::{ChannelId, ParamsRequestId, PingId, PushId, TransportId};
pub use message::{Message, PHOENIX, Ref, Status, event as events};
pub use payload::{Payload, PayloadError};
pub use policy::{Reconnect, ReconnectPolicy, Rejection, RejoinPolicy};
pub use serializer::{
    DecodeError, DecodeErrorKind, EncodeError, Field, Serializer, V1, V1Server, V2, V2Server,
};
pub use socket::{ChannelState, ConnectionState, Params, Socket, TimeoutReason};
pub use time::Instant;

/// Text that is a slice of a reference-counted buffer: topics and events.
pub use bytestring::ByteString;
