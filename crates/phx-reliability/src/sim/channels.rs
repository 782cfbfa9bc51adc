//! The state of a client in a run: its user's calls and the events so far.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use phx_proto::{ChannelId, Frame, PingId, Ref, RequestId, TransportId};

use super::plan::ROOMS;
use crate::ledger::room::JoinIs;

/// The state of a client.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// True if the user wants a connection, and no final failure has ended it.
    pub(super) wants_connection: bool,
    pub(super) is_open: bool,
    /// Connections that were reported closed.
    pub(super) closed: BTreeSet<TransportId>,
    /// Pings that have no answer yet.
    pub(super) pings: BTreeSet<PingId>,
    pub(super) malformed: u64,
    pub(super) pulse: Pulse,
    pub(super) channels: BTreeMap<ChannelId, Channel>,
    /// The user's channel of each topic.
    pub(super) current: [Option<ChannelId>; ROOMS],
    pub(super) calls: BTreeMap<RequestId, Call>,
    pub(super) joins: Joins,
    /// The joins that were sent for each topic.
    pub(super) joins_sent: [Vec<SentJoin>; ROOMS],
    /// True for each topic with a join that arrived twice, which makes the server close the joined channel.
    pub(super) has_repeated: [bool; ROOMS],
    /// True for each topic with a channel that crashed without a message to the client.
    pub(super) has_forgotten: [bool; ROOMS],
    pub(super) suspended_since: Option<Duration>,
    /// Total by which its clock was set ahead.
    pub(super) set_ahead: Duration,
    slept: Duration,
}

/// Traffic of a client that decides whether it may consider its peer dead.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pulse {
    /// Frames that it has received, on all connections.
    pub(super) frames: u64,
    /// Time of the last frame's arrival, since the run began.
    pub(super) heard: Duration,
    /// Accepted pings that aren't sent yet. On the wire they look like heartbeats.
    pub(super) pings: u32,
    /// Time of the client's last heartbeat, since the run began.
    pub(super) beat: Duration,
    /// True if the run's time limits don't apply: the client slept, its clock was set, or its transport took
    /// no frames.
    pub(super) is_doubtful: bool,
}

/// Planned results of the joins to come.
#[derive(Clone, Debug, Default)]
pub(super) struct Joins(Arc<Mutex<VecDeque<JoinIs>>>);

#[derive(Clone, Debug)]
pub(super) struct SentJoin {
    pub(super) join_ref: Ref,
    pub(super) frame: Frame,
    /// Number of the connection among those that opened.
    pub(super) connection: u64,
}

#[derive(Debug, Default)]
pub(super) struct Channel {
    pub(super) room: usize,
    /// True if the channel should be joined whenever that is possible.
    pub(super) is_wanted: bool,
    /// True if the user has left or removed it.
    pub(super) is_left: bool,
    pub(super) is_replaced: bool,
    pub(super) is_removed: bool,
    pub(super) is_closed: bool,
    pub(super) is_joined: bool,
    /// Life of its last join; 0 if there was none.
    pub(super) life: u64,
    /// Number of the last message of this life.
    pub(super) last_push: u64,
    /// Number of the last broadcast, and true if it belonged to this life.
    pub(super) last_broadcast: (u64, bool),
    /// True for each kind of message that may be missing before the next one, which a gap has announced.
    pub(super) may_miss: MayMiss,
    /// Number of the last push that was sent.
    pub(super) last_sent: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MayMiss {
    pub(super) push: bool,
    pub(super) broadcast: bool,
}

/// A push, a join or a leave that was accepted.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) channel: ChannelId,
    pub(super) kind: CallKind,
    pub(super) called: Duration,
    pub(super) timeout: Duration,
    /// Total sleep of the client until then.
    pub(super) slept: Duration,
    pub(super) is_cancelled: bool,
    pub(super) is_done: bool,
    /// True if the server replied ok.
    pub(super) is_ok: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallKind {
    Push { number: u64 },
    Join,
    Leave,
}

impl Channel {
    /// Records the user's join, the first one or one after the channel's end.
    pub(super) fn is_joining(&mut self) {
        if self.is_closed {
            // A new life: it has no events yet.
            self.is_closed = false;
            self.is_left = false;
            self.life = 0;
        }
        self.is_wanted = true;
    }
}

impl Client {
    pub(super) fn channel_of(&self, room: usize) -> Option<(ChannelId, &Channel)> {
        let id = (*self.current.get(room)?)?;
        Some((id, self.channels.get(&id)?))
    }

    pub(super) fn open_calls(&self) -> usize {
        self.calls.values().filter(|call| !call.is_done).count()
    }

    pub(super) fn fall_asleep(&mut self, now: Duration) {
        self.suspended_since.get_or_insert(now);
    }

    pub(super) fn wake(&mut self, now: Duration) {
        if let Some(since) = self.suspended_since.take() {
            self.slept += now.saturating_sub(since);
        }
    }

    /// Returns the total sleep of the client.
    pub(super) fn slept(&self) -> Duration {
        self.slept
    }
}

impl Joins {
    pub(super) fn plan(&self, is: JoinIs) {
        self.with(|queue| queue.push_back(is));
    }

    pub(super) fn next(&self) -> JoinIs {
        self.with(VecDeque::pop_front).unwrap_or(JoinIs::Accepted)
    }

    pub(super) fn clear(&self) {
        self.with(VecDeque::clear);
    }

    fn with<T>(&self, f: impl FnOnce(&mut VecDeque<JoinIs>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(super) fn topic(room: usize) -> &'static str {
    ["room:a", "room:b", "room:c"].get(room).copied().unwrap_or("room:a")
}
