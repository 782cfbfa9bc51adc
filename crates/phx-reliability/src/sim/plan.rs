//! A run as data: the clients, and the operations with their times.

use std::time::Duration;

use phx_proto::{Backoff, ClosePolicy, Config, PushOverflow, RejoinPolicy};
use serde::{Deserialize, Serialize};

use crate::ledger::room::{JoinIs, MAX_SLOW};

/// A run as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// Settings of the clients.
    pub settings: Settings,
    /// Number of clients.
    pub clients: usize,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// Settings of the clients. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Settings {
    /// [`Config::heartbeat_interval`].
    pub heartbeat_interval: u64,
    /// [`Config::heartbeat_timeout`].
    pub heartbeat_timeout: u64,
    /// [`Config::heartbeat_limit`]; plans that are older than this setting have none.
    #[serde(default)]
    pub heartbeat_limit: u64,
    /// [`Config::max_joins_in_flight`]; 0, as in plans that are older than this setting, is the default.
    #[serde(default)]
    pub joins_in_flight: usize,
    /// [`Config::connect_timeout`].
    pub connect_timeout: u64,
    /// Timeout of pushes, joins and leaves.
    pub timeout: u64,
    /// [`Config::stable_after`].
    pub stable_after: u64,
    /// True for phoenix.js's reconnect schedule instead of the default one.
    pub quick_reconnect: bool,
    /// True for [`RejoinPolicy::always`] instead of the default.
    pub always_rejoin: bool,
    /// True for [`PushOverflow::DropOldest`] instead of the default.
    pub evict_oldest: bool,
    /// True for [`ClosePolicy::always`] instead of the default.
    #[serde(default)]
    pub rejoin_closed: bool,
    /// True if users join a closed channel again instead of creating a new one.
    #[serde(default)]
    pub join_again: bool,
    /// True if the clients connect over long-poll; plans that were made before it was there have no such clients.
    #[serde(default)]
    pub long_poll: bool,
}

/// One operation, some time after the previous one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Step {
    /// Time since the previous step, in milliseconds.
    pub after: u64,
    /// Number of the client that the operation is for.
    pub client: usize,
    /// The operation to do.
    pub op: Op,
}

/// An operation. Times in milliseconds; `room` is the number of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums, missing_docs, reason = "each says what it is")]
pub enum Op {
    // Operations of users.
    Connect,
    Disconnect,
    ReconnectNow,
    Ping,
    Join {
        room: usize,
        timeout: Option<u64>,
    },
    Push(Push),
    /// Many pushes at once.
    Burst {
        room: usize,
        count: usize,
    },
    Leave {
        room: usize,
    },
    Remove {
        room: usize,
    },
    Replace {
        room: usize,
    },
    /// Cancels the call that was made this many calls ago.
    Cancel {
        back: usize,
    },

    // Operations of the server.
    NextJoin {
        is: JoinIs,
    },
    Broadcast {
        room: usize,
        binary: bool,
    },
    ServerPush {
        room: usize,
        binary: bool,
    },
    CrashChannel {
        room: usize,
    },
    StopChannel {
        room: usize,
    },
    /// The channel crashes, and the message about it is lost.
    ForgetChannel {
        room: usize,
    },
    CloseConnection {
        code: u16,
    },
    /// All connections end, with this code or without a close frame, and new ones fail until [`Op::Online`].
    Restart {
        code: Option<u16>,
    },
    Stray {
        room: usize,
        is: Stray,
    },
    /// The client's last join of the topic arrives at the server again.
    RepeatJoin {
        room: usize,
    },

    // Operations of the network.
    Latency {
        up_to: u64,
    },
    Jitter {
        up_to: u64,
    },
    /// Replies to heartbeats arrive later than all other frames.
    LateHeartbeats {
        by: u64,
    },
    Cut,
    CutAfter {
        frames: u32,
    },
    HalfOpen,
    Stall,
    Resume,
    Offline,
    Silent,
    Online,
    Refuse(Refuse),
    DamageReceived {
        how: Damage,
    },
    DamageSent {
        how: Damage,
    },
    /// The client's transports take no frames.
    BlockSends,
    UnblockSends,

    // Faults of long-poll.
    /// The next poll with messages is answered with 500, and they are lost.
    FailPoll,
    /// Answers to POSTs come later than their frames.
    SlowPosts {
        by: u64,
    },
    /// The client's session does nothing for a time, and may look gone.
    Busy {
        by: u64,
    },

    // Operations of the client's machine.
    Suspend,
    Wake,
    ClockAhead {
        by: u64,
    },
    ClockBack {
        by: u64,
    },
}

impl Op {
    /// Returns the kind of fault; `None` if the operation is none.
    pub(super) fn fault(&self) -> Option<&'static str> {
        Some(match self {
            Op::NextJoin { .. } => "join that goes wrong",
            Op::CrashChannel { .. } => "channel crashes",
            Op::StopChannel { .. } => "channel stops",
            Op::ForgetChannel { .. } => "forgotten channel",
            Op::CloseConnection { .. } => "server closes the connection",
            Op::Restart { .. } => "server restarts",
            Op::Stray { .. } => "stray frame",
            Op::RepeatJoin { .. } => "duplicate join",
            Op::Latency { .. } => "latency changes",
            Op::Jitter { .. } => "jitter changes",
            Op::LateHeartbeats { by: 1.. } => "late replies to heartbeats",
            Op::Cut => "cut",
            Op::CutAfter { .. } => "cut after some frames",
            Op::HalfOpen => "half-open connection",
            Op::Stall => "stall",
            Op::Offline => "port closed",
            Op::Silent => "no answer to connects",
            Op::Refuse(_) => "refused upgrade",
            Op::DamageReceived { .. } => "damaged frame to the client",
            Op::DamageSent { .. } => "damaged frame to the server",
            Op::BlockSends => "transport that takes nothing",
            Op::FailPoll => "poll that loses messages",
            Op::SlowPosts { by: 1.. } => "slow answers to POSTs",
            Op::Busy { .. } => "busy session",
            Op::Suspend => "machine sleeps",
            Op::ClockAhead { .. } => "clock set ahead",
            Op::ClockBack { .. } => "clock set back",
            _ => return None,
        })
    }
}

/// A push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, missing_docs, reason = "as in `Op`")]
pub struct Push {
    pub room: usize,
    pub event: PushEvent,
    pub binary: bool,
    pub timeout: Option<u64>,
}

/// Refusal of an attempt to connect; `retry_after` in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, missing_docs, reason = "as in `Op`")]
pub struct Refuse {
    pub status: u16,
    pub retry_after: Option<u64>,
}

/// The server's handling of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums, missing_docs, reason = "each says what the server does")]
pub enum PushEvent {
    Echo,
    Refuse,
    OtherStatus,
    Silent,
    Late,
    Double,
    Slow,
    Crash,
    ReplyAndCrash,
    Stop,
    StopReply,
    PushBack,
}

/// A frame that the server never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums, missing_docs, reason = "each says what it is")]
pub enum Stray {
    StaleClose,
    StaleError,
    StalePush,
    StaleReply,
    UnknownReply,
    UnknownTopic,
    Garbage,
    BinaryGarbage,
}

/// Damage to a frame on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums, missing_docs, reason = "each says what is done to the frame")]
pub enum Damage {
    /// Cuts the frame after this percentage of its bytes.
    Cut { percent: u8 },
    /// Replaces the byte at this percentage with one that occurs in no UTF-8 text.
    Garble { percent: u8 },
}

impl Push {
    /// Creates a push that is answered.
    pub(super) fn echo(room: usize) -> Self {
        Push { room, event: PushEvent::Echo, binary: false, timeout: None }
    }
}

/// Number of topics.
pub(super) const ROOMS: usize = 3;

/// Largest `Retry-After` of a server's answer, see [`Refuse`].
const MAX_RETRY_AFTER: Duration = Duration::from_secs(15);

/// Largest number of buffered pushes of a channel.
pub(super) const MAX_BUFFERED: usize = 8;
/// Largest number of open calls.
pub(super) const MAX_PUSHES: usize = 48;
pub(super) const MAX_CHANNELS: usize = 12;

/// The longest until a dead session is noticed: a poll without an answer ends it after 20 s; one that waits at a
/// dead session is answered after 10 s, and the server looks twice for 2 s before it says that there is none.
const LONG_POLL_NOTICE: Duration = Duration::from_secs(40);

/// Longest time between turns to join: one a second, for all topics.
const MAX_SPREAD: Duration = Duration::from_secs(3);

/// Largest total by which a run sets clocks back.
pub(super) const MAX_BACK: Duration = Duration::from_secs(4);
/// Largest latency, jitter included.
pub(super) const MAX_LATENCY: Duration = Duration::from_secs(2);

impl Settings {
    pub(super) fn config(&self) -> Config {
        let mut config = Config::default();
        config.heartbeat_interval = Some(Duration::from_millis(self.heartbeat_interval));
        config.heartbeat_timeout = Duration::from_millis(self.heartbeat_timeout);
        config.heartbeat_limit = Duration::from_millis(self.heartbeat_limit);
        if self.joins_in_flight > 0 {
            config.max_joins_in_flight = self.joins_in_flight;
        }
        config.connect_timeout = Duration::from_millis(self.connect_timeout);
        config.push_timeout = Duration::from_millis(self.timeout);
        config.join_timeout = Duration::from_millis(self.timeout);
        config.leave_timeout = Duration::from_millis(self.timeout);
        config.stable_after = Duration::from_millis(self.stable_after);
        config.max_retry_after = MAX_RETRY_AFTER;
        config.max_channels = MAX_CHANNELS;
        config.max_pushes = MAX_PUSHES;
        config.max_buffered_pushes = MAX_BUFFERED;
        if self.quick_reconnect {
            config.reconnect = Backoff::phoenix_js();
        }
        if self.always_rejoin {
            config.rejoin_policy = RejoinPolicy::always();
        }
        if self.rejoin_closed {
            config.close_policy = ClosePolicy::always();
        }
        if self.evict_oldest {
            config.push_overflow = PushOverflow::DropOldest;
        }
        config
    }

    /// Returns the promised bound: the longest time until every channel that should be joined is joined, after the
    /// network has healed.
    ///
    /// In the worst case the connection is dead while frames still arrive on it, the server has just sent a
    /// `Retry-After`, a slow join blocks the new connection, the answers to this join and to those with earlier
    /// turns are lost, turns are spread because many joins were rejected before, and the client's clock stands still
    /// because it was set back.
    pub(super) fn recovery_bound(&self) -> Duration {
        let ms = Duration::from_millis;
        let notice = if self.long_poll {
            LONG_POLL_NOTICE
        } else {
            ms(self.heartbeat_interval + self.heartbeat_timeout.max(self.heartbeat_limit))
        };
        let reconnect = longest_delay(Duration::from_secs(10)) + MAX_RETRY_AFTER;
        // The joins with earlier turns, and this one.
        let turns = ROOMS.div_ceil(self.joins_in_flight.clamp(1, ROOMS));
        let turns = u32::try_from(turns).unwrap_or(u32::MAX);
        let join = ms(self.timeout) * turns + MAX_SPREAD + longest_delay(Duration::from_secs(10));
        notice + ms(self.connect_timeout) + reconnect + join + MAX_SLOW + MAX_BACK + MAX_LATENCY
    }
}

/// Returns the longest delay of a step, with its jitter of a quarter either way.
fn longest_delay(step: Duration) -> Duration {
    step * 5 / 4
}
