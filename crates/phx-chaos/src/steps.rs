//! Steps of a session.

use std::time::Duration;

use phx_proto::{
    Action, ChannelId, ChannelState, CloseCause, CloseCode, ConnectionState, Frame, Instant,
    Lifecycle, Params, Payload, TransportKind, TransportProperties,
};

use crate::Chaos;
use crate::choices::Choices;
use crate::inputs::{EVENTS, TOPICS};

/// Letters of steps, each as often as its weight.
const STEPS: &[u8] = b"cccdnhmmmrjjjpppppplxiooooowgfffffffuzattttssqe";

/// Letters that only bytes choose: `k`, and a space or digit, which does nothing, so that spaces may separate steps and
/// an extra digit does no harm.
const GIVEN: &[u8] = b"k 0123456789";

/// Properties of a transport like long-poll, with limits that are reached.
pub(crate) fn narrow() -> TransportProperties {
    let mut properties = TransportKind::LongPoll.properties();
    properties.max_sent_frame = Some(60);
    properties.max_sent_binary_frame = Some(40);
    properties
}

impl Chaos {
    pub(crate) fn step(&mut self) {
        let letter = self.choices.letter(STEPS, GIVEN);
        let is_kind = self.kind && matches!(self.choices, Choices::Random(_));
        if is_kind && matches!(letter, b'd' | b'n' | b'h' | b'z') && !self.choices.once_in(8) {
            return;
        }
        // Steps that can't be done are skipped.
        let _ = self.take(letter);
        if is_kind && self.choices.flag() {
            self.be_kind();
        }
    }

    /// Runs the step of this letter; `None` if it isn't possible, such as a leave without a channel.
    fn take(&mut self, letter: u8) -> Option<()> {
        let now = self.now;
        match letter {
            b'c' => {
                self.socket.connect(now);
                self.seen.wanted = true;
                let state = self.socket.connection_state();
                let acts = matches!(state, ConnectionState::Connecting | ConnectionState::Open);
                assert!(acts, "connect always acts: {state:?}");
            }
            b'd' => {
                self.socket.disconnect(now, CloseCode::from_u16(4000), "x").unwrap();
                self.seen.wanted = false;
                let state = self.socket.connection_state();
                let wins = matches!(state, ConnectionState::Closed | ConnectionState::Closing);
                assert!(wins, "disconnect always wins: {state:?}");
            }
            b'n' => drop(self.socket.reconnect_now(now)),
            b'h' => {
                let lifecycle = match self.choices.below(3) {
                    0 => Lifecycle::Active,
                    1 => Lifecycle::Held,
                    _ => Lifecycle::Suspending,
                };
                self.socket.handle_lifecycle(now, lifecycle);
            }
            b'm' => self.make_channel(),
            b'r' => {
                let channel = self.any_channel()?;
                self.socket.remove(now, channel);
            }
            b'j' => {
                let (channel, timeout) = (self.any_channel()?, self.any_timeout());
                self.join(channel, timeout);
            }
            b'p' => self.push()?,
            b'l' => {
                let (channel, timeout) = (self.any_channel()?, self.any_timeout());
                let call = self.socket.leave(now, channel, timeout).ok()?;
                self.accepted(call, channel);
            }
            b'x' if !self.seen.recent_calls.is_empty() => {
                let count = self.seen.recent_calls.len();
                let back = self.choices.below(count);
                self.socket.cancel(self.seen.recent_calls[count - 1 - back]);
            }
            b'i' => self.seen.pings += u64::from(self.socket.ping(now).is_ok()),
            b'o' => {
                let transport = self.any_transport()?;
                self.socket.handle_opened(now, transport);
            }
            b'w' => {
                let transport = self.any_transport()?;
                let was_open = self.socket.is_connected();
                self.socket.handle_opened_with(now, transport, narrow());
                if !was_open && self.socket.is_connected() {
                    self.seen.narrow.insert(transport);
                }
            }
            b'g' => {
                let transport = self.any_transport()?;
                self.socket.handle_gap(now, transport);
            }
            b'f' => {
                let (transport, frame) = (self.any_transport()?, self.any_frame());
                self.socket.handle_frame(now, transport, frame);
            }
            b'u' => {
                let transport = self.any_transport()?;
                self.socket.handle_unread(now, transport);
            }
            b'z' => {
                let (transport, cause) = (self.any_transport()?, self.any_cause());
                self.socket.handle_closed(now, transport, cause);
            }
            b'a' if !self.seen.requests.is_empty() => {
                let request = self.seen.requests[self.choices.below(self.seen.requests.len())];
                let params = self.choices.flag().then(|| self.any_payload());
                self.socket.handle_params(now, request, params);
            }
            b't' => self.let_time_pass(),
            b's' => {
                let count = self.choices.below(6);
                self.poll_actions(count);
            }
            b'q' => {
                let action = self.socket.poll_control()?;
                assert!(!matches!(action, Action::Send { .. }), "never a frame");
                self.note_action(action);
            }
            b'e' => {
                let count = self.choices.below(20);
                self.poll_events(count);
            }
            b'k' => {
                self.kind = true;
                self.be_kind();
            }
            _ => {}
        }
        Some(())
    }

    /// Opens the transport, and answers all frames that were sent since with ok.
    fn be_kind(&mut self) {
        self.poll_actions(usize::MAX);
        let Some(&transport) = self.seen.transports.last() else { return };
        self.socket.handle_opened(self.now, transport);
        self.poll_actions(usize::MAX);
        for request in std::mem::take(&mut self.seen.requests) {
            self.socket.handle_params(self.now, request, Some(Payload::empty()));
        }
        if let Some(channel) = self.any_channel()
            && self.join(channel, None)
        {
            self.poll_actions(usize::MAX);
        }
        for sent in std::mem::take(&mut self.seen.unanswered) {
            if !self.choices.once_in(4) {
                let frame = self.ok(sent);
                self.socket.handle_frame(self.now, transport, frame);
            }
        }
    }

    fn join(&mut self, channel: ChannelId, timeout: Option<Duration>) -> bool {
        let again = self.socket.channel_state(channel) == Some(ChannelState::Closed);
        let Ok(call) = self.socket.join(self.now, channel, timeout) else { return false };
        if again {
            *self.seen.lives.entry(channel).or_default() += 1;
        }
        self.accepted(call, channel);
        true
    }

    fn make_channel(&mut self) {
        let topic = TOPICS[self.choices.below(TOPICS.len())];
        let params =
            if self.choices.flag() { Params::OnRequest } else { Params::Fixed(self.any_payload()) };
        let made = if self.choices.once_in(8) {
            self.socket.replace(self.now, topic, params)
        } else {
            self.socket.channel(topic, params)
        };
        if let Ok(channel) = made {
            self.seen.channels.push_back(channel);
        }
        while self.seen.channels.len() > 12 {
            let oldest = self.seen.channels.pop_front().unwrap();
            self.socket.remove(self.now, oldest);
        }
    }

    fn push(&mut self) -> Option<()> {
        let channel = self.any_channel()?;
        let event = EVENTS[self.choices.below(EVENTS.len())];
        let (payload, timeout) = (self.any_payload(), self.any_timeout());
        match self.socket.push(self.now, channel, event, payload.clone(), timeout) {
            Ok(push) => self.accepted(push, channel),
            Err(error) => {
                assert_eq!(error.event, event);
                assert_eq!(error.payload, payload);
            }
        }
        Some(())
    }

    fn let_time_pass(&mut self) {
        let end = match self.choices.below(8) {
            0..=3 => self.socket.poll_timeout().unwrap_or(self.now),
            4 | 5 => self.now + Duration::from_millis(self.choices.below(3_000) as u64),
            6 => self.now + Duration::from_secs(self.choices.below(100) as u64),
            _ => {
                let earlier = Duration::from_secs(self.choices.below(60) as u64);
                Instant::from_epoch(self.now.since_epoch().saturating_sub(earlier))
            }
        };
        if self.options.punctual {
            while let Some(at) = self.socket.poll_timeout().filter(|at| *at <= end) {
                self.wait_until(at);
            }
        }
        self.wait_until(end);
        let next = self.socket.poll_timeout();
        assert!(next.is_none_or(|next| next > self.now), "all that was due has fired");
    }

    fn wait_until(&mut self, end: Instant) {
        if self.options.extra_polls {
            let part = end.saturating_duration_since(self.now) / 3;
            for _ in 0..2 {
                self.now = self.now + part;
                self.poll_extra();
            }
        }
        self.now = end;
        self.socket.handle_timeout(self.now);
        if self.options.punctual && self.options.drains {
            self.poll_actions(usize::MAX);
            self.poll_events(usize::MAX);
        }
    }

    /// Polls and passes the current time, without need.
    pub(crate) fn poll_extra(&mut self) {
        if !self.options.extra_polls {
            return;
        }
        self.socket.handle_timeout(self.now);
        self.poll_actions(usize::MAX);
        self.poll_events(usize::MAX);
        let (next, why) = (self.socket.poll_timeout(), self.socket.timeout_reason());
        assert!(self.socket.poll_control().is_none() && self.socket.poll_action().is_none());
        assert!(self.socket.poll_event().is_none());
        assert_eq!((self.socket.poll_timeout(), self.socket.timeout_reason()), (next, why));
    }

    /// Passes inputs of every transport but the latest. Takes no choices, so that a session without these inputs is
    /// the same otherwise.
    pub(crate) fn send_stale_inputs(&mut self) {
        let Some((_, old)) = self.seen.transports.split_last() else { return };
        for transport in old.iter().rev().take(3) {
            self.socket.handle_opened(self.now, *transport);
            self.socket.handle_gap(self.now, *transport);
            for frame in [
                "garbage",
                r#"[null,null,"room:a","msg",{}]"#,
                r#"[null,null,"room:a","phx_close",{}]"#,
            ] {
                self.socket.handle_frame(self.now, *transport, Frame::text(frame));
            }
            if let Some(sent) = self.seen.sent.back() {
                let frame = self.ok(sent.clone());
                self.socket.handle_frame(self.now, *transport, frame);
            }
            self.socket.handle_closed(self.now, *transport, CloseCause::io("old"));
        }
    }
}
