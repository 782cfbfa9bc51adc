//! The connection's machine: connecting, open, closing, waiting to retry. All its transitions are
//! in this file.
//!
//! ```text
//!             connect            handle_opened             disconnect
//!   Closed ------------> Connecting ------------> Open ------------------> Closing
//!     ^                   |  ^                     |                          |
//!     |   refused, lost,  |  | retry timer,        | lost, heartbeat          | handle_closed,
//!     |   timed out,      |  | connect, active,    | timed out, suspending    | close timer
//!     |   suspending      v  | reconnect_now       v                          v
//!     +--- disconnect -- Waiting <-----------------+                       Closed
//!     |                   |
//!     +--- policy: stop --+        (connect while Closing: Closed is reported, then Connecting)
//! ```

use alloc::collections::VecDeque;
use alloc::string::String;
use core::time::Duration;

use super::TimeoutReason;
use super::channels::Channels;
use super::context::Context;
use super::heartbeat::{Dead, Pulse};
use super::requests::Requests;
use super::state::ConnectionState;
use super::timers::TimerKey;
use crate::{
    Action, CallError, CloseCause, CloseCode, Event, Instant, Lifecycle, PingId, Reconnect,
    TransportId, TransportProperties,
};

/// Time between the beginnings of two attempts, if the second is that of a report that the program is active.
const MIN_DISTANCE: Duration = Duration::from_secs(2);

/// The connection of a socket, and what outlives a single transport.
#[derive(Debug)]
pub(super) struct Connection {
    state: State,
    /// Transports to close that have been given up.
    closes: VecDeque<PendingClose>,
    next_transport: u64,
    /// Number of times that the reconnect timer has fired since the schedule started over.
    tries: u32,
    /// `true` once a connection has opened since the user asked for one.
    was_open: bool,
    /// Those of the transport that opened last.
    properties: TransportProperties,
    /// `true` while no attempt begins but those that the user asks for.
    is_held: bool,
    /// The moment when the last attempt began.
    attempted: Instant,
}

#[derive(Debug)]
enum State {
    Closed,
    Connecting {
        transport: TransportId,
        /// `true` once the driver has polled the action: before that there is nothing to close.
        begun: bool,
        timeout: TimerKey,
    },
    Open {
        transport: TransportId,
        /// Timer until the connection proves stable; `None` after that, or if the schedule has not begun.
        stable: Option<TimerKey>,
        pulse: Pulse,
    },
    Closing {
        transport: TransportId,
        was_open: bool,
        /// The close that waits for the frames before it; `None` once it has been polled.
        close: Option<PendingClose>,
        timeout: TimerKey,
    },
    Waiting {
        /// `None` if its time has come while attempts are held.
        retry: Option<TimerKey>,
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
            properties: TransportProperties::default(),
            is_held: false,
            attempted: Instant::EPOCH,
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

    /// The properties of the transport that takes frames.
    #[inline]
    pub(super) fn properties(&self) -> &TransportProperties {
        &self.properties
    }

    /// Notes that a frame came, or isn't looked for; `false` if the transport isn't the open one.
    #[inline]
    pub(super) fn note_heard(&mut self, cx: &mut Context, id: TransportId) -> bool {
        match &mut self.state {
            State::Open { transport, pulse, .. } if *transport == id => {
                pulse.note_heard(cx.now);
                true
            }
            _ => {
                count_stale_fact(cx);
                false
            }
        }
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

    /// The moment since which the oldest heartbeat or ping waits for its reply.
    pub(super) fn unanswered_since(&self, cx: &Context) -> Option<Instant> {
        match &self.state {
            State::Open { pulse, .. } => pulse.unanswered_since(cx),
            _ => None,
        }
    }

    /// The next action that needs no transport that can take a frame.
    pub(super) fn poll_control(&mut self, requests: &Requests) -> Option<Action> {
        // Closes first: an old transport is given up before the next one is opened.
        if let Some(close) = self.closes.pop_front() {
            return Some(close.into());
        }
        match &mut self.state {
            State::Connecting { transport, begun, .. } if !*begun => {
                *begun = true;
                let attempt = self.tries.saturating_add(1);
                Some(Action::Connect { transport: *transport, attempt })
            }
            // After the frames: requests accepted before the disconnect are still sent.
            State::Closing { close, .. } if !requests.delays_close() => {
                close.take().map(Action::from)
            }
            _ => None,
        }
    }
}

/// Calls of the user.
impl Connection {
    pub(super) fn connect(&mut self, cx: &mut Context, channels: &mut Channels) {
        self.tries = 0;
        match self.state {
            State::Connecting { .. } | State::Open { .. } => return,
            // `was_open` stays: the wait belongs to the connection that the user asked for before.
            State::Waiting { retry } => cx.disarm(retry),
            State::Closing { .. } => {
                // Closed is reported with no delay, since the next attempt follows at once.
                self.finish_closing(cx, channels, Some(Duration::ZERO));
                self.was_open = false;
            }
            // The user asks anew: until a connection opens, refusals are final again.
            State::Closed => self.was_open = false,
        }
        self.attempt(cx);
    }

    pub(super) fn disconnect(
        &mut self,
        cx: &mut Context,
        channels: &mut Channels,
        code: CloseCode,
        reason: &str,
    ) {
        let (transport, was_open) = match self.state {
            State::Closed | State::Closing { .. } => return,
            State::Waiting { retry } => {
                cx.disarm(retry);
                self.state = State::Closed;
                // There is no transport to report as closed, but the wait has ended.
                cx.emit(Event::RetryCancelled);
                return;
            }
            State::Connecting { transport, begun, timeout } => {
                cx.timers.disarm(timeout);
                // The driver has never seen this transport, so there is nothing to close.
                if !begun {
                    self.state = State::Closed;
                    report_closed(cx, transport, false, CloseCause::Disconnected, None);
                    return;
                }
                (transport, false)
            }
            State::Open { transport, .. } => {
                // At once: in phoenix.js the heartbeat timer of a dead link reconnects after a disconnect.
                self.stop_timers(cx);
                (transport, true)
            }
        };
        let close = PendingClose { transport, code, reason: String::from(reason) };
        let timeout = cx.arm(cx.config.close_timeout, TimeoutReason::Close);
        self.state = State::Closing { transport, was_open, close: Some(close), timeout };
        if was_open {
            channels.lost_connection(cx, &CloseCause::Disconnected, true);
        }
    }

    /// Connects anew, now; `starts_over` is about the schedule.
    pub(super) fn replace(
        &mut self,
        cx: &mut Context,
        channels: &mut Channels,
        starts_over: bool,
    ) -> bool {
        let tries = if starts_over { 0 } else { self.tries };
        match self.state {
            State::Closed | State::Closing { .. } => return false,
            State::Waiting { retry } => cx.disarm(retry),
            // As new as it can be. To report its end would send a user who reconnects whenever a
            // connection ends round in circles.
            State::Connecting { begun: false, .. } => {
                self.tries = tries;
                return true;
            }
            State::Connecting { transport, begun: true, timeout } => {
                cx.timers.disarm(timeout);
                self.close_in_background(transport, "replaced");
                report_closed(cx, transport, false, CloseCause::Replaced, Some(Duration::ZERO));
            }
            State::Open { transport, .. } => {
                self.stop_timers(cx);
                // As in `lose`: nothing must go to the transport that is given up.
                self.state = State::Closed;
                cx.requests.hold_all();
                channels.lost_connection(cx, &CloseCause::Replaced, false);
                self.close_in_background(transport, "replaced");
                report_closed(cx, transport, true, CloseCause::Replaced, Some(Duration::ZERO));
            }
        }
        self.tries = tries;
        self.attempt(cx);
        true
    }

    pub(super) fn ping(&mut self, cx: &mut Context) -> Result<PingId, CallError> {
        match &mut self.state {
            State::Open { pulse, .. } => pulse.ping(cx),
            _ => Err(CallError::NotConnected),
        }
    }
}

/// Reports of the driver.
impl Connection {
    pub(super) fn opened(
        &mut self,
        cx: &mut Context,
        channels: &mut Channels,
        id: TransportId,
        properties: TransportProperties,
    ) {
        let timeout = match self.state {
            // A driver can't have opened a transport that it hasn't polled.
            State::Connecting { transport, begun: true, timeout } if transport == id => timeout,
            _ => return count_stale_fact(cx),
        };
        cx.timers.disarm(timeout);
        self.was_open = true;
        self.properties = properties;
        cx.counters.opened = cx.counters.opened.saturating_add(1);
        // Zero starts over at once, as phoenix.js does.
        if cx.config.stable_after.is_zero() {
            self.tries = 0;
        }
        // Only a schedule that has begun can start over.
        let stable =
            (self.tries > 0).then(|| cx.arm(cx.config.stable_after, TimeoutReason::Stable));
        let pulse = Pulse::new(cx, properties);
        self.state = State::Open { transport: id, stable, pulse };
        // Before the channels react, so that no event of a join comes before it.
        cx.emit(Event::Opened { transport: id });
        channels.got_connection(cx);
    }

    pub(super) fn closed(
        &mut self,
        cx: &mut Context,
        channels: &mut Channels,
        id: TransportId,
        cause: CloseCause,
    ) {
        match &mut self.state {
            State::Connecting { transport, begun: true, timeout } if *transport == id => {
                cx.timers.disarm(*timeout);
                self.lose(cx, channels, id, false, cause.of_attempt());
            }
            State::Open { transport, .. } if *transport == id => {
                self.stop_timers(cx);
                self.lose(cx, channels, id, true, cause);
            }
            State::Closing { transport, close, .. } if *transport == id => {
                // It is gone already: there is nothing left to close.
                *close = None;
                self.finish_closing(cx, channels, None);
            }
            _ => count_stale_fact(cx),
        }
    }

    /// The surroundings of the program have changed.
    pub(super) fn lifecycle(
        &mut self,
        cx: &mut Context,
        channels: &mut Channels,
        lifecycle: Lifecycle,
    ) {
        self.is_held = lifecycle != Lifecycle::Active;
        match (lifecycle, &mut self.state) {
            (Lifecycle::Active, State::Open { pulse, .. }) => pulse.beat_early(cx),
            (Lifecycle::Active, State::Waiting { .. }) => self.retry_early(cx),
            (Lifecycle::Suspending, State::Open { transport, .. }) => {
                let transport = *transport;
                self.stop_timers(cx);
                self.close_in_background(transport, "suspended");
                self.lose(cx, channels, transport, true, CloseCause::Suspended);
            }
            (Lifecycle::Suspending, State::Connecting { transport, begun, timeout }) => {
                let (transport, begun) = (*transport, *begun);
                cx.timers.disarm(*timeout);
                if begun {
                    self.close_in_background(transport, "suspended");
                }
                self.lose(cx, channels, transport, false, CloseCause::Suspended);
            }
            _ => {}
        }
    }

    /// Ends the wait for the next attempt, and starts the schedule over. Reports of a change may come in numbers, so the
    /// attempts that they begin have a distance.
    fn retry_early(&mut self, cx: &mut Context) {
        let State::Waiting { retry } = self.state else { return };
        self.tries = 0;
        let at = self.attempted.saturating_add(MIN_DISTANCE);
        let wait = at.saturating_duration_since(cx.now);
        cx.disarm(retry);
        if wait.is_zero() {
            self.attempt(cx);
        } else {
            self.state = State::Waiting { retry: Some(cx.arm(wait, TimeoutReason::Reconnect)) };
        }
    }

    /// The heartbeat or ping of this number has its reply.
    pub(super) fn answered(&mut self, cx: &mut Context, number: u64) {
        if let State::Open { pulse, .. } = &mut self.state {
            pulse.answered(cx, number);
        }
    }
}

/// Timeouts.
impl Connection {
    pub(super) fn connect_timed_out(&mut self, cx: &mut Context, channels: &mut Channels) {
        if let State::Connecting { transport, begun, .. } = self.state {
            if begun {
                self.close_in_background(transport, "connect timeout");
            }
            self.lose(cx, channels, transport, false, CloseCause::ConnectTimedOut);
        }
    }

    /// `at` is when it should have been sent.
    pub(super) fn heartbeat_is_due(
        &mut self,
        cx: &mut Context,
        channels: &mut Channels,
        at: Instant,
    ) {
        if let State::Open { pulse, .. } = &mut self.state {
            let alive = pulse.beat(cx, at);
            self.check_alive(cx, channels, alive);
        }
    }

    pub(super) fn heartbeat_reply_is_due(&mut self, cx: &mut Context, channels: &mut Channels) {
        if let State::Open { pulse, .. } = &mut self.state {
            let alive = pulse.reply_is_due(cx);
            self.check_alive(cx, channels, alive);
        }
    }

    pub(super) fn pong_is_due(&mut self, cx: &mut Context, ping: PingId) {
        if let State::Open { pulse, .. } = &mut self.state {
            pulse.pong_is_due(cx, ping);
        }
    }

    fn check_alive(&mut self, cx: &mut Context, channels: &mut Channels, alive: Result<(), Dead>) {
        let (State::Open { transport, .. }, Err(dead)) = (&self.state, alive) else { return };
        let transport = *transport;
        let (reason, cause) = match dead {
            Dead::Silent => {
                let missed = &mut cx.counters.heartbeats_missed;
                *missed = missed.saturating_add(1);
                ("heartbeat timeout", CloseCause::HeartbeatTimedOut)
            }
            Dead::Suspended => ("slept", CloseCause::Suspended),
        };
        self.stop_timers(cx);
        // In the background: a dead link may never answer a close, and phoenix.js waits for that.
        self.close_in_background(transport, reason);
        self.lose(cx, channels, transport, true, cause);
    }

    pub(super) fn retry_is_due(&mut self, cx: &mut Context) {
        if let State::Waiting { retry } = &mut self.state {
            if self.is_held {
                *retry = None;
                return;
            }
            // Tries grow when the timer fires and not when it is armed, as in phoenix.js.
            self.tries = self.tries.saturating_add(1);
            self.attempt(cx);
        }
    }

    pub(super) fn proved_stable(&mut self) {
        if let State::Open { stable, .. } = &mut self.state {
            *stable = None;
            self.tries = 0;
        }
    }

    pub(super) fn close_timed_out(&mut self, cx: &mut Context, channels: &mut Channels) {
        self.finish_closing(cx, channels, None);
    }
}

impl Connection {
    fn attempt(&mut self, cx: &mut Context) {
        let transport = TransportId(self.next_transport);
        // No id is used twice, so a late report about an old transport is recognised.
        self.next_transport = self.next_transport.saturating_add(1);
        cx.counters.attempts = cx.counters.attempts.saturating_add(1);
        let timeout = cx.arm(cx.config.connect_timeout, TimeoutReason::Connect);
        self.attempted = cx.now;
        self.state = State::Connecting { transport, begun: false, timeout };
    }

    /// The connection or attempt ended unasked: wait for the next attempt, or stop.
    fn lose(
        &mut self,
        cx: &mut Context,
        channels: &mut Channels,
        transport: TransportId,
        was_open: bool,
        cause: CloseCause,
    ) {
        // Before the channels react: their requests must not go to a transport that is gone.
        self.state = State::Closed;
        if was_open {
            cx.requests.hold_all();
            channels.lost_connection(cx, &cause, false);
        }
        let retry_in = self.reconnect_delay(cx, &cause);
        if let Some(delay) = retry_in {
            self.state = State::Waiting { retry: Some(cx.arm(delay, TimeoutReason::Reconnect)) };
        }
        report_closed(cx, transport, was_open, cause, retry_in);
    }

    fn reconnect_delay(&self, cx: &mut Context, cause: &CloseCause) -> Option<Duration> {
        match cx.config.reconnect_policy.decide(cause, self.was_open) {
            Reconnect::Stop => None,
            // Exactly as the policy says: neither jitter nor `Retry-After` changes it.
            Reconnect::After(delay) => Some(delay),
            Reconnect::Backoff => {
                let next_try = self.tries.saturating_add(1);
                let asked_for = match cause {
                    CloseCause::UpgradeRejected(refusal) => refusal.retry_after.unwrap_or_default(),
                    _ => Duration::ZERO,
                };
                // A server must not keep a client away for as long as it likes.
                let asked_for = asked_for.min(cx.config.max_retry_after);
                Some(cx.config.reconnect.delay_of(next_try, asked_for, &mut cx.rng))
            }
        }
    }

    /// The end of a disconnect: the transport closed, took too long, or the user connects again.
    fn finish_closing(
        &mut self,
        cx: &mut Context,
        channels: &mut Channels,
        retry_in: Option<Duration>,
    ) {
        let State::Closing { transport, was_open, close, timeout } =
            core::mem::replace(&mut self.state, State::Closed)
        else {
            return;
        };
        cx.timers.disarm(timeout);
        cx.requests.hold_all();
        channels.lost_connection(cx, &CloseCause::Disconnected, false);
        // The close waited for frames, and there won't be any more.
        self.closes.extend(close);
        report_closed(cx, transport, was_open, CloseCause::Disconnected, retry_in);
    }

    /// Disarms the timers of an open connection, and ends its pings.
    fn stop_timers(&mut self, cx: &mut Context) {
        if let State::Open { stable, pulse, .. } = &mut self.state {
            cx.disarm(stable.take());
            pulse.stop(cx);
        }
    }

    fn close_in_background(&mut self, transport: TransportId, reason: &str) {
        self.closes.push_back(PendingClose {
            transport,
            // phoenix.js sends a close without a code; the server treats both alike.
            code: CloseCode::NORMAL,
            reason: String::from(reason),
        });
    }
}

fn report_closed(
    cx: &mut Context,
    transport: TransportId,
    was_open: bool,
    cause: CloseCause,
    retry_in: Option<Duration>,
) {
    let cause = cx.events.keep_cause(cause);
    cx.emit(Event::Closed { transport, was_open, cause, retry_in });
    // Outcomes may have piled up while the connection was dead.
    cx.events.shrink();
}

fn count_stale_fact(cx: &mut Context) {
    cx.counters.stale_inputs = cx.counters.stale_inputs.saturating_add(1);
}
