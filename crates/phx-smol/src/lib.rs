//! Phoenix Channels for smol.
//!
//! [`socket`] returns a builder; `connect` returns a [`Socket`], which reconnects by itself. [`Socket::channel`] makes a
//! [`Channel`], which rejoins by itself: it pushes, and its streams receive. Handles are cheap to clone.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use serde::{Deserialize, Serialize};
//! use serde_json::json;
//!
//! #[derive(Deserialize, Serialize)]
//! struct NewMsg {
//!     body: String,
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     smol::block_on(run())
//! }
//!
//! async fn run() -> Result<(), Box<dyn std::error::Error>> {
//!     let socket = phx_smol::socket("ws://localhost:4000/socket").param("token", "..");
//!     let socket = socket.connect_with_timeout(Duration::from_secs(10)).await?;
//!
//!     // Streams receive only messages that arrive after they are created, so they come before the join.
//!     let room = socket.channel("room:lobby").params(&json!({ "name": "ann" })).create()?;
//!     let mut messages = room.on::<NewMsg>("new_msg").values();
//!     room.join().await?;
//!     room.push("new_msg", &NewMsg { body: "hello".to_owned() }).acknowledged().await?;
//!     while let Some(message) = messages.next().await {
//!         println!("{}", message.body);
//!         if message.body == "bye" {
//!             break;
//!         }
//!     }
//!
//!     room.leave().await?;
//!     socket.disconnect().await;
//!     Ok(())
//! }
//! ```
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | where to connect, tokens, headers, timeouts, limits, schedules | [`SocketBuilder`], [`Credentials`], [`Config`] |
//! | the connection: state, disconnect, ping, hooks | [`Socket`], [`SocketStatus`], [`Closed`] |
//! | topics: join, push, receive, leave | [`Channel`], [`ChannelBuilder`], [`Push`], [`Messages`] |
//! | missed messages, slow readers | [`StreamItem`], [`StreamOptions`] |
//! | who is present | [`Presence`] |
//! | JSON and bytes | [`Payload`], [`IntoPayload`] |
//! | proxies | [`SocketBuilder::proxy_from_env`], [`SocketBuilder::proxy`] |
//! | TLS, Unix sockets | [`StreamConnector`], [`UnixDialer`] |
//! | another runtime or transport | [`Runtime`], [`Connector`] |
//! | how to do it, step by step; coming from another client | the [guide] |
//! | tests without a server | the crate `phx-testing` |
//!
//! [guide]: ../../../docs/GUIDE.md
//!
//! All of [`phx_client`] is re-exported here, so a program needs no other crate of this workspace.
//!
//! # Features
//!
//! - `tls` (default): `wss` and `https`, by rustls with ring. The roots are Mozilla's; for others, and for client
//!   certificates, see [below](#custom-tls-settings). Without the feature such an endpoint is
//!   [`CloseCause::InvalidRequest`].
//! - `http`: single HTTP requests to the server beside the socket, over the same TLS and proxy, by
//!   `SocketBuilder::http_client`.
//! - `longpoll`: long-poll, for networks that let no WebSocket through, by [`SocketBuilder::long_poll_fallback`] or
//!   [`SocketBuilder::transport`].
//! - `metrics`: counters and histograms of each socket, for the recorder of the [`metrics`](https://docs.rs/metrics) crate.
//! - `recorder`: recordings of sessions, in a file or in memory, by `SocketBuilder::recorder`.
//! - `platform-roots`: the roots that the operating system trusts, by `tls::with_platform_roots`.
//!
//! # Custom TLS settings
//!
//! ```no_run
//! # #[cfg(feature = "tls")] {
//! use std::sync::Arc;
//!
//! use phx_smol::{StreamConnector, TcpDialer};
//! use phx_smol::tls::{self, rustls::pki_types::CertificateDer};
//! use phx_smol::websocket::WebSocketConfig;
//!
//! # async fn doc(certificate: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
//! // A private authority's certificate, or the server's, self-signed: DER; `CertificateDer::from_pem_file` for PEM.
//! let certificate = CertificateDer::from(certificate);
//! let mut config = WebSocketConfig::default();
//! config.tls = Arc::new(tls::with_custom_roots([certificate])?.with_no_client_auth());
//!
//! let socket = phx_smol::socket("wss://phoenix.internal/socket")
//!     .connector(StreamConnector::new(TcpDialer::new()).with_config(config))
//!     .connect()
//!     .await?;
//! # Ok(())
//! # }
//! # }
//! ```

mod runtime;

pub use phx_client::*;
pub use runtime::{AdapterRuntime, block_on};

/// Dials TCP, for [`socket`].
pub type TcpDialer = dial::TcpDialer<AdapterRuntime>;

/// Dials a Unix socket.
///
/// # Examples
///
/// ```no_run
/// use phx_smol::{StreamConnector, UnixDialer};
///
/// # async fn doc() -> Result<(), phx_smol::ConnectError> {
/// let socket = phx_smol::socket("ws://localhost/socket")
///     .connector(StreamConnector::new(UnixDialer::new("/run/phoenix.sock")))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[cfg(unix)]
pub type UnixDialer = dial::UnixDialer<AdapterRuntime>;

/// Returns a builder of a socket that connects to `endpoint` over TCP and runs on the caller's runtime.
///
/// `endpoint` is the socket's URL, such as `ws://localhost:4000/socket` (or `wss`, `http`, `https`), or an
/// [`Endpoint`].
///
/// # Errors
///
/// This function returns none, so that calls can be chained. An invalid endpoint and a missing runtime are errors
/// of [`SocketBuilder::connect`] and [`SocketBuilder::spawn`].
///
/// # Examples
///
/// ```
/// use phx_smol::{ConnectCause, ConnectError};
///
/// # smol::block_on(async {
/// let failed = phx_smol::socket("localhost, port 4000").connect().await;
/// assert!(matches!(failed, Err(ConnectError { cause: ConnectCause::Endpoint(_), .. })));
/// # });
/// ```
pub fn socket(endpoint: impl IntoEndpoint) -> SocketBuilder {
    dial::builder::<AdapterRuntime>(endpoint)
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct CrateReadme;
