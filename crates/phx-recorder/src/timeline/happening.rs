//! What a timeline is made of.

use std::time::Duration;

/// Something that happened in a recorded session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Happening {
    /// The line of the recording, from 1.
    pub line: u64,
    /// The time since the first one in the recording.
    pub at: Duration,
    /// What it is about.
    pub about: About,
    /// `true` if a request has its outcome by this.
    pub is_outcome: bool,
    /// `true` if something failed (a connection, a join, a request) or is missing: messages, entries of the recording.
    pub is_failure: bool,
    /// The state that the connection or the channel is in from then on, if it changed.
    pub state: Option<State>,
    /// What happened, on one line. Texts of the recording in it are escaped and cut; no payload is in it.
    pub words: String,
}

/// What a [`Happening`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum About {
    /// The connection.
    Connection,
    /// A channel, by its number.
    Channel(u64),
    /// A push, a join or a leave, by its number, and its channel's.
    Request(u64, u64),
    /// A message or a reply of the server, as it came.
    Message,
    /// A heartbeat or a ping.
    Heartbeat,
    /// The recording: entries that are missing, and its end.
    Recording,
}

/// A state of the connection or of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// No connection, or not joined, and no attempt will follow by itself.
    Down,
    /// The connection is being opened, or the join is under way.
    Pending,
    /// The connection is open, or the channel is joined.
    Up,
    /// Another attempt will follow.
    Waiting,
}
