//! Everything that can be set on a socket, with its defaults.

use alloc::sync::Arc;
use core::time::Duration;

mod range;

use crate::{Backoff, ClosePolicy, ReconnectPolicy, RejoinPolicy, Serializer, V2};

pub use range::ConfigError;

/// Time that a push, join or leave has for its reply: 10 s, as in phoenix.js.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time between heartbeats: 30 s, as in phoenix.js.
pub const DEFAULT_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);

/// The settings of a [`Socket`](crate::Socket). [`validate`](Self::validate) says which values can't work.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use phx_proto::{Backoff, Config};
///
/// let mut config = Config::default();
/// config.push_timeout = Duration::from_secs(3);
/// config.reconnect = Backoff::exponential(Duration::from_millis(100), 2, Duration::from_secs(30));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Encodes and decodes messages. Default: [`V2`].
    pub serializer: Arc<dyn Serializer>,
    /// Time that a push has for its reply, counted from the call, unless the call says otherwise.
    /// Default: 10 s.
    pub push_timeout: Duration,
    /// Time that a join has for its reply, counted from the call, and that each of its attempts
    /// has, counted from its turn (see [`max_joins_in_flight`](Self::max_joins_in_flight)),
    /// when it is put in line for the transport. Default: 10 s.
    pub join_timeout: Duration,
    /// Time that a leave has for its reply. Default: 10 s.
    pub leave_timeout: Duration,
    /// Time from the opening of a connection to the first heartbeat, and from a heartbeat's reply to
    /// the next heartbeat. `None`: no heartbeats. Servers close what is silent for 60 s. Default:
    /// 30 s.
    pub heartbeat_interval: Option<Duration>,
    /// Longest silence while a heartbeat waits for its reply; after that the connection counts as
    /// dead. Counted from the heartbeat, or from the last frame that came after it, since every
    /// frame shows that the peer is alive. Default: 10 s.
    pub heartbeat_timeout: Duration,
    /// Longest time that a heartbeat waits for its reply, whatever else comes before it: this finds
    /// a peer that is heard but hears nothing. Less than
    /// [`heartbeat_timeout`](Self::heartbeat_timeout) counts as that, and only the reply counts then,
    /// as in phoenix.js. Default: 30 s, the time that phoenix.js gives it.
    pub heartbeat_limit: Duration,
    /// Time that an attempt to connect has for everything: credentials, name look-up, TCP, TLS
    /// and the upgrade. Default: 20 s.
    pub connect_timeout: Duration,
    /// Time that the transport has to close properly after a disconnect before it is reported closed
    /// all the same. Default: 5 s.
    pub close_timeout: Duration,
    /// The delays between attempts to connect. Default: 1, 2, 5, then 10 s, a quarter either way.
    pub reconnect: Backoff,
    /// Decides after each end of a connection whether to reconnect. Default: see [`ReconnectPolicy`].
    pub reconnect_policy: ReconnectPolicy,
    /// The longest `Retry-After` that is honoured; a longer one counts as this. Default: 5 min.
    pub max_retry_after: Duration,
    /// The delays between attempts to join a channel. Default: 1, 2, 5, then 10 s, a quarter either
    /// way.
    pub rejoin: Backoff,
    /// Decides after a rejection whether to join again. Default: see [`RejoinPolicy`].
    pub rejoin_policy: RejoinPolicy,
    /// Decides whether to join again after the server closed a channel. Default: never.
    pub close_policy: ClosePolicy,
    /// Time that a connection must stay open before the reconnect schedule starts over, and a channel
    /// joined before its rejoin schedule does. Zero starts over at once. Default: 10 s.
    pub stable_after: Duration,
    /// The largest frame that is decoded, in bytes; a larger one is a
    /// [`Malformed`](crate::Event::Malformed) event. At most
    /// [`LARGEST_FRAME`](Self::LARGEST_FRAME). Default: 64 MiB.
    pub max_frame_size: usize,
    /// Channels a socket holds at the most, closed ones included until they are removed. Default:
    /// 65,536.
    pub max_channels: usize,
    /// Joins of a socket that are under way at the most, each from the request for its params to its
    /// answer. Further ones wait for their turn, in order, and their time
    /// ([`join_timeout`](Self::join_timeout)) doesn't begin before it.
    ///
    /// After five rejections within a second that aren't final, turns are also spread: 10 a second at
    /// first, faster as joins are accepted and slower as they are rejected. So they are after a
    /// connection that ended with joins unanswered, if the server closed it with a code other than 1000,
    /// 1001 and 1012, or if it was the second in a row. With [`usize::MAX`] there is no
    /// limit, and nothing is spread. Default: 100.
    pub max_joins_in_flight: usize,
    /// Pushes a socket holds at the most, counted from the call until their outcome has been
    /// polled; joins and leaves count too. Default: 131,072.
    pub max_pushes: usize,
    /// Pushes a channel holds at the most that the transport hasn't taken; those of a joined channel
    /// count until then too, so this bounds how many can be pushed in a row without waiting. What
    /// they need is bounded by [`max_buffered_bytes`](Self::max_buffered_bytes) and
    /// [`max_pushes`](Self::max_pushes). Default: 65,536.
    pub max_buffered_pushes: usize,
    /// Payload bytes that a socket's pushes hold at the most before the transport has taken them.
    /// Default: 64 MiB.
    pub max_buffered_bytes: usize,
    /// Treatment of a push for which its channel's buffer has no room. Default: refuse it.
    pub push_overflow: PushOverflow,
    /// Events of the peer's traffic (messages, frames that are none) that wait to be polled at the
    /// most. Events about the connection and the channels have as many places again, and two for each of
    /// [`max_channels`](Self::max_channels); the outcomes of pushes are never dropped. What doesn't
    /// fit is dropped and counted, see [`EventsLost`](crate::Event::EventsLost): a driver that polls
    /// until there are no more events after every call never loses any. Default: 65,536.
    pub max_events: usize,
    /// Bytes of payloads and frames that those events hold at the most, but one event of any size.
    /// Default: 64 MiB.
    pub max_event_bytes: usize,
    /// Bytes of the server's answers that wait to be polled at the most, but one answer of any size:
    /// the replies of outcomes, the payloads of the joins, rejections, crashes and ends of channels, and
    /// the bodies of refusals. Each event counts its own, also where two of them share an answer. What doesn't fit
    /// is dropped and its event comes all the same, with
    /// [`ReplyDropped`](crate::Outcome::ReplyDropped) or [`PayloadDropped`](crate::PayloadDropped).
    /// Default: 64 MiB.
    pub max_answer_bytes: usize,
}

/// Treatment of a push for which a channel's buffer has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushOverflow {
    /// The new push is an error, and its payload is handed back.
    #[default]
    Reject,
    /// The channel's oldest push that the transport hasn't taken gives way; its outcome is
    /// [`Evicted`](crate::Outcome::Evicted).
    DropOldest,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            serializer: Arc::new(V2),
            push_timeout: DEFAULT_TIMEOUT,
            join_timeout: DEFAULT_TIMEOUT,
            leave_timeout: DEFAULT_TIMEOUT,
            heartbeat_interval: Some(DEFAULT_HEARTBEAT_INTERVAL),
            // With the interval a silent peer is noticed after 40 s at most; phoenix.js takes up to 60 s.
            heartbeat_timeout: Duration::from_secs(10),
            heartbeat_limit: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(5),
            reconnect: Backoff::default(),
            reconnect_policy: ReconnectPolicy::default(),
            max_retry_after: Duration::from_secs(300),
            rejoin: Backoff::default(),
            rejoin_policy: RejoinPolicy::default(),
            close_policy: ClosePolicy::default(),
            // A server that accepts and drops at once isn't tried at the first step for ever.
            stable_after: Duration::from_secs(10),
            max_frame_size: 64 << 20,
            max_channels: 65_536,
            max_joins_in_flight: 100,
            max_pushes: 131_072,
            // While a program only pushes the driver doesn't run: 1,024 refused ordinary bursts.
            max_buffered_pushes: 65_536,
            max_buffered_bytes: 64 << 20,
            push_overflow: PushOverflow::Reject,
            max_events: 65_536,
            max_event_bytes: 64 << 20,
            max_answer_bytes: 64 << 20,
        }
    }
}

impl Config {
    /// The timing and policies of phoenix.js, for comparison runs: its schedules without jitter,
    /// schedules that start over as soon as a connection opens or a channel joins, a heartbeat that
    /// waits an interval for its reply whatever else comes, and joins that are all sent at once and
    /// tried again whatever the server said.
    ///
    /// The deviations that make this client correct (one join per connection, one outcome per push
    /// and so on) stay.
    #[must_use]
    pub fn phoenix_js() -> Self {
        Config {
            heartbeat_timeout: DEFAULT_HEARTBEAT_INTERVAL,
            heartbeat_limit: DEFAULT_HEARTBEAT_INTERVAL,
            reconnect: Backoff::phoenix_js(),
            reconnect_policy: ReconnectPolicy::always(),
            // phoenix.js rejoins by the same steps.
            rejoin: Backoff::phoenix_cr(),
            rejoin_policy: RejoinPolicy::always(),
            stable_after: Duration::ZERO,
            max_joins_in_flight: usize::MAX,
            ..Config::default()
        }
    }

    /// The default timing, with limits for machines with a few KiB of memory: frames of at most 1 KiB, four channels,
    /// and eight pushes that wait.
    ///
    /// A server that sends larger messages needs a larger [`max_frame_size`](Self::max_frame_size): a transport may close the
    /// connection at one (code 1009), and would do so again after each reconnect. The memory that a socket takes at these
    /// limits is bounded; where the allocator has less the program's allocation error handler runs.
    /// [`PresenceConfig::small`](crate::PresenceConfig::small) is for the lists of presences.
    ///
    /// # Examples
    ///
    /// ```
    /// use core::time::Duration;
    /// use phx_proto::{Config, Instant, Socket};
    ///
    /// let mut config = Config::small();
    /// config.max_frame_size = 2 << 10;
    /// config.heartbeat_interval = Some(Duration::from_secs(45)); // Fewer wake-ups.
    /// assert_eq!(config.validate(), Ok(()));
    /// let mut socket = Socket::new(config, 42);
    /// socket.connect(Instant::EPOCH);
    /// ```
    #[must_use]
    pub fn small() -> Self {
        Config {
            max_frame_size: 1 << 10,
            max_channels: 4,
            // One after the other: at the peak there is one response to a join.
            max_joins_in_flight: 1,
            // The pushes that wait, and a join and a leave of each channel.
            max_pushes: 16,
            max_buffered_pushes: 8,
            max_buffered_bytes: 1 << 10,
            max_events: 8,
            max_event_bytes: 2 << 10,
            max_answer_bytes: 2 << 10,
            ..Config::default()
        }
    }

    /// The timing of phoenix.cr, the client for Crystal: timeouts of 10 s, a heartbeat every 30 s, and its exact reconnect
    /// steps of 1, 2, 5, then 10 s, without jitter.
    #[must_use]
    pub fn phoenix_cr() -> Self {
        Config {
            reconnect: Backoff::phoenix_cr(),
            rejoin: Backoff::phoenix_cr(),
            ..Config::default()
        }
    }
}
