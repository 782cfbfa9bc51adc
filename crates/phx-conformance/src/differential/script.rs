//! Steps of a run: the same words for the official client and for the core.

use serde::{Deserialize, Serialize};

/// One run, from beginning to end.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Script {
    /// Time until the server answers a close frame, in microseconds, by the connection's number; `None`: never.
    pub(crate) close_answers: Vec<Option<u64>>,
    pub(crate) auto: Auto,
    /// Times that the clients wait for a heartbeat's reply; `None`: as phoenix.js.
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
    /// Joins that it rejects: one bit each, repeated.
    pub(crate) reject: u8,
    /// Joins that crash, in the same way.
    pub(crate) crash: u8,
}

/// One thing that happens. What can't happen at its time (the end of a connection that isn't there, a
/// reply to nothing) doesn't.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Step {
    // The user. Timeouts are milliseconds.
    Connect,
    Disconnect,
    /// Makes a channel and joins it. `replace`: also if the topic has one.
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

    // The latest connection.
    Open,
    Closed {
        code: u16,
    },
    Lost,

    // Lines of the server.
    /// A reply to what the client sent: `back` frames ago, of those on this connection that have none,
    /// or of `any`. `named`: it carries the frame's join ref; `stale`: another one, so that it's outdated.
    /// `status`: `phoenix` is what Phoenix says by itself, of a crashed join or of a push to a topic that it
    /// doesn't know, and `imitation` the latter of an application.
    Reply {
        back: usize,
        any: bool,
        status: &'static str,
        named: bool,
        stale: bool,
    },
    /// `phx_close` or `phx_error`.
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

/// The join that a line of the server names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Join {
    /// The join that the server has accepted, and which hasn't ended; otherwise there is no line.
    Alive,
    /// No join ref; there is no line without such a join.
    Broadcast,
    /// The latest join on this connection, in any state; otherwise there is no line.
    Latest,
    /// None.
    Null,
    /// An older one.
    Stale,
}

/// One line of a run: a frame that was sent, or what was reported to a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) step: usize,
    pub(crate) us: u64,
    /// `frames`, `connection`, `socket`, `channel N`: order counts within each of them.
    pub(crate) subject: String,
    pub(crate) text: String,
}
