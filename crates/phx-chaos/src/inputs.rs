//! Inputs of a session: sensible, foreign and broken values.

use std::time::Duration;

use phx_proto::{
    ChannelId, CloseCause, CloseCode, Frame, Message, Payload, Ref, Status, TransportId,
    UpgradeRejection,
};

use crate::Chaos;

pub(crate) const TOPICS: [&str; 4] = ["room:a", "room:b", "presence:a", "x"];
pub(crate) const EVENTS: [&str; 6] = ["msg", "phx_close", "phx_error", "phx_reply", "talk", ""];

impl Chaos {
    pub(crate) fn any_channel(&mut self) -> Option<ChannelId> {
        let count = self.seen.channels.len();
        (count > 0).then(|| self.seen.channels[self.choices.below(count)])
    }

    /// Chooses a transport, usually the current one.
    pub(crate) fn any_transport(&mut self) -> Option<TransportId> {
        let latest = self.seen.transports.last().copied()?;
        let is_older = self.choices.below(5) == 4;
        let count = self.seen.transports.len();
        Some(if is_older { self.seen.transports[self.choices.below(count)] } else { latest })
    }

    pub(crate) fn any_timeout(&mut self) -> Option<Duration> {
        match self.choices.below(6) {
            5 => Some(Duration::ZERO),
            4 => Some(Duration::MAX),
            3 => Some(Duration::from_millis(self.choices.below(20_000) as u64)),
            _ => None,
        }
    }

    pub(crate) fn any_payload(&mut self) -> Payload {
        match self.choices.below(4) {
            3 => Payload::binary(vec![7; self.choices.below(40)]),
            2 => Payload::json(&"x".repeat(self.choices.below(60))).unwrap(),
            _ => Payload::empty(),
        }
    }

    pub(crate) fn any_cause(&mut self) -> CloseCause {
        match self.choices.below(6) {
            3 => CloseCause::UpgradeRejected(
                UpgradeRejection::new(300 + u16::try_from(self.choices.below(300)).unwrap())
                    .with_retry_after(Some(Duration::from_secs(self.choices.number()))),
            ),
            4 => CloseCause::invalid_request("no token"),
            5 => {
                let code = 1000 + u16::try_from(self.choices.below(16)).unwrap();
                CloseCause::frame(CloseCode::from_u16(code), "")
            }
            _ => CloseCause::io(""),
        }
    }

    pub(crate) fn any_frame(&mut self) -> Frame {
        match self.choices.below(20) {
            18 => Frame::text(vec![b'['; self.choices.below(500)]),
            19 => Frame::binary(
                (0..self.choices.below(40))
                    .map(|_| u8::try_from(self.choices.below(256)).unwrap())
                    .collect::<Vec<_>>(),
            ),
            0..=7 => match self.recently_sent(6) {
                Some(sent) => self.reply_to(sent),
                None => Frame::text("null"),
            },
            _ => self.any_message(),
        }
    }

    /// Chooses one of the last `count` sent messages.
    fn recently_sent(&mut self, count: usize) -> Option<Message> {
        let there = self.seen.sent.len();
        let count = count.min(there);
        (count > 0).then(|| self.seen.sent[there - 1 - self.choices.below(count)].clone())
    }

    /// Returns the server's ok reply to a message.
    pub(crate) fn ok(&self, sent: Message) -> Frame {
        let reply = Message::reply(sent.topic, sent.reference, Status::Ok, Payload::empty());
        self.server.encode(&reply.with_join_ref(sent.join_ref)).unwrap()
    }

    fn reply_to(&mut self, sent: Message) -> Frame {
        let status = if self.choices.below(4) == 3 { Status::Error } else { Status::Ok };
        let join_ref = if self.choices.below(6) == 5 { self.any_ref() } else { sent.join_ref };
        let reference = if self.choices.below(6) == 5 { self.any_ref() } else { sent.reference };
        // Messages that Phoenix itself sends, with a join ref or without.
        let reason = match (status == Status::Error).then(|| self.choices.below(4)) {
            Some(0) => r#"{"reason":"join crashed"}"#,
            Some(1) => r#"{"reason":"unmatched topic"}"#,
            _ => "{}",
        };
        let response = Payload::from_unchecked_json(reason.into());
        let reply = Message::reply(sent.topic, reference, status, response).with_join_ref(join_ref);
        let frame = self.server.encode(&reply).unwrap();
        if self.choices.below(10) == 9 { self.damage(frame) } else { frame }
    }

    fn any_message(&mut self) -> Frame {
        let topic = match self.choices.below(6) {
            5 => "phoenix",
            4 => "unknown",
            _ => TOPICS[self.choices.below(TOPICS.len())],
        };
        let event = if self.choices.below(4) < 3 { "talk" } else { EVENTS[self.choices.below(3)] };
        let message = Message::new(topic, event, Payload::empty())
            .with_join_ref(self.any_ref())
            .with_reference(self.any_ref());
        self.server.encode(&message).unwrap_or_else(|_| Frame::text(""))
    }

    /// Chooses no ref, a used one, or an unused one.
    fn any_ref(&mut self) -> Option<Ref> {
        match self.choices.below(6) {
            0 | 1 => None,
            2 => Some(Ref::from(self.choices.below(500) as u64)),
            3 => Some(Ref::from("x")),
            _ => self.recently_sent(20).and_then(|sent| sent.join_ref),
        }
    }

    fn damage(&mut self, frame: Frame) -> Frame {
        let is_text = frame.is_text();
        let mut bytes = frame.into_bytes().to_vec();
        if !bytes.is_empty() {
            let at = self.choices.below(bytes.len());
            bytes[at] = u8::try_from(self.choices.below(256)).unwrap();
        }
        if is_text { Frame::text(bytes) } else { Frame::binary(bytes) }
    }
}
