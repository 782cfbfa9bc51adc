//! Heartbeats and pings: is the peer still there?
//!
//! Only a reply with the heartbeat's own ref clears it, and the next one starts an interval after that
//! reply (phoenix.js does the same). Other traffic doesn't delay it, but shows that the peer is alive:
//! the timeout counts from the last frame, and only the limit from the heartbeat itself. In phoenix.js
//! a heartbeat whose reply waits behind a backlog ends a connection over which data flows.

use core::time::Duration;

use super::pending::Pending;
use super::timers::TimerKey;
use super::{Socket, TimeoutReason};
use crate::{Event, Instant, Message, PHOENIX, Payload, PingError, PingId, Ref, events};

/// Pings that may wait for their reply at the same time.
const MAX_PINGS: usize = 16;

/// The heartbeat of one connection.
#[derive(Debug)]
pub(super) enum Heartbeat {
    /// Switched off by the configuration.
    Off,
    /// The next one is due when the timer fires.
    Resting { next: TimerKey },
    /// One is under way; without a reply in time the connection counts as dead.
    Beating { reference: u64, since: Instant, timeout: TimerKey },
}

/// A ping that waits for its reply.
#[derive(Debug)]
pub(super) struct PendingPing {
    since: Instant,
    timeout: TimerKey,
}

impl Socket {
    pub(super) fn first_heartbeat(&mut self) -> Heartbeat {
        match self.config.heartbeat_interval {
            None => Heartbeat::Off,
            Some(interval) => Heartbeat::Resting {
                next: self.timers.arm(self.now, interval, TimeoutReason::Heartbeat),
            },
        }
    }

    /// `at` is when it should have been sent.
    pub(super) fn heartbeat_is_due(&mut self, at: Instant) {
        if self.slept_since(at) {
            return self.connection_slept();
        }
        let reference = self.next_number();
        // The timeout runs from here, not from when the transport takes the frame: a transport
        // that takes nothing is as dead as a peer that says nothing.
        let timeout =
            self.timers.arm(self.now, self.config.heartbeat_timeout, TimeoutReason::HeartbeatReply);
        let since = self.now;
        if let Some(heartbeat) = self.connection.heartbeat_mut() {
            *heartbeat = Heartbeat::Beating { reference, since, timeout };
            self.pending.insert(reference, Pending::Heartbeat);
            self.outbox.push_heartbeat(reference);
        } else {
            self.timers.disarm(timeout);
        }
    }

    /// A heartbeat that is late by a whole interval and its timeout was not sent because nothing ran.
    /// With the defaults the peer has then heard nothing for 70 s, and Phoenix gives up after 60 s:
    /// asking whether it is still there would only cost the heartbeat's timeout.
    fn slept_since(&self, at: Instant) -> bool {
        let interval = self.config.heartbeat_interval.unwrap_or(Duration::MAX);
        let patience = interval.saturating_add(self.config.heartbeat_timeout);
        self.now.saturating_duration_since(at) >= patience
    }

    /// The timer of a heartbeat has fired. Frames that came meanwhile have left it alone.
    pub(super) fn heartbeat_reply_is_due(&mut self) {
        let Some(&mut Heartbeat::Beating { since, .. }) = self.connection.heartbeat_mut() else {
            return;
        };
        let Some(left) = self.time_left(since) else {
            return self.heartbeat_timed_out();
        };
        let again = self.timers.arm(self.now, left, TimeoutReason::HeartbeatReply);
        if let Some(Heartbeat::Beating { timeout, .. }) = self.connection.heartbeat_mut() {
            *timeout = again;
        }
    }

    /// How long a heartbeat or ping of that moment may still wait for its reply; `None` if no longer.
    fn time_left(&self, since: Instant) -> Option<Duration> {
        let timeout = self.config.heartbeat_timeout;
        let silence = self.heard.max(since).saturating_add(timeout);
        let limit = since.saturating_add(self.config.heartbeat_limit.max(timeout));
        let left = silence.min(limit).saturating_duration_since(self.now);
        (!left.is_zero()).then_some(left)
    }

    /// Since when the oldest heartbeat or ping waits for its reply; `None` if none does.
    #[must_use]
    pub fn unanswered_since(&self) -> Option<Instant> {
        let heartbeat = match self.connection.heartbeat() {
            Some(&Heartbeat::Beating { since, .. }) => Some(since),
            _ => None,
        };
        let ping = self.pings.first_key_value().map(|(_, ping)| ping.since);
        heartbeat.into_iter().chain(ping).min()
    }

    pub(super) fn heartbeat_answered(&mut self) {
        let Some(&mut Heartbeat::Beating { since, timeout, .. }) = self.connection.heartbeat_mut()
        else {
            return;
        };
        self.timers.disarm(timeout);
        let next = self.first_heartbeat();
        if let Some(heartbeat) = self.connection.heartbeat_mut() {
            *heartbeat = next;
        }
        let round_trip = self.now.saturating_duration_since(since);
        self.emit(Event::HeartbeatAnswered { round_trip });
        self.events.give_back_room();
    }

    pub(super) fn start_ping(&mut self) -> Result<PingId, PingError> {
        if !self.connection.is_open() {
            return Err(PingError::NotConnected);
        }
        // Those count whose answer nobody has polled, since an answer is never dropped.
        if self.pings.len().saturating_add(self.events.pongs()) >= MAX_PINGS {
            return Err(PingError::TooMany { max: MAX_PINGS });
        }
        let reference = self.next_number();
        let ping = PingId(reference);
        let timeout =
            self.timers.arm(self.now, self.config.heartbeat_timeout, TimeoutReason::Ping(ping));
        self.pings.insert(ping, PendingPing { since: self.now, timeout });
        self.pending.insert(reference, Pending::Ping(ping));
        self.outbox.push_heartbeat(reference);
        Ok(ping)
    }

    pub(super) fn ping_answered(&mut self, ping: PingId) {
        if let Some(PendingPing { since, timeout }) = self.pings.remove(&ping) {
            self.timers.disarm(timeout);
            let round_trip = Some(self.now.saturating_duration_since(since));
            self.emit(Event::Pong { ping, round_trip });
        }
    }

    /// Without a reply it fails, and nothing more: whether the peer is alive is the heartbeat's
    /// business.
    pub(super) fn pong_is_due(&mut self, ping: PingId) {
        let Some(since) = self.pings.get(&ping).map(|ping| ping.since) else {
            return;
        };
        if let Some(left) = self.time_left(since) {
            let again = self.timers.arm(self.now, left, TimeoutReason::Ping(ping));
            if let Some(ping) = self.pings.get_mut(&ping) {
                ping.timeout = again;
            }
            return;
        }
        self.pings.remove(&ping);
        self.pending.remove(ping.0);
        self.outbox.remove_heartbeat(ping.0);
        self.emit(Event::Pong { ping, round_trip: None });
    }

    /// The connection is over, for whatever reason.
    pub(super) fn stop_heartbeats(&mut self) {
        match self.connection.heartbeat_mut() {
            Some(&mut Heartbeat::Resting { next }) => self.timers.disarm(next),
            Some(&mut Heartbeat::Beating { reference, timeout, .. }) => {
                self.timers.disarm(timeout);
                self.pending.remove(reference);
            }
            Some(Heartbeat::Off) | None => {}
        }
        self.outbox.clear_heartbeats();
        for (ping, PendingPing { timeout, .. }) in core::mem::take(&mut self.pings) {
            self.timers.disarm(timeout);
            self.pending.remove(ping.0);
            self.emit(Event::Pong { ping, round_trip: None });
        }
    }

    pub(super) fn heartbeat_message(reference: u64) -> Message {
        Message::new(PHOENIX, events::HEARTBEAT, Payload::empty())
            .with_reference(Some(Ref::from(reference)))
    }
}
