//! What comes out, and what must hold of it.

use std::fmt::Write as _;

use phx_proto::{Action, ConnectionState, Event, SendReason};

use crate::Chaos;

impl Chaos {
    pub(crate) fn poll_actions(&mut self, count: usize) {
        for _ in 0..count {
            let Some(action) = self.socket.poll_action() else { return };
            self.note_action(action);
        }
    }

    pub(crate) fn note_action(&mut self, action: Action) {
        if self.habits.logs {
            let contents = match &action {
                Action::Send { frame, .. } => frame.as_bytes().clone(),
                _ => bytes::Bytes::new(),
            };
            writeln!(self.log, "{:?} {action:?} {contents:?}", self.now).unwrap();
        }
        match action {
            Action::Connect { transport, .. } => {
                assert!(self.wanted, "disconnect always wins");
                assert!(self.transports.iter().all(|old| *old < transport), "{transport:?} again");
                self.transports.push(transport);
            }
            Action::Close { transport, .. } => {
                assert!(self.transports.contains(&transport), "never begun: {transport:?}");
                assert!(self.closes.insert(transport), "{transport:?} closed twice");
            }
            Action::Send { transport, frame, why, .. } => {
                assert_eq!(Some(&transport), self.transports.last(), "sent on an old transport");
                assert!(!self.closes.contains(&transport), "sent after the close");
                if let SendReason::Push(push) = why {
                    let channel = self.pushed_on[&push];
                    let before = self.last_push_sent.insert(channel, push);
                    assert!(before < Some(push), "{push:?} after {before:?}");
                    assert_eq!(self.calls.get(&push), Some(&false), "sent after its outcome");
                }
                let message = self.server.decode(frame).expect("a frame that the server can read");
                if let Some(join_ref) = &message.join_ref {
                    let life = (transport, join_ref.clone());
                    if let SendReason::Join(_) = why {
                        assert!(self.joins_sent.insert(life), "{join_ref} joined twice");
                    } else {
                        assert!(self.joins_sent.contains(&life), "of a join that wasn't sent here");
                    }
                }
                if self.kind {
                    self.unanswered.push(message.clone());
                }
                self.sent.push_back(message);
                if self.sent.len() > 30 {
                    self.sent.pop_front();
                }
            }
            Action::RequestParams { request, .. } => {
                self.requests.push_back(request);
                if self.requests.len() > 8 {
                    self.requests.pop_front();
                }
            }
            other => panic!("unknown action {other:?}"),
        }
    }

    pub(crate) fn poll_events(&mut self, count: usize) {
        let config = self.socket.config();
        let others = config.max_events.saturating_add(config.max_channels).saturating_add(1);
        let most = others.saturating_mul(2).saturating_add(config.max_pushes).saturating_add(16);
        for number in 0..count {
            let Some(event) = self.socket.poll_event() else { return };
            assert!(number < most, "more events waited than the limits allow");
            if self.habits.logs {
                writeln!(self.log, "{:?} {event:?}", self.now).unwrap();
            }
            self.note_event(event);
        }
    }

    fn note_event(&mut self, event: Event) {
        match event {
            Event::PushDone { push, outcome, .. } => match self.calls.get_mut(&push) {
                Some(done @ false) => *done = true,
                other => panic!("{push:?} ended with {outcome:?} but is {other:?}"),
            },
            Event::EventsLost { count, .. } => {
                assert!(count > 0 && self.socket.counters().events_lost >= count);
                self.missed_events = true;
            }
            // What it depends on may be among what was missed.
            _ if self.missed_events => {}
            Event::Opened { transport, .. } => {
                assert!(!self.closed.contains(&transport), "opened after it was closed");
                assert!(self.opened.insert(transport), "{transport:?} opened twice");
            }
            Event::Closed { transport, was_open, .. } => {
                assert_eq!(self.opened.contains(&transport), was_open);
                assert!(self.closed.insert(transport), "{transport:?} closed twice");
            }
            Event::Joined { channel, rejoined, .. } => {
                assert!(self.joined.insert(channel), "{channel:?} joined twice");
                assert_eq!(!self.ever_joined.insert(channel), rejoined);
            }
            Event::ChannelErrored { channel, .. } => {
                assert!(self.joined.remove(&channel), "{channel:?} wasn't joined");
            }
            Event::JoinFailed { channel, .. } => assert!(!self.joined.contains(&channel)),
            Event::ChannelClosed { channel, .. } => {
                self.joined.remove(&channel);
                self.ever_joined.remove(&channel);
                // Once for each life, and nothing may come after it but another one.
                let ends = self.ends.entry(channel).or_default();
                *ends += 1;
                let lives = 1 + self.joined_again.get(&channel).copied().unwrap_or_default();
                assert!(*ends <= lives, "{channel:?} closed {ends} times in {lives} lives");
            }
            Event::Message { channel, .. } => {
                assert!(self.joined.contains(&channel), "a message while not joined");
            }
            _ => {}
        }
    }

    pub(crate) fn check(&mut self) {
        let open = self.calls.values().filter(|done| !**done).count();
        assert!(open <= self.socket.config().max_pushes, "{open} calls");
        let latest = self.transports.last();
        match self.socket.connection_state() {
            ConnectionState::Open => assert!(self.wanted && latest.is_some()),
            ConnectionState::Waiting | ConnectionState::Connecting => assert!(self.wanted),
            ConnectionState::Closing => assert!(!self.wanted),
            _ => {}
        }
    }
}
