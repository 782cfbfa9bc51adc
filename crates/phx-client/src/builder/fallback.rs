//! Settings of the fallback to long-poll.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use phx_proto::ConfigError;

/// Fallback to long-poll where no WebSocket works; see
/// [`SocketBuilder::long_poll_fallback`](crate::SocketBuilder::long_poll_fallback). A [`Duration`] converts into it.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
/// use phx_client::{LongPollFallback, SocketBuilder};
///
/// # fn stored() -> bool { false }
/// # fn store(remembered: bool) {}
/// # fn doc(builder: SocketBuilder) {
/// let fallback = LongPollFallback::after(Duration::from_millis(2_500))
///     .web_socket_after(Duration::from_secs(3_600))
///     .remembered(stored())
///     .on_remember(|remembered| store(remembered));
/// let builder = builder.long_poll_fallback(fallback);
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a fallback does nothing until it is given to a builder"]
pub struct LongPollFallback {
    pub(crate) after: Duration,
    pub(crate) web_socket_after: Option<Duration>,
    pub(crate) remembered: bool,
    pub(crate) on_remember: Option<Arc<dyn Fn(bool) + Send + Sync>>,
}

impl LongPollFallback {
    /// Falls back when a WebSocket has failed, or hasn't opened or proved itself within this time.
    pub fn after(after: Duration) -> Self {
        LongPollFallback { after, web_socket_after: None, remembered: false, on_remember: None }
    }

    /// Sets the time for which a long-poll connection stays open at most: after that the client replaces it, and tries
    /// a WebSocket first. Streams get a gap then. Default: no limit.
    pub fn web_socket_after(mut self, time: Duration) -> Self {
        self.web_socket_after = Some(time);
        self
    }

    /// Sets whether the first attempt is long-poll, since a program remembers that no WebSocket works. Default: false.
    pub fn remembered(mut self, remembered: bool) -> Self {
        self.remembered = remembered;
        self
    }

    /// Calls `handler` when it changes whether the socket remembers that no WebSocket works, for programs that store
    /// that beyond the socket's life. It runs on the socket's task, and must return soon.
    pub fn on_remember(mut self, handler: impl Fn(bool) + Send + Sync + 'static) -> Self {
        self.on_remember = Some(Arc::new(handler));
        self
    }

    /// Checks the times; a whole attempt takes `connect_timeout` at most.
    pub(crate) fn validate(&self, connect_timeout: Duration) -> Result<(), ConfigError> {
        const SHORTEST: Duration = Duration::from_millis(1);
        if self.after < SHORTEST || self.after >= connect_timeout {
            let range = "1 ms or more, and shorter than `connect_timeout`";
            return Err(ConfigError::new("long_poll_fallback", range));
        }
        if self.web_socket_after.is_some_and(|time| time < SHORTEST) {
            return Err(ConfigError::new("web_socket_after", "1 ms or more"));
        }
        Ok(())
    }
}

impl From<Duration> for LongPollFallback {
    fn from(after: Duration) -> Self {
        LongPollFallback::after(after)
    }
}

impl fmt::Debug for LongPollFallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LongPollFallback")
            .field("after", &self.after)
            .field("web_socket_after", &self.web_socket_after)
            .field("remembered", &self.remembered)
            .finish_non_exhaustive()
    }
}
