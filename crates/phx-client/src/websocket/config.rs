//! Settings of a WebSocket transport.

use std::fmt;
use std::time::Duration;

use phx_proto::ConfigError;

/// Settings of a WebSocket transport.
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
    /// Bytes requested from the stream per read, from 1 byte to 16 MiB. Each connection keeps a buffer of this
    /// size, and fills it with zeros before each read. A stream that fills it is read with another buffer of up to
    /// 64 KiB until no more bytes are ready. Default: 1 KiB.
    pub read_buffer_size: usize,
    /// Bytes gathered before they are written to the stream without a flush, so that many frames go out in one
    /// write, from 0 to 1 GiB. One frame of any size may wait in addition. Zero writes each frame at once. Default:
    /// 32 KiB.
    pub write_buffer_size: usize,
    /// Bytes kept of the body of a refusal; the rest is not read. Default: 16 KiB.
    pub max_refusal_body: usize,
    /// Time limit for the body of a refusal after its head; bytes that arrived by then are kept. Default: 2 s.
    pub refusal_timeout: Duration,
    /// TLS configuration for the server, for `wss`: roots, client certificates, versions. Default:
    /// [`tls::client_config`](crate::tls::client_config).
    #[cfg(feature = "tls")]
    pub tls: std::sync::Arc<rustls::ClientConfig>,
    /// TLS configuration for a proxy whose URL has the scheme `https`: roots and versions. It is separate from
    /// `tls`, so that a client certificate for the server isn't shown to the proxy. Default:
    /// [`tls::client_config`](crate::tls::client_config).
    #[cfg(feature = "tls")]
    pub proxy_tls: std::sync::Arc<rustls::ClientConfig>,
}

impl WebSocketConfig {
    /// Checks every setting. A connector calls it before it dials.
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
            #[cfg(feature = "tls")]
            proxy_tls: crate::tls::client_config(),
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
