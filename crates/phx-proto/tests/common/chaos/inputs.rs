//! What a random session is fed with: sensible, foreign and broken values.

use std::time::Duration;

use phx_proto::{
    ChannelId, CloseCause, CloseCode, Frame, Message, Payload, Ref, Refusal, Status, TransportId,
};

use super::{Chaos, EVENTS, TOPICS};
use crate::common::{ms, secs};

impl Chaos {
    pub(super) fn any_channel(&mut self) -> Option<ChannelId> {
        self.rng.choice(self.channels.iter().copied())
    }

    /// Usually the current one.
    pub(super) fn any_transport(&mut self) -> Option<TransportId> {
        if self.rng.u8(..5) == 0 {
            self.rng.choice(self.transports.iter().copied())
        } else {
            self.transports.last().copied()
        }
    }

    pub(super) fn any_timeout(&mut self) -> Option<Duration> {
        match self.rng.u8(..6) {
            0 => Some(Duration::ZERO),
            1 => Some(Duration::MAX),
            2 => Some(ms(self.rng.u64(..20_000))),
            _ => None,
        }
    }

    pub(super) fn any_payload(&mut self) -> Payload {
        match self.rng.u8(..4) {
            0 => Payload::binary(vec![7; self.rng.usize(..40)]),
            1 => Payload::json(&"x".repeat(self.rng.usize(..60))).unwrap(),
            _ => Payload::empty(),
        }
    }

    pub(super) fn any_cause(&mut self) -> CloseCause {
        match self.rng.u8(..6) {
            0 => CloseCause::Refused(
                Refusal::new(self.rng.u16(300..600)).with_retry_after(Some(secs(self.rng.u64(..)))),
            ),
            1 => CloseCause::unusable("no token"),
            2 => CloseCause::frame(CloseCode::from_u16(self.rng.u16(1000..1016)), ""),
            _ => CloseCause::lost(""),
        }
    }

    pub(super) fn any_frame(&mut self) -> Frame {
        match self.rng.u8(..20) {
            0 => Frame::text(vec![b'['; self.rng.usize(..500)]),
            1 => Frame::binary(
                (0..self.rng.usize(..40)).map(|_| self.rng.u8(..)).collect::<Vec<_>>(),
            ),
            2..=9 => match self.rng.choice(self.sent.iter().rev().take(6).cloned()) {
                Some(sent) => self.reply_to(sent),
                None => Frame::text("null"),
            },
            _ => self.any_message(),
        }
    }

    fn reply_to(&mut self, sent: Message) -> Frame {
        let status = if self.rng.u8(..4) == 0 { Status::Error } else { Status::Ok };
        let join_ref = if self.rng.u8(..6) == 0 { self.any_ref() } else { sent.join_ref };
        let reference = if self.rng.u8(..6) == 0 { self.any_ref() } else { sent.reference };
        let reply =
            Message::reply(sent.topic, reference, status, Payload::empty()).with_join_ref(join_ref);
        let frame = self.server.encode(&reply).unwrap();
        if self.rng.u8(..10) == 0 { self.damage(frame) } else { frame }
    }

    pub(super) fn any_message(&mut self) -> Frame {
        let topic = match self.rng.u8(..6) {
            0 => "phoenix",
            1 => "unknown",
            _ => TOPICS[self.rng.usize(..TOPICS.len())],
        };
        let event = if self.rng.u8(..4) > 0 { "news" } else { EVENTS[self.rng.usize(..3)] };
        let message = Message::new(topic, event, Payload::empty())
            .with_join_ref(self.any_ref())
            .with_reference(self.any_ref());
        self.server.encode(&message).unwrap_or_else(|_| Frame::text(""))
    }

    /// No ref, one that was used, or one that wasn't.
    pub(super) fn any_ref(&mut self) -> Option<Ref> {
        match self.rng.u8(..6) {
            0 | 1 => None,
            2 => Some(Ref::from(self.rng.u64(..500))),
            3 => Some(Ref::parse_str("x")),
            _ => self.rng.choice(self.sent.iter().rev().take(20)).and_then(|m| m.join_ref.clone()),
        }
    }

    fn damage(&mut self, frame: Frame) -> Frame {
        let is_text = frame.is_text();
        let mut bytes = frame.into_bytes().to_vec();
        if !bytes.is_empty() {
            let at = self.rng.usize(..bytes.len());
            bytes[at] = self.rng.u8(..);
        }
        if is_text { Frame::text(bytes) } else { Frame::binary(bytes) }
    }
}
