//! Heartbeats and pings: is the peer still there?
//!
//! Only a reply with the heartbeat's own ref clears it, and the next one starts an interval after that
//! reply (phoenix.js does the same). Other traffic doesn't delay it, but shows that the peer is alive:
//! the timeout counts from the last frame, and only the limit from the heartbeat itself. In phoenix.js
//! a heartbeat whose reply waits behind a backlog ends a connection over which data flows.

use alloc::collections::VecDeque;
use core::time::Duration;

use super::TimeoutReason;
use super::context::Context;
use super::requests::What;
use super::timers::TimerKey;
use crate::{CallError, Event, Instant, PingId, TransportProperties};

/// Pings that may wait for their reply at the same time.
const MAX_PINGS: usize = 16;

/// The heartbeat and pings of one connection.
#[derive(Debug)]
pub(super) struct Pulse {
    beat: Beat,
    pings: VecDeque<u64>,
    /// The moment when the last frame came, or the driver last chose not to look for one.
    heard: Instant,
    /// `true` if a heartbeat that is late says nothing about the connection.
    outlives_pauses: bool,
}

#[derive(Clone, Copy, Debug)]
enum Beat {
    /// Switched off by the configuration, or not needed by the transport.
    Off,
    /// The next one is due when the timer fires.
    Resting(TimerKey),
    /// One is under way; without a reply in time the connection counts as dead.
    Beating(u64),
}

/// The reason why a connection counts as dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dead {
    /// The heartbeat had no reply.
    Silent,
    /// Nothing ran for so long that the peer must have given up.
    Suspended,
}

impl Pulse {
    pub(super) fn new(cx: &mut Context, properties: TransportProperties) -> Self {
        let beat = if properties.needs_heartbeats { Beat::rest(cx) } else { Beat::Off };
        // The opening of the connection is a sign of life.
        let (heard, outlives_pauses) = (cx.now, properties.outlives_pauses);
        Pulse { beat, pings: VecDeque::new(), heard, outlives_pauses }
    }

    pub(super) fn note_heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Sends a heartbeat that is due since `at`.
    ///
    /// If it is late by a whole interval and its timeout, nothing ran in between.
    /// With the defaults the peer has then heard nothing for 70 s, and Phoenix gives up after 60 s:
    /// asking whether it is still there would only cost the heartbeat's timeout. A transport that outlives pauses
    /// would have reported that the peer is gone, so there it is asked.
    pub(super) fn beat(&mut self, cx: &mut Context, at: Instant) -> Result<(), Dead> {
        // Never `None` here: without an interval no timer is armed.
        let interval = cx.config.heartbeat_interval.unwrap_or(Duration::MAX);
        let patience = interval.saturating_add(cx.config.heartbeat_timeout);
        if !self.outlives_pauses && cx.now.saturating_duration_since(at) >= patience {
            return Err(Dead::Suspended);
        }
        self.beat = Beat::Beating(ask(cx, |_| TimeoutReason::HeartbeatReply));
        Ok(())
    }

    /// Sends the next heartbeat now, unless one is under way.
    pub(super) fn beat_early(&mut self, cx: &mut Context) {
        if let Beat::Resting(next) = self.beat {
            cx.timers.disarm(next);
            self.beat = Beat::Beating(ask(cx, |_| TimeoutReason::HeartbeatReply));
        }
    }

    /// Checks a heartbeat whose timer has fired. Frames that came before that didn't change the timer.
    pub(super) fn reply_is_due(&self, cx: &mut Context) -> Result<(), Dead> {
        match self.beat {
            Beat::Beating(number) if !self.waits_on(cx, number, TimeoutReason::HeartbeatReply) => {
                Err(Dead::Silent)
            }
            _ => Ok(()),
        }
    }

    /// Ends a ping without a reply. The connection stays: only heartbeats decide that a peer is dead.
    pub(super) fn pong_is_due(&mut self, cx: &mut Context, ping: PingId) {
        if !self.waits_on(cx, ping.0, TimeoutReason::Ping(ping)) {
            self.end_ping(cx, ping.0, None);
        }
    }

    /// Lets a heartbeat or ping wait on if it still may.
    fn waits_on(&self, cx: &mut Context, number: u64, why: TimeoutReason) -> bool {
        let Some(since) = cx.requests.get(number).and_then(|request| request.since()) else {
            return true;
        };
        let timeout = cx.config.heartbeat_timeout;
        // Frames since the heartbeat show that the peer lives, but not that it answers: the limit holds all the same.
        let silence = self.heard.max(since).saturating_add(timeout);
        // A limit below the timeout counts as the timeout: then only the reply counts, as in phoenix.js.
        let limit = since.saturating_add(cx.config.heartbeat_limit.max(timeout));
        let left = silence.min(limit).saturating_duration_since(cx.now);
        if left.is_zero() {
            return false;
        }
        let again = cx.arm(left, why);
        cx.requests.set_deadline(number, again);
        true
    }

    /// The moment since which the oldest heartbeat or ping waits for its reply; `None` if none does.
    pub(super) fn unanswered_since(&self, cx: &Context) -> Option<Instant> {
        let beat = match self.beat {
            Beat::Beating(number) => Some(number),
            Beat::Off | Beat::Resting(_) => None,
        };
        // Numbers only grow, so the lowest is the oldest.
        let oldest = beat.into_iter().chain(self.pings.front().copied()).min()?;
        cx.requests.get(oldest)?.since()
    }

    /// Ends the heartbeat or ping of this number, which has its reply.
    pub(super) fn answered(&mut self, cx: &mut Context, number: u64) {
        let Some(since) = cx.requests.get(number).and_then(|request| request.since()) else {
            return;
        };
        let round_trip = cx.now.saturating_duration_since(since);
        // Heartbeats and pings are the same frame: only the ref distinguishes them.
        if !matches!(self.beat, Beat::Beating(beat) if beat == number) {
            self.end_ping(cx, number, Some(round_trip));
            return;
        }
        cx.end(number);
        self.beat = Beat::rest(cx);
        cx.emit(Event::HeartbeatAnswered { round_trip });
        // Often enough for a socket that lives for weeks, and rare enough to cost nothing.
        cx.events.shrink();
    }

    pub(super) fn ping(&mut self, cx: &mut Context) -> Result<PingId, CallError> {
        // Pings count until their answer is polled, since an answer is never dropped.
        if !cx.events.promise_pong(MAX_PINGS) {
            return Err(CallError::TooManyPings { max: MAX_PINGS });
        }
        let number = ask(cx, |number| TimeoutReason::Ping(PingId(number)));
        self.pings.push_back(number);
        Ok(PingId(number))
    }

    fn end_ping(&mut self, cx: &mut Context, number: u64, round_trip: Option<Duration>) {
        // Replies may come in any order, so it needn't be the first.
        self.pings.retain(|ping| *ping != number);
        cx.end(number);
        cx.emit(Event::Pong { ping: PingId(number), round_trip });
    }

    /// Disarms the heartbeat and ends all pings, since the connection is over.
    pub(super) fn stop(&mut self, cx: &mut Context) {
        match core::mem::replace(&mut self.beat, Beat::Off) {
            Beat::Resting(next) => cx.timers.disarm(next),
            Beat::Beating(number) => drop(cx.end(number)),
            Beat::Off => {}
        }
        // Each ping has exactly one pong, and no reply can come any more.
        while let Some(ping) = self.pings.pop_front() {
            self.end_ping(cx, ping, None);
        }
    }
}

impl Beat {
    fn rest(cx: &mut Context) -> Self {
        match cx.config.heartbeat_interval {
            None => Beat::Off,
            Some(interval) => Beat::Resting(cx.arm(interval, TimeoutReason::Heartbeat)),
        }
    }
}

/// Asks for a sign of life. The timeout runs from here, not from when the transport takes the frame: a transport
/// that takes nothing is as dead as a peer that says nothing.
fn ask(cx: &mut Context, why: impl FnOnce(u64) -> TimeoutReason) -> u64 {
    let what = What::Heartbeat { since: cx.now };
    cx.begin(None, cx.config.heartbeat_timeout, what, true, why)
}
