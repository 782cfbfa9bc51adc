//! Heartbeats and pings: is the peer still there?
//!
//! Only a reply with the heartbeat's own ref clears it, and the next one starts an interval after
//! that reply; other traffic neither clears nor delays it (phoenix.js does the same).

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

    /// Nothing more than that: whether the peer is alive is the heartbeat's business.
    pub(super) fn ping_timed_out(&mut self, ping: PingId) {
        if self.pings.remove(&ping).is_some() {
            self.pending.remove(ping.0);
            self.outbox.remove_heartbeat(ping.0);
            self.emit(Event::Pong { ping, round_trip: None });
        }
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
