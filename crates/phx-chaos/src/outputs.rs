//! Checks of actions and events.

use std::fmt::Write as _;

use phx_proto::{Action, ConnectionState, Event, SendReason};

use crate::Chaos;
use crate::chaos::{Call, remember};
use crate::steps::narrow;

impl Chaos {
    pub(crate) fn poll_actions(&mut self, count: usize) {
        for _ in 0..count {
            let Some(action) = self.socket.poll_action() else { return };
            self.note_action(action);
        }
    }

    pub(crate) fn note_action(&mut self, action: Action) {
        if self.options.logs {
            let contents = match &action {
                Action::Send { frame, .. } => frame.as_bytes().clone(),
                _ => bytes::Bytes::new(),
            };
            writeln!(self.log, "{:?} {action:?} {contents:?}", self.now).unwrap();
        }
        match action {
            Action::Connect { transport, .. } => {
                assert!(self.seen.wanted, "disconnect always wins");
                assert!(
                    self.seen.transports.iter().all(|old| *old < transport),
                    "{transport:?} again"
                );
                self.seen.transports.push(transport);
            }
            Action::Close { transport, .. } => {
                assert!(self.seen.transports.contains(&transport), "never begun: {transport:?}");
                assert!(self.seen.closes.insert(transport), "{transport:?} closed twice");
            }
            Action::Send { transport, frame, why, .. } => {
                assert_eq!(
                    Some(&transport),
                    self.seen.transports.last(),
                    "sent on an old transport"
                );
                assert!(!self.seen.closes.contains(&transport), "sent after the close");
                if self.seen.narrow.contains(&transport) {
                    assert_eq!(narrow().exceeded_by(&frame), None, "over the transport's limit");
                    if why == SendReason::Heartbeat {
                        let pings = self.seen.pings.checked_sub(1);
                        self.seen.pings = pings.expect("no heartbeat but for a ping");
                    }
                }
                if let SendReason::Push(push) = why {
                    let Call { channel, is_done } = self.seen.calls[&push];
                    let before = self.seen.last_push_sent.insert(channel, push);
                    assert!(before < Some(push), "{push:?} after {before:?}");
                    assert!(!is_done, "{push:?} sent after its outcome");
                }
                let message = self.server.decode(frame).expect("a frame that the server can read");
                if let Some(join_ref) = &message.join_ref {
                    let life = (transport, join_ref.clone());
                    if let SendReason::Join(_) = why {
                        assert!(self.seen.joins_sent.insert(life), "{join_ref} joined twice");
                    } else {
                        assert!(
                            self.seen.joins_sent.contains(&life),
                            "of a join that wasn't sent here"
                        );
                    }
                }
                if self.kind {
                    self.seen.unanswered.push(message.clone());
                }
                remember(&mut self.seen.sent, message, 30);
            }
            Action::RequestParams { request, .. } => {
                remember(&mut self.seen.requests, request, 8);
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
            if self.options.logs {
                writeln!(self.log, "{:?} {event:?}", self.now).unwrap();
            }
            self.note_event(event);
        }
    }

    fn note_event(&mut self, event: Event) {
        match event {
            Event::RequestDone { push, outcome, .. } => match self.seen.calls.get_mut(&push) {
                Some(Call { is_done: done @ false, .. }) => *done = true,
                other => panic!("{push:?} ended with {outcome:?} but is {other:?}"),
            },
            Event::EventsLost { count, .. } => {
                assert!(count > 0 && self.socket.counters().events_lost >= count);
                self.seen.missed_events = true;
            }
            // A dropped event may be the one that this check needs.
            _ if self.seen.missed_events => {}
            Event::Opened { transport, .. } => {
                assert!(!self.seen.closed.contains(&transport), "opened after it was closed");
                assert!(self.seen.opened.insert(transport), "{transport:?} opened twice");
            }
            Event::MessagesLost { transport, .. } => {
                assert!(self.seen.opened.contains(&transport), "lost before it was open");
                assert!(!self.seen.closed.contains(&transport), "lost after it was closed");
            }
            Event::Closed { transport, was_open, .. } => {
                assert_eq!(self.seen.opened.contains(&transport), was_open);
                assert!(self.seen.closed.insert(transport), "{transport:?} closed twice");
            }
            Event::Joined { channel, rejoined, .. } => {
                assert!(self.seen.joined.insert(channel), "{channel:?} joined twice");
                assert_eq!(!self.seen.ever_joined.insert(channel), rejoined);
            }
            Event::ChannelErrored { channel, .. } => {
                assert!(self.seen.joined.remove(&channel), "{channel:?} wasn't joined");
            }
            Event::JoinFailed { channel, .. } => assert!(!self.seen.joined.contains(&channel)),
            Event::ChannelClosed { channel, .. } => {
                self.seen.joined.remove(&channel);
                self.seen.ever_joined.remove(&channel);
                // Once for each life, and no event of the channel after it until the next join.
                let lives = self.seen.lives.entry(channel).or_default();
                *lives -= 1;
                assert!(*lives >= -1, "{channel:?} closed again in one life");
            }
            Event::Message { channel, .. } => {
                assert!(self.seen.joined.contains(&channel), "a message while not joined");
            }
            _ => {}
        }
    }

    pub(crate) fn check(&mut self) {
        let open = self.seen.calls.values().filter(|call| !call.is_done).count();
        assert!(open <= self.socket.config().max_pushes, "{open} calls");
        let latest = self.seen.transports.last();
        match self.socket.connection_state() {
            ConnectionState::Open => assert!(self.seen.wanted && latest.is_some()),
            ConnectionState::Waiting | ConnectionState::Connecting => assert!(self.seen.wanted),
            ConnectionState::Closing => assert!(!self.seen.wanted),
            _ => {}
        }
    }
}
