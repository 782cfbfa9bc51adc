//! The WebSocket transport, over any stream of bytes.
//!
//! A [`WebSocketConnector`] opens it over what a [`Dialer`](crate::dial::Dialer) leads to: TCP, a tunnel
//! through a proxy, a Unix socket, a pipe in a test.
//!
//! The upgrade is written here rather than left to the WebSocket library, for three reasons. Phoenix
//! may answer 101 without naming a subprotocol although some were offered, and the library fails
//! there. Of a refusal the library shows only those bytes of the body that came together with the
//! head. And it logs requests, which carry tokens.
//!
//! The frames are the library's work. At the level `trace` of the `log` facade it logs their
//! contents, under the target `tungstenite`: leave that target's level above `trace` where payloads
//! are confidential.

mod connector;
mod failure;
mod handshake;
mod read_ahead;
mod refusal;
mod transport;

use std::fmt;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use phx_proto::{CloseCause, Config, ConfigError, Request};

use crate::connector::{Attempt, Transport};
use crate::turn::Turn;

pub use connector::WebSocketConnector;
pub use transport::WebSocketTransport;

/// The settings of a WebSocket transport.
///
/// # Examples
///
/// ```
/// use phx_client::websocket::WebSocketConfig;
///
/// let mut config = WebSocketConfig::default();
/// config.read_buffer_size = 64 << 10;
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct WebSocketConfig {
    /// Bytes asked of the stream at a time, from 1 byte to 16 MiB. Each connection keeps a buffer of this size, and it is
    /// filled with zeros before each read. A stream that fills it is read with another buffer of
    /// up to 64 KiB until there is nothing more to read. Default: 1 KiB.
    pub read_buffer_size: usize,
    /// Bytes gathered before they are written to the stream without waiting for a flush, so that
    /// many frames go out in one write, up to 1 GiB. Besides these, one frame of any size may wait.
    /// Zero writes each frame at once. Default: 32 KiB.
    pub write_buffer_size: usize,
    /// Bytes kept of the body of a refusal; the rest is not read. Default: 16 KiB.
    pub max_refusal_body: usize,
    /// How long the body of a refusal is waited for once its head is there; what has come by then
    /// is kept. Default: 2 s.
    pub refusal_timeout: Duration,
    /// How TLS is done for `wss`: roots, client certificates, versions. Default:
    /// [`tls::client_config`](crate::tls::client_config).
    #[cfg(feature = "tls")]
    pub tls: std::sync::Arc<rustls::ClientConfig>,
}

impl WebSocketConfig {
    /// Checks whether every setting can work. A connector does so before anything runs.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: the first setting that can't work.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !(1..=16 << 20).contains(&self.read_buffer_size) {
            return Err(ConfigError::new("read_buffer_size", "from 1 byte to 16 MiB"));
        }
        if self.write_buffer_size > 1 << 30 {
            return Err(ConfigError::new("write_buffer_size", "1 GiB or less"));
        }
        Ok(())
    }
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        WebSocketConfig {
            read_buffer_size: 1 << 10,
            write_buffer_size: 32 << 10,
            max_refusal_body: 16 << 10,
            refusal_timeout: Duration::from_secs(2),
            #[cfg(feature = "tls")]
            tls: crate::tls::client_config(),
        }
    }
}

/// Leaves out the TLS configuration, which may hold a client's private key.
impl fmt::Debug for WebSocketConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketConfig")
            .field("read_buffer_size", &self.read_buffer_size)
            .field("write_buffer_size", &self.write_buffer_size)
            .field("max_refusal_body", &self.max_refusal_body)
            .field("refusal_timeout", &self.refusal_timeout)
            .finish_non_exhaustive()
    }
}

/// Opens a transport over a fresh connection to the host of the attempt's request: TLS if the request
/// asks for it, then [`upgrade`].
///
/// This is what [`WebSocketConnector`] does once it has dialed. Dropping the future drops the
/// connection.
///
/// # Errors
///
/// Those of [`upgrade`] and, for `wss`, those of `tls::connect`. Without the
/// feature `tls`, `wss` is [`CloseCause::Unusable`].
pub async fn open<S>(
    stream: S,
    attempt: &Attempt,
    config: &WebSocketConfig,
) -> Result<Pin<Box<dyn Transport>>, CloseCause>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    check_tls(&attempt.request)?;
    let turn = Turn::new();
    #[cfg(feature = "tls")]
    if attempt.request.is_tls() {
        // TLS is below the frames, and loops over records as they do over bytes.
        let stream = turn.metered(stream);
        let connecting = crate::tls::connect(stream, attempt.request.host(), config.tls.clone());
        let stream = turn.run(pin!(connecting)).await?;
        return Ok(Box::pin(upgrade_in(&turn, stream, attempt, config).await?));
    }
    Ok(Box::pin(upgrade_in(&turn, stream, attempt, config).await?))
}

/// Whether the TLS that `request` may ask for is built in. A connector asks before it dials, so that
/// no connection is made in vain.
///
/// # Errors
///
/// [`CloseCause::Unusable`] if the request asks for TLS and the feature `tls` is off.
pub fn check_tls(request: &Request) -> Result<(), CloseCause> {
    if cfg!(feature = "tls") || !request.is_tls() {
        return Ok(());
    }
    Err(CloseCause::unusable("`wss` and `https` need TLS, and this program was built without it"))
}

/// Turns a stream of bytes into a transport: sends the upgrade request and reads the answer.
///
/// The request's subprotocols are offered. An answer that names none of them is accepted, since a
/// Phoenix socket without `auth_token` gives it; one that names another is not.
///
/// The attempt's `max_frame_size` holds for messages, whether they come in one piece or in fragments. A larger one ends the connection with code 1009, and nothing of it is kept. A
/// message's memory is taken when its length has come.
///
/// A stream whose bytes are always ready doesn't keep the executor: the future and the transport read and write so
/// much at a time, then wake their task and are pending.
///
/// There is no time limit but for the body of a refusal, for which the attempt's runtime is asked; the caller
/// drops the future when it has waited enough, and the stream is dropped with it.
///
/// # Errors
///
/// - [`CloseCause::Refused`] for any HTTP answer but 101, with the status, `Retry-After` and the
///   beginning of the body;
/// - [`CloseCause::Lost`] if the stream ends or fails, or what came isn't a proper answer. An answer of HTTP/1.0 with
///   101 is none, nor is one after more than 16 interim answers (1xx);
/// - [`CloseCause::Unusable`] if a setting can't work, see [`WebSocketConfig::validate`].
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

async fn upgrade_in<S>(
    turn: &Turn,
    stream: S,
    attempt: &Attempt,
    config: &WebSocketConfig,
) -> Result<WebSocketTransport<S>, CloseCause>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    check_settings(attempt.max_frame_size, config)
        .map_err(|error| CloseCause::unusable(error.to_string()))?;
    let upgrading = handshake::upgrade(turn.metered(stream), attempt, config);
    let upgraded = turn.run(pin!(upgrading)).await?;
    Ok(WebSocketTransport::new(turn, upgraded, attempt.max_frame_size, config).await)
}

/// Again for those who make attempts themselves: the WebSocket library panics if a setting can't work.
fn check_settings(max_frame_size: usize, config: &WebSocketConfig) -> Result<(), ConfigError> {
    if !(1..=Config::LARGEST_FRAME).contains(&max_frame_size) {
        return Err(ConfigError::new("max_frame_size", "from 1 byte to 1 GiB"));
    }
    config.validate()
}
