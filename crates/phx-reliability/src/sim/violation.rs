//! Rules, and violations of them.

use std::fmt;
use std::time::Duration;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The broken promise.
    pub rule: Rule,
    /// Time of the violation, since the run began.
    pub at: Duration,
    /// Description of the violation.
    pub what: String,
}

/// Rules that must always hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// Every accepted push, join and leave has exactly one outcome.
    OneOutcome,
    /// An outcome comes no later than the deadline of its call.
    InTime,
    /// An outcome agrees with the server's record: answered requests were received once, and unsent ones never.
    TrueOutcome,
    /// The server receives no push twice, and those of one channel in the order of the calls.
    PushedOnce,
    /// A message is delivered to a channel that is joined, and to no other.
    OnlyJoined,
    /// A message is of the channel's current join.
    CurrentJoin,
    /// Messages of one join are delivered once, in order, without gaps.
    InOrder,
    /// Reported states follow from each other, and a channel closes for a reason.
    States,
    /// Every connection is reported closed exactly once.
    ClosedOnce,
    /// Every channel that should be joined is, within the bound after the network healed.
    Recovers,
    /// Joined channels work, both ways.
    Works,
    /// When everything is closed no timer is left.
    NoTimers,
    /// Buffers stay within their limits, and their memory is freed.
    Limits,
    /// Equal plans give equal runs.
    Deterministic,
    /// Nothing panics.
    NoPanic,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}: {}", self.rule, self.at, self.what)
    }
}
