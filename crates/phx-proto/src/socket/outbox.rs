//! What waits for the transport, in order. Frames are made when the transport can take them, so
//! nothing is ever buffered as bytes.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytestring::ByteString;

use super::Socket;
use super::line::Line;
use crate::{
    ChannelId, EncodeError, JoinFailure, Message, Outcome, Payload, PushId, Ref, SendReason, events,
};

/// What will be a frame when its turn comes.
#[derive(Clone, Debug)]
pub(super) enum Outgoing {
    /// The channel's join; the key is its ref.
    Join(ChannelId),
    /// A leave; the key is its ref.
    Leave(Box<OutgoingLeave>),
    /// A push; the key is its id and ref.
    Push { join_ref: u64 },
}

/// A leave holds all it needs, since its channel may be gone by then.
#[derive(Clone, Debug)]
pub(super) struct OutgoingLeave {
    pub(super) channel: ChannelId,
    pub(super) topic: ByteString,
    pub(super) join_ref: u64,
}

/// Everything that is ready to be sent, in the order of the calls.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Refs of heartbeats and pings. They go first: behind a long line of pushes a healthy
    /// connection would look dead. One heartbeat and a few pings at the most.
    heartbeats: VecDeque<u64>,
    /// By number of the call.
    others: Line<Outgoing>,
}

impl Outbox {
    pub(super) fn push_heartbeat(&mut self, reference: u64) {
        self.heartbeats.push_back(reference);
    }

    pub(super) fn insert(&mut self, key: u64, outgoing: Outgoing) {
        self.others.insert(key, outgoing);
    }

    /// Takes back what was to be sent; `None` if it isn't here.
    pub(super) fn remove(&mut self, key: u64) -> Option<Outgoing> {
        self.others.remove(key)
    }

    /// Whether this still waits for the transport.
    pub(super) fn contains(&self, key: u64) -> bool {
        self.others.contains(key) || self.heartbeats.contains(&key)
    }

    pub(super) fn pop_heartbeat(&mut self) -> Option<u64> {
        self.heartbeats.pop_front()
    }

    pub(super) fn pop(&mut self) -> Option<(u64, Outgoing)> {
        self.others.pop()
    }

    pub(super) fn remove_heartbeat(&mut self, reference: u64) {
        self.heartbeats.retain(|&waiting| waiting != reference);
    }

    pub(super) fn clear_heartbeats(&mut self) {
        self.heartbeats.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.heartbeats.is_empty() && self.others.is_empty()
    }
}

impl Socket {
    /// The next message for the transport, which is taken by being asked for.
    pub(super) fn next_message(&mut self) -> Option<(Message, SendReason)> {
        if let Some(reference) = self.outbox.pop_heartbeat() {
            return Some((Self::heartbeat_message(reference), SendReason::Heartbeat));
        }
        loop {
            let (number, outgoing) = self.outbox.pop()?;
            let message = match outgoing {
                Outgoing::Join(channel) => {
                    self.take_join(channel, number).map(|join| (join, SendReason::Join(channel)))
                }
                Outgoing::Leave(leave) => {
                    let OutgoingLeave { channel, topic, join_ref } = *leave;
                    let leave = Message::new(topic, events::LEAVE, Payload::empty())
                        .with_join_ref(Some(Ref::from(join_ref)))
                        .with_reference(Some(Ref::from(number)));
                    Some((leave, SendReason::Leave(channel)))
                }
                Outgoing::Push { join_ref } => {
                    let push = PushId(number);
                    self.take_push(push, join_ref).map(|message| (message, SendReason::Push(push)))
                }
            };
            if message.is_some() {
                return message;
            }
        }
    }

    pub(super) fn frame_taken(&mut self, len: usize, why: SendReason) {
        self.counters.frames_sent = self.counters.frames_sent.saturating_add(1);
        self.counters.bytes_sent = self.counters.bytes_sent.saturating_add(len as u64);
        match why {
            SendReason::Join(_) => {
                self.counters.joins_sent = self.counters.joins_sent.saturating_add(1);
            }
            // Sent on a connection that is being closed: no reply will be listened to.
            SendReason::Push(push) if !self.connection.is_open() => {
                self.finish(push, Outcome::Disconnected);
            }
            SendReason::Push(_) | SendReason::Leave(_) | SendReason::Heartbeat => {}
        }
    }

    /// A custom serializer said yes at the call and no now.
    pub(super) fn frame_impossible(&mut self, why: SendReason, error: EncodeError) {
        match why {
            SendReason::Push(push) => self.finish(push, Outcome::Unsendable(error)),
            SendReason::Join(channel) => {
                self.fail_attempt(channel, JoinFailure::Unsendable(error), None);
            }
            // Their timeouts tell.
            SendReason::Leave(_) | SendReason::Heartbeat => {}
        }
    }

    /// Empties the outbox: what was not sent on this connection waits for the next, or never was.
    pub(super) fn unsend_all(&mut self) {
        self.outbox = Outbox::default();
    }
}
