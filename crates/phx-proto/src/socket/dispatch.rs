//! Routes received messages to their channel or request: one look-up for the ref or the topic, and no
//! scan.
//!
//! The rules are phoenix.js's: the topic must be equal, and the `join_ref` absent or equal to the
//! channel's current one; whatever else comes is outdated, and dropped. A reply is found by its ref.

use core::mem;

use bytestring::ByteString;

use super::channels::Channels;
use super::connection::Connection;
use super::context::Context;
use crate::{
    DecodeCause, DecodeError, Event, Frame, Message, Outcome, Ref, Status, TransportId, events,
};

/// The machines that a received frame may concern.
pub(super) struct Dispatch<'a> {
    pub(super) cx: &'a mut Context,
    pub(super) connection: &'a mut Connection,
    pub(super) channels: &'a mut Channels,
}

impl Dispatch<'_> {
    pub(super) fn frame(&mut self, transport: TransportId, frame: Frame) {
        let len = frame.len();
        if !self.count(transport, len) {
            observe!(self.cx, Input::Stale(transport));
            return;
        }
        let cx = &mut *self.cx;
        let max = cx.config.max_frame_size;
        // Before it is decoded: a frame over the limit must cost nothing.
        if len > max {
            let error = DecodeError::new(DecodeCause::TooLarge { len, max }, frame);
            observe!(cx, Input::Frame(transport, len, Err(&error)));
            malformed(cx, transport, error);
            return;
        }
        let mut decoded = cx.config.serializer.decode(frame);
        observe!(cx, Input::Frame(transport, len, decoded.as_ref()));
        // By reference: a message is large, and most of it isn't kept.
        if let Ok(message) = &mut decoded {
            self.message(len, message);
        } else if let Err(error) = decoded {
            malformed(cx, transport, error);
        }
    }

    /// A frame of `len` bytes that the driver has decoded.
    pub(super) fn decoded(
        &mut self,
        transport: TransportId,
        len: usize,
        decoded: Result<Message, DecodeError>,
    ) {
        if self.count(transport, len) {
            observe!(self.cx, Input::Frame(transport, len, decoded.as_ref()));
            match decoded {
                Ok(mut message) => self.message(len, &mut message),
                Err(error) => malformed(self.cx, transport, error),
            }
        } else {
            observe!(self.cx, Input::Stale(transport));
        }
    }

    /// Counts a frame; `false` if its transport isn't the current one.
    #[inline]
    fn count(&mut self, transport: TransportId, len: usize) -> bool {
        // Before any limit or decoding: whatever it holds, a frame shows that the peer is alive.
        if !self.connection.note_heard(self.cx, transport) {
            return false;
        }
        let counters = &mut self.cx.counters;
        counters.frames_received = counters.frames_received.saturating_add(1);
        counters.bytes_received = counters.bytes_received.saturating_add(len as u64);
        true
    }

    // Always: two callers cost each frame a call, 30 instructions.
    #[cfg_attr(not(for_size), inline(always))]
    fn message(&mut self, len: usize, message: &mut Message) {
        if len > UNUSED && wastes_its_frame(message, len) {
            leave_frame(message);
        }
        // Replies go by their ref: their topic may belong to another channel by now.
        if let Some(status) = message.status.take() {
            let answered = self.answer(status, message);
            let counters = &mut self.cx.counters;
            let counter =
                if answered { &mut counters.replies } else { &mut counters.unmatched_replies };
            *counter = counter.saturating_add(1);
            return;
        }
        // A topic without an owner may still have a channel that is being left.
        let Some(owner) = self.cx.topics.owner(&message.topic) else {
            self.deliver_to_leaving(message, false);
            return;
        };
        let ends_a_leave = self.ends_a_leave(message);
        let delivered = self.channels.with(self.cx, owner, |channel, cx| {
            if ends_a_leave || channel.has_stale_join_ref(message.join_ref.as_ref()) {
                return None;
            }
            Some(channel.received(cx, message))
        });
        match delivered {
            Some(Some(true)) => {}
            Some(Some(false)) => count_outdated(self.cx),
            Some(None) | None => self.deliver_to_leaving(message, true),
        }
    }

    /// Ends whatever the reply answers; `false` if that is nothing, or no longer.
    fn answer(&mut self, status: Status, message: &mut Message) -> bool {
        let Some(number) = message.reference.as_ref().and_then(Ref::as_number) else {
            return false;
        };
        // A server can't answer what hasn't been sent.
        let Some(request) = self.cx.requests.get(number).filter(|request| request.is_sent()) else {
            return false;
        };
        // Heartbeats and pings are the only requests without a channel.
        let Some(channel) = request.channel() else {
            self.connection.answered(self.cx, number);
            return true;
        };
        self.channels
            .with(self.cx, channel, |channel, cx| channel.answered(cx, number, status, message))
            .unwrap_or_default()
    }

    /// Returns `true` if this ends a channel without naming its join (V1) while one of its topic is being left.
    /// The server ends that one first, often only after it has answered the next one's join.
    fn ends_a_leave(&self, message: &Message) -> bool {
        message.join_ref.is_none()
            && is_end(&message.event)
            && self.cx.topics.leaving(&message.topic, None).is_some()
    }

    /// Delivers to a channel that is being left, found by its join: its topic may belong to another by now.
    /// `known` is whether the topic has a channel.
    fn deliver_to_leaving(&mut self, message: &mut Message, known: bool) {
        let leaving = match &message.join_ref {
            // This client's refs are numbers.
            Some(join_ref) => join_ref
                .as_number()
                .and_then(|number| self.cx.topics.leaving(&message.topic, Some(number))),
            None => self.cx.topics.leaving(&message.topic, None),
        };
        match leaving {
            // Of a channel that is being left only the end counts: its messages aren't delivered.
            Some(id) if is_end(&message.event) => {
                self.channels
                    .with(self.cx, id, |channel, cx| channel.finish_leaving(cx, Outcome::Left));
            }
            None if !known => {
                let unknown = &mut self.cx.counters.unknown_topic;
                *unknown = unknown.saturating_add(1);
                // One that names a join is late: it was meant for a channel that is gone.
                if message.join_ref.is_none() && !events::is_reserved(&message.event) {
                    let topic = mem::take(&mut message.topic);
                    let event = mem::take(&mut message.event);
                    let payload = mem::take(&mut message.payload);
                    self.cx.emit(Event::UnjoinedMessage { topic, event, payload });
                }
            }
            _ => count_outdated(self.cx),
        }
    }
}

#[cold]
fn malformed(cx: &mut Context, transport: TransportId, error: DecodeError) {
    cx.counters.malformed = cx.counters.malformed.saturating_add(1);
    // The topic's streams get a gap, so that a lost message isn't silent.
    let topic = cx.config.serializer.topic(&error.frame);
    cx.emit(Event::Malformed { transport, topic, error });
}

fn count_outdated(cx: &mut Context) {
    cx.counters.outdated = cx.counters.outdated.saturating_add(1);
}

/// Returns `true` if the channel is gone on the server after this event.
fn is_end(event: &ByteString) -> bool {
    *event == events::CLOSE || *event == events::ERROR
}

/// Parts of a message that are kept keep its frame in memory. At most this many bytes of it, or an eighth of the
/// bytes in use, may be unused: otherwise the limits in bytes would not limit the memory that is held.
const UNUSED: usize = 1 << 10;

/// Detects a frame that the peer has padded: with other elements, a long topic, white space.
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
    // All of them: a single slice would keep the whole frame.
    message.topic = ByteString::from(&*message.topic);
    message.event = ByteString::from(&*message.event);
    message.payload = message.payload.copied();
    if let Some(Status::Other(name)) = &mut message.status {
        *name = ByteString::from(&**name);
    }
}
