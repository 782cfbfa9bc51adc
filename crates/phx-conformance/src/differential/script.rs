//! Steps of a run, for the official client and for the core.

use serde::{Deserialize, Serialize};

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Script {
    /// Transport of all connections: long-poll, or else `WebSocket`.
    pub(crate) long_poll: bool,
    /// Time until the server answers a close frame, in microseconds, by the connection's number; `None` for never.
    pub(crate) close_answers: Vec<Option<u64>>,
    pub(crate) auto: Auto,
    /// Limits of the wait for a heartbeat's reply; `None` for phoenix.js's.
    pub(crate) heartbeat: Option<Patience>,
    pub(crate) steps: Vec<Step>,
}

/// Limits of a heartbeat's wait for its reply, in microseconds: in silence, and while other frames arrive.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Patience {
    pub(crate) timeout: u64,
    pub(crate) limit: u64,
}

/// Automatic answers of the server.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Auto {
    /// Delay of the automatic answers, in microseconds.
    pub(crate) delay: u64,
    pub(crate) joins: bool,
    pub(crate) pushes: bool,
    pub(crate) leaves: bool,
    pub(crate) heartbeats: bool,
    /// Joins that it rejects: one bit each; the pattern repeats.
    pub(crate) reject: u8,
    /// Joins that crash, as bits in the same way.
    pub(crate) crash: u8,
}

/// A step. One that isn't possible at its time (the end of a connection without one, a reply to nothing) is skipped.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Step {
    // Steps of the user. Timeouts in milliseconds.
    Connect,
    Disconnect,
    /// Creates a channel and joins it. `replace`: even if the topic has one.
    Join {
        topic: String,
        timeout: u64,
        replace: bool,
    },
    Push {
        channel: usize,
        timeout: u64,
    },
    Leave {
        channel: usize,
        timeout: u64,
    },
    Ping,

    // Duration in microseconds.
    Wait {
        us: u64,
    },

    // Steps of the latest connection.
    Open,
    Closed {
        code: u16,
    },
    Lost,

    // Long-poll alone.
    /// Answers the request for a session with 403.
    Refuse,
    /// Answers the next request of this method otherwise: with this status (0: not at all, its connection ends; 500 and
    /// 502 are HTTP's; the others are in the body), at once or after this time in microseconds.
    Harm {
        method: &'static str,
        status: u16,
        us: Option<u64>,
    },

    // Frames of the server.
    /// A reply to the frame that the client sent `back` frames ago, counting those of this connection without a reply,
    /// or `any`. `named`: with the frame's join ref; `stale`: with an older one. `status`: `phoenix` for Phoenix's
    /// own reply to a crashed join or to a push on an unknown topic, `imitation` for the latter from an application.
    Reply {
        back: usize,
        any: bool,
        status: &'static str,
        named: bool,
        stale: bool,
    },
    /// A `phx_close` or `phx_error`.
    End {
        topic: String,
        event: &'static str,
        join: Join,
    },
    Message {
        topic: String,
        name: &'static str,
        join: Join,
    },
    Garbage {
        text: String,
    },
}

/// The join ref of a server's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Join {
    /// That of the join which the server has accepted, and which hasn't ended; without one there is no frame.
    Alive,
    /// None; without such a join there is no frame.
    Broadcast,
    /// That of the latest join on this connection, in any state; without one there is no frame.
    Latest,
    /// None, in any state.
    Null,
    /// That of an older join.
    Stale,
}

/// A line of a run: a sent frame, or a report to a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) step: usize,
    pub(crate) us: u64,
    /// `frames`, `connection`, `socket` or `channel N`. The order of lines counts within a subject.
    pub(crate) subject: String,
    pub(crate) text: String,
}
