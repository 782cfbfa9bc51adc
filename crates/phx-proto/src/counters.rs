//! Counts of what happened on a socket.

/// Counts of what happened on a socket since it was made. None ever goes down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Attempts to connect.
    pub attempts: u64,
    /// Connections that opened.
    pub opened: u64,
    /// Frames handed to the driver.
    pub frames_sent: u64,
    /// Bytes of those frames.
    pub bytes_sent: u64,
    /// Frames received on the current transport.
    pub frames_received: u64,
    /// Bytes of those frames.
    pub bytes_received: u64,
    /// Server pushes and broadcasts delivered to a joined channel.
    pub messages: u64,
    /// Replies that ended a push, join, leave, heartbeat or ping.
    pub replies: u64,
    /// Replies to nothing that waits: late, second or foreign ones.
    pub unmatched_replies: u64,
    /// Messages of an older join of their channel, or to a channel that isn't joined.
    pub outdated: u64,
    /// Messages for a topic that has no channel.
    pub unknown_topic: u64,
    /// Frames that weren't messages.
    pub malformed: u64,
    /// Facts about transports that are no longer the current one.
    pub stale_inputs: u64,
    /// Heartbeats that had no reply in time.
    pub heartbeats_missed: u64,
    /// Joins sent.
    pub joins_sent: u64,
    /// Pushes accepted.
    pub pushes: u64,
    /// Events dropped because too many waited to be polled.
    pub events_lost: u64,
}
