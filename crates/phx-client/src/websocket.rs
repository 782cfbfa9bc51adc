//! The WebSocket transport, over any stream of bytes.
//!
//! A [`StreamConnector`](crate::StreamConnector) opens it over the stream of a [`Dialer`](crate::dial::Dialer): TCP, a
//! tunnel through a proxy, a Unix socket, a pipe in a test.
//!
//! This module implements the upgrade itself, for three reasons. Phoenix may answer 101 without naming a
//! subprotocol although the client offered some, and the WebSocket library fails there. The library shows only
//! those bytes of a refusal's body that arrived together with the head. And it logs requests, which carry tokens.
//!
//! The library handles the frames. At the level `trace` of the `log` facade it logs their contents, under the
//! target `tungstenite`: keep that target's level above `trace` if payloads are confidential.

#[cfg(feature = "deflate")]
mod compressed;
#[cfg(feature = "deflate")]
mod compression;
mod config;
mod failure;
mod frames;
mod handshake;
mod incoming;
mod read_ahead;
mod refusal;
mod transport;

use std::pin::pin;

use futures::{AsyncRead, AsyncWrite};
use phx_proto::{CloseCause, Config, ConfigError};

use crate::connector::Attempt;
use crate::turn::Turn;

#[cfg(feature = "deflate")]
pub use compression::Compression;
pub use config::WebSocketConfig;
pub use transport::WebSocketTransport;

/// Turns a stream of bytes into a transport: sends the upgrade request and reads the answer.
///
/// It offers the request's subprotocols. An answer that names none of them is accepted, since a Phoenix socket
/// without `auth_token` gives it; one that names another is not.
///
/// The attempt's `max_frame_size` limits messages, whole or in fragments. A larger one ends the connection with
/// code 1009, and is discarded. The transport allocates a message's memory when its length has arrived.
///
/// A stream whose bytes are always ready doesn't block the executor: the future and the transport read and write a
/// limited number of bytes per poll, then wake their task and return pending.
///
/// Only the body of a refusal has a time limit, by the attempt's runtime; the caller sets any other limit by
/// dropping the future, which drops the stream.
///
/// # Errors
///
/// - [`CloseCause::UpgradeRejected`] for any HTTP answer but 101, with the status, `Retry-After` and the
///   beginning of the body;
/// - [`CloseCause::Io`] if the stream ends or fails, or what came isn't a proper answer. An answer of HTTP/1.0 with
///   101 is none, nor is one after more than 16 interim answers (1xx);
/// - [`CloseCause::InvalidRequest`] if a setting can't work, see [`WebSocketConfig::validate`].
pub async fn upgrade<S>(
    stream: S,
    attempt: &Attempt,
    config: &WebSocketConfig,
) -> Result<WebSocketTransport<S>, CloseCause>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    upgrade_in(&Turn::new(), stream, attempt, config).await
}

/// [`upgrade`], in the connection's turn.
pub(crate) async fn upgrade_in<S>(
    turn: &Turn,
    stream: S,
    attempt: &Attempt,
    config: &WebSocketConfig,
) -> Result<WebSocketTransport<S>, CloseCause>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    check_settings(attempt.max_frame_size, config)
        .map_err(|error| CloseCause::invalid_request(error.to_string()))?;
    let upgrading = handshake::upgrade(turn.metered(stream), attempt, config);
    let upgraded = turn.run(pin!(upgrading)).await?;
    Ok(WebSocketTransport::new(turn, upgraded, attempt.max_frame_size, config).await)
}

/// Checks again for callers that make attempts themselves: the WebSocket library panics on settings that can't
/// work.
fn check_settings(max_frame_size: usize, config: &WebSocketConfig) -> Result<(), ConfigError> {
    if !(1..=Config::LARGEST_FRAME).contains(&max_frame_size) {
        return Err(ConfigError::new("max_frame_size", "from 1 byte to 1 GiB"));
    }
    config.validate()
}
