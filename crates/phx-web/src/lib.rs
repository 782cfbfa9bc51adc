//! Phoenix Channels for web pages and workers, in WebAssembly. On other targets the crate is empty.
#![cfg_attr(target_family = "wasm", doc = "")]
#![cfg_attr(target_family = "wasm", doc = include_str!("front.md"))]
#![cfg(any(test, target_family = "wasm"))]
#![cfg_attr(
    not(target_family = "wasm"),
    allow(dead_code, reason = "tests of what needs no browser")
)]

mod buffered;
#[cfg(target_family = "wasm")]
mod connector;
#[cfg(target_family = "wasm")]
mod endpoint;
mod inbox;
mod life;
mod local;
#[cfg(target_family = "wasm")]
mod page;
mod request;
#[cfg(target_family = "wasm")]
mod runtime;
#[cfg(target_family = "wasm")]
mod scope;
#[cfg(target_family = "wasm")]
mod timer;
mod wait;
#[cfg(target_family = "wasm")]
mod websocket;

pub use local::{Local, LocalFuture};
pub use phx_client::*;

#[cfg(target_family = "wasm")]
pub use connector::WebSocketConnector;
#[cfg(target_family = "wasm")]
pub use endpoint::IntoEndpoint;
#[cfg(target_family = "wasm")]
pub use runtime::{AdapterRuntime, spawn_local};

/// Returns a builder of a socket that connects to `endpoint` by the browser's WebSocket, and runs on the calling thread of
/// the page or worker.
///
/// `endpoint` is the socket's URL, such as `wss://example.com/socket` (or `ws`, `http`, `https`), which the browser parses, or an
/// [`Endpoint`]. [`Endpoint::parse`] and [`SocketBuilder::new`] take plain URLs only, unless the feature `url` is on.
///
/// # Errors
///
/// This function returns none, so that calls can be chained. An invalid endpoint, and a global object that is neither a
/// `Window` nor a `WorkerGlobalScope`, are errors of [`SocketBuilder::connect`] and [`SocketBuilder::spawn`].
///
/// # Examples
///
/// ```no_run,standalone_crate
/// use serde::{Deserialize, Serialize};
/// use serde_json::json;
///
/// #[derive(Deserialize, Serialize)]
/// struct NewMsg {
///     body: String,
/// }
///
/// # fn show(_: &str) {}
/// async fn chat() -> Result<(), Box<dyn std::error::Error>> {
///     let socket = phx_web::socket("wss://example.com/socket").auth_token("..").connect().await?;
///
///     // Streams receive only messages that arrive after they are created, so they come before the join.
///     let room = socket.channel("room:lobby").params(&json!({ "name": "ann" })).create()?;
///     let mut messages = room.on::<NewMsg>("new_msg").values();
///     room.join().await?;
///     room.push("new_msg", &NewMsg { body: "hello".to_owned() }).acknowledged().await?;
///     while let Some(message) = messages.next().await {
///         show(&message.body);
///     }
///     Ok(())
/// }
///
/// fn main() {
///     phx_web::spawn_local(async {
///         if let Err(error) = chat().await {
///             show(&error.to_string());
///         }
///     });
/// }
/// ```
#[cfg(target_family = "wasm")]
pub fn socket(endpoint: impl IntoEndpoint) -> SocketBuilder {
    let builder = SocketBuilder::new(endpoint.into_endpoint()).connector(WebSocketConnector::new());
    match AdapterRuntime::current() {
        Ok(runtime) => builder.runtime(runtime),
        // `connect` and `spawn` report a missing runtime.
        Err(_) => builder,
    }
}

#[cfg(all(doctest, target_family = "wasm"))]
#[doc = include_str!("../README.md")]
struct CrateReadme;
