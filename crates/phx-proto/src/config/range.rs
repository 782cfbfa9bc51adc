//! The ranges of settings, and the error of a setting outside its range.

use core::time::Duration;

use super::Config;
use crate::PresenceConfig;

/// Timers know no shorter time.
const SHORTEST: Duration = Duration::from_millis(1);

/// The most channels: their ids have an index of 32 bits, of which two values are reserved.
const MOST_CHANNELS: usize = (u32::MAX as usize).saturating_sub(1);

/// A setting that can't work. Nothing is done with a configuration that has one, and nothing is made to fit.
///
/// # Examples
///
/// ```
/// use phx_proto::Config;
///
/// let mut config = Config::default();
/// config.max_frame_size = usize::MAX;
/// let error = config.validate().unwrap_err();
/// assert_eq!(error.to_string(), "the setting `max_frame_size` must be from 1 byte to 1 GiB");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the setting `{setting}` must be {range}")]
#[non_exhaustive]
pub struct ConfigError {
    /// The name of the field or method that sets it.
    pub setting: &'static str,
    /// The range of values that work, in words: "1 ms or more".
    pub range: &'static str,
}

impl ConfigError {
    /// An error of this setting, for connectors and runtimes with separate settings.
    #[must_use]
    pub const fn new(setting: &'static str, range: &'static str) -> Self {
        ConfigError { setting, range }
    }

    /// This error, unless `works`.
    fn unless(works: bool, setting: &'static str, range: &'static str) -> Result<(), Self> {
        if works { Ok(()) } else { Err(ConfigError { setting, range }) }
    }
}

impl Config {
    /// The largest [`max_frame_size`](Self::max_frame_size): 1 GiB. Transports reserve a message's memory when its
    /// length has come, so a peer that announces much must not be able to ask for more than there is.
    pub const LARGEST_FRAME: usize = 1 << 30;

    /// Checks whether every setting can work.
    ///
    /// Any `Duration` that is long enough will do: one that ends after the end of time, such as
    /// [`Duration::MAX`], never ends. So will `usize::MAX` where only the number of things is limited.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: the first setting that can't work.
    pub fn validate(&self) -> Result<(), ConfigError> {
        // Not in this list: times that may be zero, such as `leave_timeout` and `stable_after`.
        for (setting, time) in [
            ("push_timeout", Some(self.push_timeout)),
            ("join_timeout", Some(self.join_timeout)),
            ("heartbeat_interval", self.heartbeat_interval),
            ("heartbeat_timeout", Some(self.heartbeat_timeout)),
            ("connect_timeout", Some(self.connect_timeout)),
        ] {
            let works = time.is_none_or(|time| time >= SHORTEST);
            ConfigError::unless(works, setting, "1 ms or more")?;
        }
        let frame_works = (1..=Self::LARGEST_FRAME).contains(&self.max_frame_size);
        ConfigError::unless(frame_works, "max_frame_size", "from 1 byte to 1 GiB")?;
        let channels_work = (1..=MOST_CHANNELS).contains(&self.max_channels);
        ConfigError::unless(channels_work, "max_channels", "from 1 to 4,294,967,294")?;
        for (setting, limit) in [
            ("max_joins_in_flight", self.max_joins_in_flight),
            ("max_pushes", self.max_pushes),
            ("max_buffered_pushes", self.max_buffered_pushes),
            ("max_buffered_bytes", self.max_buffered_bytes),
            ("max_events", self.max_events),
            ("max_event_bytes", self.max_event_bytes),
            ("max_answer_bytes", self.max_answer_bytes),
        ] {
            ConfigError::unless(limit > 0, setting, "1 or more")?;
        }
        for (setting, backoff) in [("reconnect", &self.reconnect), ("rejoin", &self.rejoin)] {
            if let Err(range) = backoff.check() {
                return Err(ConfigError { setting, range });
            }
        }
        Ok(())
    }
}

impl PresenceConfig {
    /// Checks whether every setting can work.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: the first setting that can't work.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let named = !self.state_event.is_empty();
        ConfigError::unless(named, "state_event", "the name of an event")?;
        let different = !self.diff_event.is_empty() && self.diff_event != self.state_event;
        ConfigError::unless(
            different,
            "diff_event",
            "the name of an event other than `state_event`",
        )?;
        for (setting, limit) in [
            ("max_pending_diffs", self.max_pending_diffs),
            ("max_metas", self.max_metas),
            ("max_bytes", self.max_bytes),
        ] {
            ConfigError::unless(limit > 0, setting, "1 or more")?;
        }
        Ok(())
    }
}
