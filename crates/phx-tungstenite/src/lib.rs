//! [`phx_proto`] over [`tungstenite`]: the conversions that a driver of the core needs.
//!
//! The core asks for connections and frames by [`Action`](phx_proto::Action)s; a driver performs them with a
//! WebSocket library. For tungstenite this crate has the conversions between the two:
//!
//! | the core has | tungstenite has | conversion |
//! |---|---|---|
//! | [`Request`](phx_proto::Request) | `http::Request` with headers and subprotocols | [`request`] |
//! | [`Config`](phx_proto::Config) | [`WebSocketConfig`](tungstenite::protocol::WebSocketConfig) | [`websocket_config`] |
//! | [`Frame`](phx_proto::Frame) to send | [`Message`](tungstenite::Message) | [`message()`] |
//! | [`Frame`](phx_proto::Frame) or [`CloseCause`](phx_proto::CloseCause) | the result of a read | [`received`] |
//! | [`CloseCode`](phx_proto::CloseCode) and reason | a close frame | [`close_message`], [`close_frame_cause`] |
//! | [`CloseCause`](phx_proto::CloseCause) | [`Error`](tungstenite::Error), [`std::io::Error`] | [`close_cause`], [`io_cause`] |
//! | [`UpgradeRejection`](phx_proto::UpgradeRejection) | an HTTP answer | [`rejection`], [`retry_after`] |
//!
//! These do no input or output. Over a blocking stream, a driver needs only [`connect`] or [`client`], [`read`],
//! [`send`] and [`close`]; the README has one. A non-blocking loop calls
//! [`tungstenite::client::client_with_config`] with the conversions.
//!
//! # Subprotocols
//!
//! An auth token ([`Endpoint::with_auth_token`](phx_proto::Endpoint::with_auth_token)) is sent as a subprotocol. A
//! server whose socket takes none (without `auth_token: true`) names no subprotocol in its answer, and
//! tungstenite's handshake fails there.
//!
//! # Logs
//!
//! tungstenite logs requests and frames at the level `trace` of the `log` facade, under the target `tungstenite`.
//! They hold credentials: keep that target's level above `trace`.

mod blocking;
mod failure;
mod handshake;
mod message;

pub use blocking::{client, close, connect, read, send};
pub use failure::{close_cause, close_code, io_cause};
pub use handshake::{rejection, request, retry_after, websocket_config};
pub use message::{Received, close_frame_cause, close_message, message, received};
pub use phx_proto;
pub use tungstenite;

/// The program in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
