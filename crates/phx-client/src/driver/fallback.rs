//! The choice between WebSocket and long-poll: a machine without I/O.
//!
//! ```text
//!           begin: WebSocket, then long-poll                begin: long-poll
//!   Idle --------------------------------------> (attempt) <---------------- Idle, if long-poll is first
//!                         WebSocket opened |  | long-poll opened
//!                                          v  v
//!   Proven <--(a frame came)-- Unproven    LongPoll --(web_socket_after)--> switch
//!                                  |
//!                                  +--(after, or the end without a frame)--> long-poll is first, switch
//! ```
//!
//! Within one attempt long-poll follows a WebSocket that fails (`attempt.rs`), so that for the core the two are one:
//! one end is reported, and the reconnect schedule grows. Where a server is down that costs one more attempt.
//!
//! As in phoenix.js, long-poll is remembered only if no WebSocket of this socket has proved itself: after a deploy, or a
//! change of networks, the next attempt begins with a WebSocket again.

use std::time::Duration;

use phx_proto::{Instant, TransportKind};

use crate::builder::LongPollFallback;

/// The fallback of one socket.
#[derive(Debug)]
pub(super) struct Fallback {
    after: Duration,
    web_socket_after: Option<Duration>,
    state: State,
    /// The kind with which the next attempt begins.
    first: TransportKind,
    /// True once a WebSocket has proved itself.
    has_proved: bool,
    /// True while long-poll is remembered.
    is_remembered: bool,
    /// The same, as the program knows it.
    reported: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No transport is open.
    Idle,
    /// A WebSocket is open, and no frame has come. A proxy may swallow them all.
    Unproven {
        until: Instant,
    },
    Proven,
    LongPoll {
        until: Option<Instant>,
    },
}

/// The transports of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) first: TransportKind,
    /// Time after which long-poll takes the place of `first`, if that hasn't opened; at once if it has failed.
    pub(super) long_poll_after: Option<Duration>,
}

impl Plan {
    /// An attempt without a fallback.
    pub(super) fn only(kind: TransportKind) -> Self {
        Plan { first: kind, long_poll_after: None }
    }
}

impl Fallback {
    pub(super) fn new(settings: &LongPollFallback) -> Self {
        Fallback {
            after: settings.after,
            web_socket_after: settings.web_socket_after,
            state: State::Idle,
            first: kind(settings.remembered),
            has_proved: false,
            is_remembered: settings.remembered,
            reported: settings.remembered,
        }
    }

    /// An attempt begins. Until long-poll opens again, the next one begins with a WebSocket.
    pub(super) fn begin(&mut self) -> Plan {
        self.closed();
        match std::mem::replace(&mut self.first, TransportKind::WebSocket) {
            TransportKind::WebSocket => {
                Plan { first: TransportKind::WebSocket, long_poll_after: Some(self.after) }
            }
            other => Plan::only(other),
        }
    }

    /// The attempt has opened a transport. True if the peer must be asked for a sign of life.
    pub(super) fn opened(&mut self, now: Instant, opened: TransportKind) -> bool {
        if opened == TransportKind::WebSocket {
            self.state = State::Unproven { until: now + self.after };
            return true;
        }
        self.state = State::LongPoll { until: self.web_socket_after.map(|time| now + time) };
        self.is_remembered = !self.has_proved;
        self.first = kind(self.is_remembered);
        false
    }

    /// A frame has come, or the peer has closed the connection by a frame.
    pub(super) fn heard(&mut self) {
        if let State::Unproven { .. } = self.state {
            self.state = State::Proven;
            self.has_proved = true;
            self.is_remembered = false;
        }
    }

    /// The socket has closed the transport.
    pub(super) fn closed(&mut self) {
        self.state = State::Idle;
    }

    /// The transport has ended by itself. True if another one must take its place now.
    pub(super) fn ended(&mut self) -> bool {
        let state = std::mem::replace(&mut self.state, State::Idle);
        let has_failed = matches!(state, State::Unproven { .. });
        if has_failed {
            self.first = TransportKind::LongPoll;
        }
        has_failed
    }

    /// The time has come. True if another transport must take the place of the open one now.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return false;
        }
        if let State::LongPoll { .. } = self.state {
            self.prefer_web_socket();
            self.state = State::Idle;
            return true;
        }
        self.ended()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Unproven { until } => Some(until),
            State::LongPoll { until } => until,
            State::Idle | State::Proven => None,
        }
    }

    /// The next attempt begins with a WebSocket, whatever was remembered.
    pub(super) fn prefer_web_socket(&mut self) {
        self.first = TransportKind::WebSocket;
        self.is_remembered = false;
    }

    /// The kind with which the next attempt begins.
    pub(super) fn next(&self) -> TransportKind {
        self.first
    }

    /// Whether the socket remembers that no WebSocket works, if that has changed since the last call.
    pub(super) fn take_memory(&mut self) -> Option<bool> {
        let changed = std::mem::replace(&mut self.reported, self.is_remembered);
        (changed != self.is_remembered).then_some(self.is_remembered)
    }
}

fn kind(is_long_poll: bool) -> TransportKind {
    if is_long_poll { TransportKind::LongPoll } else { TransportKind::WebSocket }
}

#[cfg(test)]
mod tests;
