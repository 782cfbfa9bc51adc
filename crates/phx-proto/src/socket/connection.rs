//! The connection's machine: connecting, open, closing, waiting to retry. All its transitions are
//! in this file.
//!
//! ```text
//!             connect            handle_opened             disconnect
//!   Closed ------------> Connecting ------------> Open ------------------> Closing
//!     ^                   |  ^                     |                          |
//!     |   refused, lost,  |  | retry timer,        | lost, heartbeat          | handle_closed,
//!     |   timed out       |  | connect,            | timed out                | close timer
//!     |                   v  | reconnect_now       v                          v
//!     +--- disconnect -- Waiting <-----------------+                       Closed
//!     |                   |
//!     +--- policy: stop --+        (connect while Closing: Closed is reported, then Connecting)
//! ```

use alloc::collections::VecDeque;
use alloc::string::String;
use core::time::Duration;

use super::heartbeat::Heartbeat;
use super::timers::TimerKey;
use super::{ConnectionState, Socket, TimeoutReason};
use crate::{Action, CloseCause, CloseCode, Event, Instant, Reconnect, TransportId};

/// The connection of a socket, and what outlives a single transport.
#[derive(Debug)]
pub(super) struct Connection {
    state: State,
    /// Transports to be closed that are no longer anybody's.
    closes: VecDeque<PendingClose>,
    next_transport: u64,
    /// How often the reconnect timer has fired since the schedule started over.
    tries: u32,
    /// Whether there was an open connection since the user asked for one.
    was_open: bool,
}

#[derive(Debug)]
enum State {
    Closed,
    Connecting {
        transport: TransportId,
        /// Whether the driver has polled the action: before that nothing is to be closed.
        begun: bool,
        timeout: TimerKey,
    },
    Open {
        transport: TransportId,
        /// Until the connection proves stable.
        stable: Option<TimerKey>,
        heartbeat: Heartbeat,
    },
    Closing {
        transport: TransportId,
        was_open: bool,
        /// The close that waits for the frames before it; `None` once it has been polled.
        close: Option<PendingClose>,
        timeout: TimerKey,
    },
    Waiting {
        retry: TimerKey,
    },
}

#[derive(Debug)]
struct PendingClose {
    transport: TransportId,
    code: CloseCode,
    reason: String,
}

impl From<PendingClose> for Action {
    fn from(PendingClose { transport, code, reason }: PendingClose) -> Self {
        Action::Close { transport, code, reason }
    }
}

impl Connection {
    pub(super) fn new() -> Self {
        Connection {
            state: State::Closed,
            closes: VecDeque::new(),
            next_transport: 1,
            tries: 0,
            was_open: false,
        }
    }

    pub(super) fn state(&self) -> ConnectionState {
        match self.state {
            State::Closed => ConnectionState::Closed,
            State::Connecting { .. } => ConnectionState::Connecting,
            State::Open { .. } => ConnectionState::Open,
            State::Closing { .. } => ConnectionState::Closing,
            State::Waiting { .. } => ConnectionState::Waiting,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Whether frames of this transport are wanted.
    pub(super) fn is_open_on(&self, id: TransportId) -> bool {
        matches!(self.state, State::Open { transport, .. } if transport == id)
    }

    /// The transport that takes frames: an open one, or one that closes after what was accepted
    /// before.
    pub(super) fn sending_transport(&self) -> Option<TransportId> {
        match &self.state {
            State::Open { transport, .. } | State::Closing { transport, close: Some(_), .. } => {
                Some(*transport)
            }
            _ => None,
        }
    }

    pub(super) fn heartbeat(&self) -> Option<&Heartbeat> {
        match &self.state {
            State::Open { heartbeat, .. } => Some(heartbeat),
            _ => None,
        }
    }

    pub(super) fn heartbeat_mut(&mut self) -> Option<&mut Heartbeat> {
        match &mut self.state {
            State::Open { heartbeat, .. } => Some(heartbeat),
            _ => None,
        }
    }

    /// The next action that needs no transport that can take a frame. `drained` is whether no
    /// frame waits that belongs before a close.
    pub(super) fn poll_control(&mut self, drained: bool) -> Option<Action> {
        if let Some(close) = self.closes.pop_front() {
            return Some(close.into());
        }
        match &mut self.state {
            State::Connecting { transport, begun, .. } if !*begun => {
                *begun = true;
                let attempt = self.tries.saturating_add(1);
                Some(Action::Connect { transport: *transport, attempt })
            }
            State::Closing { close, .. } if drained => close.take().map(Action::from),
            _ => None,
        }
    }
}

/// What the user wants.
impl Socket {
    pub(super) fn start_connecting(&mut self) {
        self.connection.tries = 0;
        match self.connection.state {
            State::Connecting { .. } | State::Open { .. } => return,
            State::Waiting { retry } => self.timers.disarm(retry),
            State::Closing { .. } => {
                self.finish_closing(Some(Duration::ZERO));
                self.connection.was_open = false;
            }
            State::Closed => self.connection.was_open = false,
        }
        self.attempt_to_connect();
    }

    pub(super) fn start_disconnecting(&mut self, code: CloseCode, reason: &str) {
        let (transport, was_open) = match self.connection.state {
            State::Closed | State::Closing { .. } => return,
            State::Waiting { retry } => {
                self.timers.disarm(retry);
                self.connection.state = State::Closed;
                self.emit(Event::RetryCancelled);
                return;
            }
            State::Connecting { transport, begun, timeout } => {
                self.timers.disarm(timeout);
                if !begun {
                    self.connection.state = State::Closed;
                    self.report_closed(transport, false, CloseCause::Disconnected, None);
                    return;
                }
                (transport, false)
            }
            State::Open { transport, stable, .. } => {
                self.stop_connection_timers(stable);
                (transport, true)
            }
        };
        let close = PendingClose { transport, code, reason: String::from(reason) };
        let timeout = self.timers.arm(self.now, self.config.close_timeout, TimeoutReason::Close);
        self.connection.state = State::Closing { transport, was_open, close: Some(close), timeout };
        if was_open {
            self.channels_lost_connection(&CloseCause::Disconnected, true);
        }
    }

    pub(super) fn replace_connection(&mut self) -> bool {
        match self.connection.state {
            State::Closed | State::Closing { .. } => return false,
            State::Waiting { retry } => self.timers.disarm(retry),
            // As new as it can be. To report its end would send a user who reconnects whenever a
            // connection ends round in circles.
            State::Connecting { begun: false, .. } => {
                self.connection.tries = 0;
                return true;
            }
            State::Connecting { transport, begun: true, timeout } => {
                self.timers.disarm(timeout);
                self.close_in_background(transport, "replaced");
                self.report_closed(transport, false, CloseCause::Replaced, Some(Duration::ZERO));
            }
            State::Open { transport, stable, .. } => {
                self.stop_connection_timers(stable);
                self.connection.state = State::Closed;
                self.unsend_all();
                self.channels_lost_connection(&CloseCause::Replaced, false);
                self.close_in_background(transport, "replaced");
                self.report_closed(transport, true, CloseCause::Replaced, Some(Duration::ZERO));
            }
        }
        self.connection.tries = 0;
        self.attempt_to_connect();
        true
    }
}

/// What the driver reports.
impl Socket {
    pub(super) fn transport_opened(&mut self, id: TransportId) {
        let State::Connecting { transport, begun: true, timeout } = self.connection.state else {
            self.count_stale_fact();
            return;
        };
        if transport != id {
            self.count_stale_fact();
            return;
        }
        self.timers.disarm(timeout);
        self.connection.was_open = true;
        self.counters.opened = self.counters.opened.saturating_add(1);
        if self.config.stable_after.is_zero() {
            self.connection.tries = 0;
        }
        // Only a schedule that has begun can start over.
        let stable = (self.connection.tries > 0)
            .then(|| self.timers.arm(self.now, self.config.stable_after, TimeoutReason::Stable));
        let heartbeat = self.first_heartbeat();
        self.connection.state = State::Open { transport, stable, heartbeat };
        self.emit(Event::Opened { transport });
        self.begin_turns();
        self.channels_got_connection();
    }

    pub(super) fn transport_closed(&mut self, id: TransportId, cause: CloseCause) {
        match self.connection.state {
            State::Connecting { transport, begun: true, timeout } if transport == id => {
                self.timers.disarm(timeout);
                self.lose_connection(transport, false, cause);
            }
            State::Open { transport, stable, .. } if transport == id => {
                self.stop_connection_timers(stable);
                self.lose_connection(transport, true, cause);
            }
            State::Closing { transport, .. } if transport == id => {
                // It is gone already: there is nothing left to close.
                if let State::Closing { close, .. } = &mut self.connection.state {
                    *close = None;
                }
                self.finish_closing(None);
            }
            _ => self.count_stale_fact(),
        }
    }
}

/// What time brings.
impl Socket {
    pub(super) fn connect_timed_out(&mut self) {
        if let State::Connecting { transport, begun, .. } = self.connection.state {
            if begun {
                self.close_in_background(transport, "connect timeout");
            }
            self.lose_connection(transport, false, CloseCause::ConnectTimedOut);
        }
    }

    pub(super) fn heartbeat_timed_out(&mut self) {
        self.counters.heartbeats_missed = self.counters.heartbeats_missed.saturating_add(1);
        self.give_up_connection("heartbeat timeout", CloseCause::HeartbeatTimedOut);
    }

    pub(super) fn connection_slept(&mut self) {
        self.give_up_connection("slept", CloseCause::Slept);
    }

    fn give_up_connection(&mut self, reason: &str, cause: CloseCause) {
        if let State::Open { transport, stable, .. } = self.connection.state {
            self.stop_connection_timers(stable);
            self.close_in_background(transport, reason);
            self.lose_connection(transport, true, cause);
        }
    }

    pub(super) fn retry_is_due(&mut self) {
        if let State::Waiting { .. } = self.connection.state {
            self.connection.tries = self.connection.tries.saturating_add(1);
            self.attempt_to_connect();
        }
    }

    pub(super) fn connection_proved_stable(&mut self) {
        if let State::Open { stable, .. } = &mut self.connection.state {
            *stable = None;
            self.connection.tries = 0;
        }
    }

    pub(super) fn close_timed_out(&mut self) {
        if let State::Closing { .. } = self.connection.state {
            self.finish_closing(None);
        }
    }
}

impl Socket {
    fn attempt_to_connect(&mut self) {
        let transport = TransportId(self.connection.next_transport);
        self.connection.next_transport = self.connection.next_transport.saturating_add(1);
        self.counters.attempts = self.counters.attempts.saturating_add(1);
        let timeout =
            self.timers.arm(self.now, self.config.connect_timeout, TimeoutReason::Connect);
        self.connection.state = State::Connecting { transport, begun: false, timeout };
    }

    /// The connection or attempt ended, and nobody asked for it: wait for the next attempt, or stop.
    fn lose_connection(&mut self, transport: TransportId, was_open: bool, cause: CloseCause) {
        self.connection.state = State::Closed;
        if was_open {
            self.unsend_all();
            self.channels_lost_connection(&cause, false);
        }
        let retry_in = self.reconnect_delay(&cause);
        if let Some(delay) = retry_in {
            let retry = self.timers.arm(self.now, delay, TimeoutReason::Reconnect);
            self.connection.state = State::Waiting { retry };
        }
        self.report_closed(transport, was_open, cause, retry_in);
    }

    fn reconnect_delay(&mut self, cause: &CloseCause) -> Option<Duration> {
        match self.config.reconnect_policy.decide(cause, self.connection.was_open) {
            Reconnect::Stop => None,
            Reconnect::After(delay) => Some(delay),
            Reconnect::Backoff => {
                let next_try = self.connection.tries.saturating_add(1);
                let asked_for = match cause {
                    CloseCause::Refused(refusal) => refusal.retry_after.unwrap_or_default(),
                    _ => Duration::ZERO,
                };
                let asked_for = asked_for.min(self.config.max_retry_after);
                Some(self.config.reconnect.delay_of(next_try, asked_for, &mut self.rng))
            }
        }
    }

    /// The end of a disconnect: the transport closed, took too long, or the user connects again.
    fn finish_closing(&mut self, retry_in: Option<Duration>) {
        let State::Closing { transport, was_open, close, timeout } =
            core::mem::replace(&mut self.connection.state, State::Closed)
        else {
            return;
        };
        self.timers.disarm(timeout);
        self.unsend_all();
        self.channels_lost_connection(&CloseCause::Disconnected, false);
        self.connection.closes.extend(close);
        self.report_closed(transport, was_open, CloseCause::Disconnected, retry_in);
    }

    fn stop_connection_timers(&mut self, stable: Option<TimerKey>) {
        if let Some(key) = stable {
            self.timers.disarm(key);
        }
        self.stop_heartbeats();
    }

    fn close_in_background(&mut self, transport: TransportId, reason: &str) {
        self.connection.closes.push_back(PendingClose {
            transport,
            code: CloseCode::NORMAL,
            reason: String::from(reason),
        });
    }

    fn report_closed(
        &mut self,
        transport: TransportId,
        was_open: bool,
        cause: CloseCause,
        retry_in: Option<Duration>,
    ) {
        let cause = self.events.keep_cause(cause);
        self.emit(Event::Closed { transport, was_open, cause, retry_in });
        self.events.give_back_room();
    }

    fn count_stale_fact(&mut self) {
        self.counters.stale_facts = self.counters.stale_facts.saturating_add(1);
    }

    /// Moves the clock; it never runs backwards.
    pub(super) fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }
}
