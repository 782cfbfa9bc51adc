//! Settings of a long-poll transport.

use std::time::Duration;

use phx_proto::longpoll::SessionConfig;
use phx_proto::{Config, ConfigError};

/// Settings of a long-poll transport.
///
/// # Examples
///
/// ```
/// use phx_client::longpoll::LongPollConfig;
///
/// let mut config = LongPollConfig::default();
/// config.max_answer_size = 8 << 20;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LongPollConfig {
    /// Largest body of an answer, in bytes after decompression, from 1 byte to 1 GiB. A larger one is lost, which is a
    /// [gap](crate::StreamItem::Gap); several in a row end the session. An answer holds all messages since the last
    /// one, as JSON strings in JSON, so it is larger than they are. The transport holds at most two answers, and hands
    /// out their messages one at a time. Default: 64 MiB.
    pub max_answer_size: usize,
    /// Time for the answer to a request, and for the connection for POSTs to open, at least 1 s; without it the session
    /// ends. For a request or an answer of which bytes go out or come it begins again, up to six times it for the whole. It
    /// must be longer than the time for which the server holds a request back without messages (`window_ms`,
    /// 10 s). Default: 20 s.
    pub answer_timeout: Duration,
}

impl LongPollConfig {
    /// Checks every setting. A connector calls it before it dials.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: the first setting that can't work.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !(1..=Config::LARGEST_FRAME).contains(&self.max_answer_size) {
            return Err(ConfigError::new("max_answer_size", "from 1 byte to 1 GiB"));
        }
        if self.answer_timeout < Duration::from_secs(1) {
            return Err(ConfigError::new("answer_timeout", "1 s or more"));
        }
        Ok(())
    }

    pub(super) fn session(&self, max_refusal_body: usize) -> SessionConfig {
        let mut config = SessionConfig::default();
        config.max_answer_bytes = self.max_answer_size;
        config.max_refusal_body = max_refusal_body;
        config.answer_timeout = self.answer_timeout;
        config
    }
}

impl Default for LongPollConfig {
    fn default() -> Self {
        let session = SessionConfig::default();
        LongPollConfig {
            max_answer_size: session.max_answer_bytes,
            answer_timeout: session.answer_timeout,
        }
    }
}
