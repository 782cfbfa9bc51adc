//! Phoenix Channels as a sans-IO state machine: frames and timestamps in, actions and events out.
//!
//! Phoenix servers speak *Channels*: topics multiplexed over one WebSocket, with joins, pushes,
//! replies, broadcasts, presence, heartbeats and reconnects. This crate is the client's side of that,
//! and nothing else. It opens no socket, reads no clock, starts no task and draws no randomness, so it
//! runs in any event loop, under virtual time, in a fuzzer and without `std`.
//!
//! Most programs want one of the adapters instead, which run this crate on an async runtime
//! (`phx-tokio`, `phx-smol`, `phx-async-std`). Use this crate directly to embed Channels in your own loop.
//!
//! # The loop around a socket
//!
//! A [`Socket`] takes *calls* (what the user wants) and *inputs* (`handle_*`: what happened, and when), and is polled for
//! *actions* (what the driver must do), *events* (for the user) and a *timeout* (when to call again at the latest). This
//! program runs as it is; a real one has a WebSocket where this one has a server of three lines.
//!
//! ```
//! use std::time::Duration;
//! use phx_proto::{
//!     Action, CloseCause, Config, Event, Frame, Instant, Message, Outcome, Payload, Serializer, Socket, Status,
//!     V2Server, events,
//! };
//!
//! // The server: it accepts every join, and replies to every push with the push's own payload.
//! fn serve(frame: Frame) -> Option<Frame> {
//!     let request = V2Server.decode(frame).ok()?;
//!     let response = if request.event == events::JOIN { Payload::empty() } else { request.payload };
//!     let reply = Message::reply(request.topic, request.reference, Status::Ok, response)
//!         .with_join_ref(request.join_ref);
//!     V2Server.encode(&reply).ok()
//! }
//!
//! // 1. Create a socket. The seed feeds the jitter of its reconnects: equal seeds and inputs give
//! //    equal sessions.
//! let mut socket = Socket::new(Config::default(), 42);
//!
//! // 2. Call what you want, with the time. Nothing is sent yet. Times count from an epoch of your choice.
//! let mut now = Instant::EPOCH;
//! socket.connect(now);
//! let lobby = socket.channel("room:lobby", Payload::json(&["any params"])?)?;
//! socket.join(now, lobby, None)?;
//! let hello = socket.push(now, lobby, "echo", Payload::json("hello")?, None)?;
//!
//! let mut incoming = Vec::new();
//! let answer = 'session: loop {
//!     // 3. Carry out the actions. A frame counts as sent once it is polled, so poll when your
//!     //    transport can take one; while it can't, `poll_control` has the other actions.
//!     while let Some(action) = socket.poll_action() {
//!         match action {
//!             // Ask for credentials, build the request (`Endpoint::request`), open a WebSocket; then
//!             // report the result: `handle_opened`, or `handle_closed` with the cause.
//!             Action::Connect { transport, .. } => socket.handle_opened(now, transport),
//!             Action::Send { transport, frame, .. } => {
//!                 incoming.extend(serve(frame).map(|frame| (transport, frame)));
//!             }
//!             // Close it, and report when that is done; the cause doesn't matter, the socket knows it.
//!             Action::Close { transport, .. } => {
//!                 socket.handle_closed(now, transport, CloseCause::Disconnected);
//!             }
//!             _ => {}
//!         }
//!     }
//!
//!     // 4. Handle the events.
//!     while let Some(event) = socket.poll_event() {
//!         match event {
//!             Event::Joined { rejoined, .. } => println!("joined, again: {rejoined}"),
//!             Event::Message { event, payload, .. } => println!("{event}: {payload:?}"),
//!             // 5. Every push has exactly one outcome.
//!             Event::RequestDone { push, outcome, .. } if push == hello => break 'session outcome,
//!             _ => {}
//!         }
//!     }
//!
//!     // 6. Wait for the first of these: a frame, the end of the transport, or the timeout.
//!     let deadline = socket.poll_timeout();
//!     now = now + Duration::from_millis(1); // Here time passes by itself.
//!     if let Some((transport, frame)) = incoming.pop() {
//!         socket.handle_frame(now, transport, frame);
//!     } else if deadline.is_some_and(|deadline| deadline <= now) {
//!         socket.handle_timeout(now);
//!     }
//! };
//!
//! // 7. Payloads are decoded when you ask for it, into the type you ask for.
//! let Outcome::Reply { status: Status::Ok, response, .. } = answer else { panic!("{answer:?}") };
//! assert_eq!(response.decode::<&str>()?, "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it guarantees
//!
//! 1. Inputs may come in any order, with or without polling in between; time that runs backwards
//!    counts as standing still; no input panics.
//! 2. An input about an old connection changes nothing. Every timer belongs to one connection, one
//!    channel or one push, and ends with it.
//! 3. Every accepted push has exactly one [`Outcome`]. Pushes of one channel are sent in call order.
//!    One that the transport has taken fails with [`Outcome::Disconnected`] when the connection ends,
//!    and with [`Outcome::ChannelCrashed`] when its channel crashes; one that it hasn't waits for the
//!    rejoin, until its deadline.
//! 4. Equal settings, seeds and inputs give equal outputs, byte for byte.
//! 5. Memory is bounded by the limits in [`Config`], whatever the peer and the user do.
//! 6. A received message finds its channel or request by one look-up: a hash of its topic, or a search by halving for its
//!    ref. Nothing is scanned, however many channels and pushes there are. A broadcast allocates nothing: topic, event and payload are slices of the frame.
//! 7. [`disconnect`](Socket::disconnect) always wins, [`connect`](Socket::connect) always acts, and
//!    [`Event::Closed`] comes exactly once for each transport.
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | where to connect, params, headers, tokens | [`Endpoint`], [`Request`] |
//! | settings, limits, schedules, policies | [`Config`], [`Backoff`], [`ReconnectPolicy`], [`RejoinPolicy`], [`ClosePolicy`] |
//! | who is present | [`Presence`] |
//! | a custom wire format, decoding frames alone | [`Serializer`], [`V2`], [`V1`] |
//! | what happened so far | [`Counters`] |
//!
//! # Features
//!
//! | feature | for |
//! |---|---|
//! | `url` (default) | URLs as the URL standard has them: names of hosts that aren't ASCII, IPv6, what needs encoding; 30 KiB of a device's flash |
//! | `observer` | recorders of sessions, such as `phx-recorder`: `Socket::observe`; a socket is 16 bytes larger |
//!
//! The crate is `no_std` with `alloc` as it is.
#![no_std]
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::std_instead_of_core)]

extern crate alloc;

mod action;
mod backoff;
mod close;
mod config;
mod counters;
mod decimal;
mod endpoint;
mod error;
mod escaped;
mod event;
mod frame;
mod id;
mod lifecycle;
pub mod longpoll;
mod message;
#[cfg(feature = "observer")]
mod observer;
mod payload;
mod policy;
mod presence;
mod reason;
mod serializer;
mod socket;
mod time;
mod transport;

pub use action::{Action, SendReason};
pub use backoff::{Backoff, Schedule};
pub use close::{
    AnswerCause, CloseCause, CloseCode, CompressionCause, LongPollCause, ProxyCause,
    ResponseHeaders, TlsCause, TlsCauseKind, UpgradeRejection,
};
pub use config::{Config, ConfigError, DEFAULT_HEARTBEAT_INTERVAL, DEFAULT_TIMEOUT, PushOverflow};
pub use counters::Counters;
pub use endpoint::{Endpoint, EndpointError, ParamCause, Request};
pub use error::{CallError, PushError};
pub use escaped::Escaped;
pub use event::{ChannelCloseCause, ChannelErrorCause, Event, Outcome};
pub use frame::Frame;
pub use id::{ChannelId, ParamsRequestId, PingId, RequestId, TransportId};
pub use lifecycle::Lifecycle;
pub use message::{Message, PHOENIX, Ref, Status, event as events};
#[cfg(feature = "observer")]
pub use observer::{Input, Observer, Output};
pub use payload::{IntoPayload, JsonCause, Payload, PayloadDropped, PayloadError, Shown};
pub use policy::{
    ClosePolicy, PolicyKind, Reconnect, ReconnectPolicy, Rejection, Rejoin, RejoinPolicy,
};
pub use presence::{
    Presence, PresenceChange, PresenceConfig, PresenceEntry, PresenceError, PresenceList,
    PresenceMeta, PresenceStatus,
};
pub use serializer::{
    DecodeCause, DecodeError, EncodeError, Field, Serializer, V1, V1Server, V2, V2Server,
};
pub use socket::{ChannelState, ConnectionState, Params, Socket, TimeoutReason};
pub use time::Instant;
pub use transport::{TransportKind, TransportProperties};

/// A slice of a reference-counted buffer: frames and payloads.
pub use bytes::Bytes;
/// Text that is a slice of a reference-counted buffer: topics and events.
pub use bytestring::ByteString;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct CrateReadme;
