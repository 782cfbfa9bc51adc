//! Received messages find their channel or push: one look-up for the ref or the topic, and nothing is
//! scanned.
//!
//! The rules are phoenix.js's: the topic must be equal, and the `join_ref` absent or equal to the
//! channel's current one; whatever else comes is outdated, and dropped. A reply is found by its ref.

use core::mem;

use bytestring::ByteString;

use super::Socket;
use super::pending::Pending;
use crate::{
    ChannelId, DecodeError, DecodeErrorKind, Event, Frame, Message, Outcome, Payload, PushId, Ref,
    Status, TransportId, events,
};

impl Socket {
    pub(super) fn frame_received(&mut self, transport: TransportId, frame: Frame) {
        if !self.connection.is_open_on(transport) {
            self.counters.stale_facts = self.counters.stale_facts.saturating_add(1);
            return;
        }
        self.heard = self.now;
        let len = frame.len();
        self.counters.frames_received = self.counters.frames_received.saturating_add(1);
        self.counters.bytes_received = self.counters.bytes_received.saturating_add(len as u64);
        let max = self.config.max_frame_size;
        if len > max {
            self.malformed(
                transport,
                DecodeError::new(DecodeErrorKind::TooLarge { len, max }, frame),
            );
            return;
        }
        let mut decoded = self.config.serializer.decode(frame);
        // By reference: a message is large, and most of it isn't kept.
        if let Ok(message) = &mut decoded {
            if len > UNUSED && wastes_its_frame(message, len) {
                leave_frame(message);
            }
            self.dispatch(message);
        } else if let Err(error) = decoded {
            self.malformed(transport, error);
        }
    }

    #[cold]
    fn malformed(&mut self, transport: TransportId, error: DecodeError) {
        self.counters.malformed = self.counters.malformed.saturating_add(1);
        let topic = self.config.serializer.topic(&error.frame);
        self.emit(Event::Malformed { transport, topic, error });
    }

    fn dispatch(&mut self, message: &mut Message) {
        match message.status.take() {
            Some(status) => {
                if self.answer(status, message) {
                    self.counters.replies = self.counters.replies.saturating_add(1);
                } else {
                    self.counters.unmatched_replies =
                        self.counters.unmatched_replies.saturating_add(1);
                }
            }
            None => match self.topics.get(&message.topic) {
                Some(&channel) => self.deliver(channel, message),
                None => self.deliver_to_leaving(message, false),
            },
        }
    }

    /// Ends whatever the reply answers; `false` if that is nothing, or no longer.
    fn answer(&mut self, status: Status, message: &mut Message) -> bool {
        let Some(number) = message.reference.as_ref().and_then(Ref::as_number) else {
            return false;
        };
        let channel = match self.pending.find(number) {
            // Nobody can answer what hasn't been sent. Of a push its entry knows that.
            Some(
                Pending::Heartbeat
                | Pending::Ping(_)
                | Pending::JoinAttempt { .. }
                | Pending::Leave { .. },
            ) if self.outbox.contains(number) => return false,
            Some(Pending::Heartbeat) => {
                self.pending.remove(number);
                self.heartbeat_answered();
                return true;
            }
            Some(&Pending::Ping(ping)) => {
                self.pending.remove(number);
                self.ping_answered(ping);
                return true;
            }
            Some(Pending::Push(push)) if push.unsent.is_none() => push.channel,
            Some(&(Pending::JoinAttempt { channel } | Pending::Leave { channel, .. })) => channel,
            _ => return false,
        };
        let Some(owner) = self.channels.get(channel.0) else {
            return false;
        };
        if owner.topic != message.topic || owner.is_outdated(message.join_ref.as_ref()) {
            return false;
        }
        let named = message.join_ref.is_some();
        let response = mem::take(&mut message.payload);
        match self.pending.find(number) {
            Some(Pending::JoinAttempt { .. }) => {
                self.join_answered(channel, status, response, named);
            }
            Some(Pending::Leave { .. }) => self.finish_leaving(channel, Outcome::Left),
            _ => {
                let forgotten = !named && owner.is_named() && is_unmatched(&status, &response);
                let outcome = self.events.keep_reply(status, response);
                self.finish(PushId(number), outcome);
                if forgotten {
                    self.channel_forgotten(channel);
                }
            }
        }
        true
    }

    fn deliver(&mut self, id: ChannelId, message: &mut Message) {
        let Some(channel) = self.channels.get(id.0) else {
            return;
        };
        if channel.is_outdated(message.join_ref.as_ref()) || self.ends_a_leave(message) {
            self.deliver_to_leaving(message, true);
            return;
        }
        let joined = channel.is_joined();
        let delivered = match &*message.event {
            "phx_close" => {
                self.channel_closed(id, mem::take(&mut message.payload), message.join_ref.is_some())
            }
            "phx_error" => self.channel_crashed(
                id,
                mem::take(&mut message.payload),
                message.join_ref.is_some(),
            ),
            _ if joined => {
                self.counters.messages = self.counters.messages.saturating_add(1);
                let (event, payload) =
                    (mem::take(&mut message.event), mem::take(&mut message.payload));
                self.emit_in_place(Event::Message { channel: id, event, payload });
                true
            }
            _ => false,
        };
        if !delivered {
            self.counters.outdated = self.counters.outdated.saturating_add(1);
        }
    }

    /// Whether this ends a channel, names none (V1), and there is one of its topic that is being left.
    /// The server ends that one first, often only after it has answered the next one's join.
    fn ends_a_leave(&self, message: &Message) -> bool {
        message.join_ref.is_none()
            && is_end(&message.event)
            && self.oldest_leaving(&message.topic).is_some()
    }

    /// The join of the channel of this topic that has been left first, of those being left.
    fn oldest_leaving(&self, topic: &ByteString) -> Option<u64> {
        let (first, join_ref) = self.leaving.range((topic.clone(), 0)..).next()?;
        (first == topic).then_some(*join_ref)
    }

    /// News of a channel that is being left, found by its join: its topic may be another's by now.
    /// `known` is whether the topic has a channel.
    fn deliver_to_leaving(&mut self, message: &mut Message, known: bool) {
        let number = match &message.join_ref {
            Some(join_ref) => join_ref.as_number(),
            None => self.oldest_leaving(&message.topic),
        };
        let leaving = match number.and_then(|number| self.pending.find(number)) {
            Some(&Pending::LeavingJoin { channel }) => Some(channel),
            _ => None,
        };
        let leaving = leaving.filter(|&leaving| {
            self.channels.get(leaving.0).is_some_and(|channel| channel.topic == message.topic)
        });
        match leaving {
            Some(channel) if is_end(&message.event) => self.finish_leaving(channel, Outcome::Left),
            None if !known => {
                self.counters.unknown_topic = self.counters.unknown_topic.saturating_add(1);
                // One that names a join is late: it was meant for a channel that is gone.
                if message.join_ref.is_none() && !events::is_reserved(&message.event) {
                    let topic = mem::take(&mut message.topic);
                    let event = mem::take(&mut message.event);
                    let payload = mem::take(&mut message.payload);
                    self.emit(Event::UnjoinedMessage { topic, event, payload });
                }
            }
            _ => self.counters.outdated = self.counters.outdated.saturating_add(1),
        }
    }
}

/// Whether Phoenix says in its own name that it has no channel for the topic of a push.
fn is_unmatched(status: &Status, response: &Payload) -> bool {
    *status == Status::Error && response.reason().is_some_and(|reason| reason == "unmatched topic")
}

/// Whether the channel is gone on the server after this event.
fn is_end(event: &str) -> bool {
    matches!(event, "phx_close" | "phx_error")
}

/// What is kept of a message keeps its frame. No more of that is to be unused than so many bytes, or an eighth of
/// what is used: otherwise the limits in bytes would not limit the memory that is held.
const UNUSED: usize = 1 << 10;

/// Whether a peer has padded the frame: with other elements, a long topic, white space.
#[inline]
fn wastes_its_frame(message: &Message, frame: usize) -> bool {
    let status = match &message.status {
        Some(Status::Other(name)) => name.len(),
        _ => 0,
    };
    let used = message.event.len().saturating_add(message.payload.len()).saturating_add(status);
    let unused = frame.saturating_sub(used);
    unused > UNUSED && unused > used >> 3
}

/// Copies what may be kept of a message.
#[cold]
fn leave_frame(message: &mut Message) {
    message.topic = ByteString::from(&*message.topic);
    message.event = ByteString::from(&*message.event);
    message.payload = message.payload.copied();
    if let Some(Status::Other(name)) = &mut message.status {
        *name = ByteString::from(&**name);
    }
}
