//! Phoenix Channels for async-std: WebSocket over TCP, and TLS.
//!
//! async-std is no longer maintained ([RUSTSEC-2025-0052]), and names smol as its successor. This crate is for
//! programs that are on it; `phx-smol` has the same API, so that moving there is a change of names.
//!
//! [RUSTSEC-2025-0052]: https://rustsec.org/advisories/RUSTSEC-2025-0052.html
//!
//! This crate is [`phx_client`] with what it needs of async-std: a clock, timers and tasks
//! ([`AdapterRuntime`]), and connections ([`TcpDialer`], [`UnixDialer`]). All of `phx_client` is re-exported, so
//! that a program needs no other crate of this workspace.
//!
//! ```no_run
//! use serde::{Deserialize, Serialize};
//! use serde_json::json;
//!
//! #[derive(Deserialize, Serialize)]
//! struct NewMsg {
//!     body: String,
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     async_std::task::block_on(run())
//! }
//!
//! async fn run() -> Result<(), Box<dyn std::error::Error>> {
//!     let socket =
//!         phx_async_std::socket("ws://localhost:4000/socket").param("token", "..").connect().await?;
//!
//!     // The stream first, then the join: so nothing is missed that the server sends right after it.
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
//! # Features
//!
//! - `tls` (default): `wss` and `https`, by rustls with ring. The roots are Mozilla's; others, and
//!   client certificates, are a matter of [`WebSocketConfig::tls`](websocket::WebSocketConfig).
//!   Without the feature such an endpoint is [`CloseCause::InvalidRequest`].
//! - `platform-roots`: the roots that the operating system trusts, by `tls::with_platform_roots`.
//!
//! # Settings of one's own
//!
//! ```no_run
//! # #[cfg(feature = "tls")] {
//! use std::sync::Arc;
//!
//! use phx_async_std::TcpDialer;
//! use phx_async_std::tls::{self, rustls::RootCertStore, rustls::pki_types::CertificateDer};
//! use phx_async_std::websocket::{WebSocketConfig, WebSocketConnector};
//!
//! # async fn doc(certificate: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
//! let mut roots = RootCertStore::empty();
//! roots.add(CertificateDer::from(certificate))?; // DER; `CertificateDer::from_pem_file` for PEM
//! let mut config = WebSocketConfig::default();
//! config.tls = Arc::new(tls::builder().with_root_certificates(roots).with_no_client_auth());
//!
//! let socket = phx_async_std::socket("wss://phoenix.internal/socket")
//!     .connector(WebSocketConnector::new(TcpDialer::new()).with_config(config))
//!     .connect()
//!     .await?;
//! # Ok(())
//! # }
//! # }
//! ```

mod runtime;

pub use phx_client::*;
pub use runtime::AdapterRuntime;

/// Dials TCP: the dialer of [`socket`].
pub type TcpDialer = dial::TcpDialer<AdapterRuntime>;

/// Dials a Unix socket.
///
/// # Examples
///
/// ```no_run
/// use phx_async_std::UnixDialer;
/// use phx_async_std::websocket::WebSocketConnector;
///
/// # async fn doc() -> Result<(), phx_async_std::ConnectFailed> {
/// let socket = phx_async_std::socket("ws://localhost/socket")
///     .connector(WebSocketConnector::new(UnixDialer::new("/run/phoenix.sock")))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[cfg(unix)]
pub type UnixDialer = dial::UnixDialer<AdapterRuntime>;

/// A socket in the making that connects to `endpoint` over TCP, and runs on the runtime of the
/// caller.
///
/// `endpoint` is the socket's path on the server, as in `ws://localhost:4000/socket`; `wss`, `http`
/// and `https` do too. Or an [`Endpoint`].
///
/// # Errors
///
/// None here, so that calls can be chained: what is wrong with the endpoint, and that the caller
/// runs on no runtime, is the error of [`SocketBuilder::connect`] and [`SocketBuilder::spawn`].
///
/// # Examples
///
/// ```
/// use phx_async_std::ConnectFailed;
///
/// # async_std::task::block_on(async {
/// let failed = phx_async_std::socket("localhost, port 4000").connect().await;
/// assert!(matches!(failed, Err(ConnectFailed::Endpoint(_))));
/// # });
/// ```
pub fn socket(endpoint: impl IntoEndpoint) -> SocketBuilder {
    websocket::builder::<AdapterRuntime>(endpoint)
}
