//! Settings of the client, beside the core's.

use std::time::Duration;

use phx_proto::{Config, ConfigError, TransportKind};

use super::credentials::CredentialsFunction;
use super::fallback::LongPollFallback;
use crate::connector::Connector;
use crate::log::Log;
use crate::proxy::Proxy;

const STREAM_CAPACITY: usize = 1_024;
const STREAM_BYTES: usize = 64 << 20;
const STALL_AFTER: Duration = Duration::from_secs(5);
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of the client, beside the core's [`Config`](phx_proto::Config).
#[derive(Clone)]
pub(crate) struct ClientConfig {
    pub(crate) stream_capacity: usize,
    pub(crate) stream_bytes: usize,
    pub(crate) stall_after: Duration,
    pub(crate) credentials: Option<CredentialsFunction>,
    pub(crate) credentials_timeout: Duration,
    pub(crate) log: Log,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) transport: TransportKind,
    pub(crate) fallback: Option<LongPollFallback>,
    /// True if errors and logs leave out the `reason` of payloads.
    pub(crate) hide_reasons: bool,
    #[cfg(feature = "deflate")]
    pub(crate) compression: Option<crate::websocket::Compression>,
}

impl ClientConfig {
    /// Checks every setting.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        for (setting, limit) in
            [("stream_capacity", self.stream_capacity), ("stream_bytes", self.stream_bytes)]
        {
            if limit == 0 {
                return Err(ConfigError::new(setting, "1 or more"));
            }
        }
        if self.credentials_timeout < Duration::from_millis(1) {
            return Err(ConfigError::new("credentials_timeout", "1 ms or more"));
        }
        #[cfg(feature = "deflate")]
        if let Some(compression) = &self.compression {
            compression.validate()?;
        }
        Ok(())
    }

    /// Checks the kinds of transports.
    pub(super) fn check_transports(
        &self,
        config: &Config,
        connector: &dyn Connector,
    ) -> Result<(), ConfigError> {
        if !connector.supports(self.transport) {
            let range = match self.transport {
                TransportKind::LongPoll => {
                    "one that the connector supports: for long-poll the feature `longpoll` of an adapter other than phx-web"
                }
                _ => "one that the connector supports",
            };
            return Err(ConfigError::new("transport", range));
        }
        let Some(fallback) = &self.fallback else { return Ok(()) };
        if self.transport != TransportKind::WebSocket {
            return Err(ConfigError::new("transport", "a WebSocket with `long_poll_fallback`"));
        }
        if !connector.supports(TransportKind::LongPoll) {
            let range = "used with a connector that supports long-poll: the feature `longpoll` of an adapter other \
                         than phx-web";
            return Err(ConfigError::new("long_poll_fallback", range));
        }
        fallback.validate(config.connect_timeout)
    }
}

impl Default for ClientConfig {
    fn default() -> Self {
        ClientConfig {
            stream_capacity: STREAM_CAPACITY,
            stream_bytes: STREAM_BYTES,
            stall_after: STALL_AFTER,
            credentials: None,
            credentials_timeout: CREDENTIALS_TIMEOUT,
            log: Log::default(),
            proxy: None,
            transport: TransportKind::WebSocket,
            fallback: None,
            hide_reasons: false,
            #[cfg(feature = "deflate")]
            compression: None,
        }
    }
}
