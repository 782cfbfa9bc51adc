//! Settings of the client, beside the core's.

use std::time::Duration;

use phx_proto::ConfigError;

use super::credentials::CredentialsFunction;
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
    /// True if errors and logs leave out the `reason` of payloads.
    pub(crate) hide_reasons: bool,
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
        Ok(())
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
            hide_reasons: false,
        }
    }
}
