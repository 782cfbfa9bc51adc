//! The first line of a recording: version, settings and seed.

use std::sync::Arc;
use std::time::Duration;

use phx_proto::{
    Backoff, ClosePolicy, Config, PolicyKind, PushOverflow, ReconnectPolicy, RejoinPolicy,
    Schedule as ConfigSchedule, Serializer,
};
use serde::{Deserialize, Serialize};

use crate::cause::short;
use crate::decisions::Decisions;
use crate::options::{Payloads, RecordingOptions};
use crate::time::Time;

/// The version of the format that this crate writes, and the newest that it reads.
pub const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The version of the format.
    pub(crate) phx_recording: u32,
    pub(crate) serializer: Box<str>,
    pub(crate) vsn: Box<str>,
    pub(crate) payloads: PayloadsAre,
    pub(crate) hides_topics: bool,
    /// 1 for the recording of a whole session. More: the beginning is in an earlier file, or is gone.
    pub(crate) part: u32,
    pub(crate) seed: u64,
    pub(crate) config: Settings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PayloadsAre {
    Length,
    Hashed,
    Whole,
}

/// The settings of a socket. What isn't in the file of an older release has its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    push_timeout: Time,
    join_timeout: Time,
    leave_timeout: Time,
    heartbeat_interval: Option<Time>,
    heartbeat_timeout: Time,
    heartbeat_limit: Time,
    connect_timeout: Time,
    close_timeout: Time,
    reconnect: Delays,
    reconnect_policy: Policy,
    max_retry_after: Time,
    rejoin: Delays,
    rejoin_policy: Policy,
    close_policy: Policy,
    stable_after: Time,
    max_frame_size: u64,
    max_channels: u64,
    max_joins_in_flight: u64,
    max_pushes: u64,
    max_buffered_pushes: u64,
    max_buffered_bytes: u64,
    push_overflow: Overflow,
    max_events: u64,
    max_event_bytes: u64,
    max_answer_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Policy {
    Default,
    Always,
    Never,
    Function,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Overflow {
    Reject,
    DropOldest,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Delays {
    #[serde(flatten)]
    schedule: ScheduleIs,
    jitter_percent: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ScheduleIs {
    Steps(Vec<Time>),
    Exponential { first: Time, factor: u32, max: Time },
    Function,
}

impl Delays {
    fn of(backoff: &Backoff) -> Self {
        let schedule = match backoff.schedule() {
            ConfigSchedule::Steps(steps) => {
                ScheduleIs::Steps(steps.iter().copied().map(Time).collect())
            }
            ConfigSchedule::Exponential { first, factor, max, .. } => {
                ScheduleIs::Exponential { first: Time(first), factor, max: Time(max) }
            }
            // Also what a later release of the core knows.
            _ => ScheduleIs::Function,
        };
        Delays { schedule, jitter_percent: backoff.jitter_percent() }
    }

    fn backoff(&self, function: impl Fn() -> Duration + Send + Sync + 'static) -> Backoff {
        let backoff = match &self.schedule {
            ScheduleIs::Steps(steps) => {
                Backoff::steps(steps.iter().map(|Time(step)| *step).collect::<Vec<_>>())
            }
            ScheduleIs::Exponential { first, factor, max } => {
                Backoff::exponential(first.0, *factor, max.0)
            }
            ScheduleIs::Function => Backoff::function(move |_| function()),
        };
        backoff.with_jitter_percent(self.jitter_percent)
    }
}

fn policy(kind: PolicyKind) -> Policy {
    match kind {
        PolicyKind::Standard => Policy::Default,
        PolicyKind::Always => Policy::Always,
        PolicyKind::Never => Policy::Never,
        _ => Policy::Function,
    }
}

fn wide(limit: usize) -> u64 {
    limit as u64
}

fn narrow(limit: u64) -> usize {
    // No limit there is no limit here.
    usize::try_from(limit).unwrap_or(usize::MAX)
}

impl Header {
    pub(crate) fn of_default() -> Self {
        Header::new(&Config::default(), 0, RecordingOptions::default())
    }

    pub(crate) fn new(config: &Config, seed: u64, options: RecordingOptions) -> Self {
        Header {
            phx_recording: VERSION,
            serializer: short(&format!("{:?}", config.serializer)),
            vsn: short(config.serializer.vsn()),
            payloads: match options.payloads {
                Payloads::Length => PayloadsAre::Length,
                Payloads::Hashed => PayloadsAre::Hashed,
                Payloads::Whole => PayloadsAre::Whole,
            },
            hides_topics: options.hides_topics,
            part: 1,
            seed,
            config: Settings::of(config),
        }
    }
}

impl Settings {
    fn of(config: &Config) -> Self {
        Settings {
            push_timeout: Time(config.push_timeout),
            join_timeout: Time(config.join_timeout),
            leave_timeout: Time(config.leave_timeout),
            heartbeat_interval: config.heartbeat_interval.map(Time),
            heartbeat_timeout: Time(config.heartbeat_timeout),
            heartbeat_limit: Time(config.heartbeat_limit),
            connect_timeout: Time(config.connect_timeout),
            close_timeout: Time(config.close_timeout),
            reconnect: Delays::of(&config.reconnect),
            reconnect_policy: policy(config.reconnect_policy.kind()),
            max_retry_after: Time(config.max_retry_after),
            rejoin: Delays::of(&config.rejoin),
            rejoin_policy: policy(config.rejoin_policy.kind()),
            close_policy: match policy(config.close_policy.kind()) {
                Policy::Default => Policy::Never,
                other => other,
            },
            stable_after: Time(config.stable_after),
            max_frame_size: wide(config.max_frame_size),
            max_channels: wide(config.max_channels),
            max_joins_in_flight: wide(config.max_joins_in_flight),
            max_pushes: wide(config.max_pushes),
            max_buffered_pushes: wide(config.max_buffered_pushes),
            max_buffered_bytes: wide(config.max_buffered_bytes),
            push_overflow: match config.push_overflow {
                PushOverflow::DropOldest => Overflow::DropOldest,
                _ => Overflow::Reject,
            },
            max_events: wide(config.max_events),
            max_event_bytes: wide(config.max_event_bytes),
            max_answer_bytes: wide(config.max_answer_bytes),
        }
    }

    /// The configuration for a replay, in which functions of the caller return what `decisions` holds.
    pub(crate) fn config(&self, serializer: Arc<dyn Serializer>, decisions: &Decisions) -> Config {
        let mut config = Config::default();
        config.serializer = serializer;
        config.push_timeout = self.push_timeout.0;
        config.join_timeout = self.join_timeout.0;
        config.leave_timeout = self.leave_timeout.0;
        config.heartbeat_interval = self.heartbeat_interval.map(|Time(interval)| interval);
        config.heartbeat_timeout = self.heartbeat_timeout.0;
        config.heartbeat_limit = self.heartbeat_limit.0;
        config.connect_timeout = self.connect_timeout.0;
        config.close_timeout = self.close_timeout.0;
        let made = decisions.clone();
        config.reconnect = self.reconnect.backoff(move || made.next_reconnect_delay());
        let made = decisions.clone();
        config.reconnect_policy = match self.reconnect_policy {
            Policy::Default => ReconnectPolicy::default(),
            Policy::Always => ReconnectPolicy::always(),
            Policy::Never => ReconnectPolicy::never(),
            Policy::Function => ReconnectPolicy::function(move |_, _| made.next_reconnect()),
        };
        config.max_retry_after = self.max_retry_after.0;
        let made = decisions.clone();
        config.rejoin = self.rejoin.backoff(move || made.next_rejoin_delay());
        let made = decisions.clone();
        config.rejoin_policy = match self.rejoin_policy {
            Policy::Default => RejoinPolicy::default(),
            Policy::Always => RejoinPolicy::always(),
            Policy::Never => RejoinPolicy::never(),
            Policy::Function => RejoinPolicy::function(move |_| made.next_rejoin()),
        };
        let made = decisions.clone();
        config.close_policy = match self.close_policy {
            Policy::Default | Policy::Never => ClosePolicy::never(),
            Policy::Always => ClosePolicy::always(),
            Policy::Function => ClosePolicy::function(move |_| made.next_close()),
        };
        config.stable_after = self.stable_after.0;
        config.max_frame_size = narrow(self.max_frame_size);
        config.max_channels = narrow(self.max_channels);
        config.max_joins_in_flight = narrow(self.max_joins_in_flight);
        config.max_pushes = narrow(self.max_pushes);
        config.max_buffered_pushes = narrow(self.max_buffered_pushes);
        config.max_buffered_bytes = narrow(self.max_buffered_bytes);
        config.push_overflow = match self.push_overflow {
            Overflow::Reject => PushOverflow::Reject,
            Overflow::DropOldest => PushOverflow::DropOldest,
        };
        config.max_events = narrow(self.max_events);
        config.max_event_bytes = narrow(self.max_event_bytes);
        config.max_answer_bytes = narrow(self.max_answer_bytes);
        config
    }
}
