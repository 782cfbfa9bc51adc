//! State that all processes share: the envelopes, the subscriptions, the presences, and the time.

use phx_proto::{ByteString, Instant, Message, Payload, events};
use serde_json::Value;

use super::envelope::{Envelope, Mailroom, ProcessId, SocketMessage};
use super::presence::Presence;
use super::pubsub::PubSub;

pub(crate) struct World {
    /// Time of the envelope that is being delivered.
    now: Instant,
    mail: Mailroom,
    pub(super) pubsub: PubSub,
    pub(crate) presence: Presence,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        World {
            now: Instant::EPOCH,
            mail: Mailroom::default(),
            pubsub: PubSub::default(),
            presence: Presence::new(seed),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    pub(super) fn set_now(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    pub(crate) fn post(&mut self, at: Instant, mail: Envelope) {
        self.mail.post(at, mail);
    }

    /// Keeps the envelope that is being delivered until its process is no longer busy.
    pub(super) fn defer(&mut self, until: Instant, mail: Envelope) {
        self.mail.defer(until, mail);
    }

    pub(super) fn take_due(&mut self, clock: Instant) -> Option<Envelope> {
        let (at, mail) = self.mail.take_due(clock)?;
        self.set_now(at);
        Some(mail)
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.mail.next_due()
    }

    pub(crate) fn post_all(&mut self, mail: Vec<(Instant, Envelope)>) {
        for (at, mail) in mail {
            self.mail.post(at, mail);
        }
    }

    pub(crate) fn broadcast(&mut self, at: Instant, message: &Message, except: Option<ProcessId>) {
        self.post_all(self.broadcast_mail(at, message, except));
    }

    /// Returns the envelopes of a presence's diff.
    pub(crate) fn diff_mail(
        &self,
        at: Instant,
        topic: &ByteString,
        diff: &Value,
    ) -> Vec<(Instant, Envelope)> {
        let diff = Payload::json(diff).unwrap_or_default();
        let diff = Message::new(topic.clone(), events::PRESENCE_DIFF, diff);
        self.broadcast_mail(at, &diff, None)
    }

    /// Returns the envelopes of a broadcast, for the present subscribers.
    fn broadcast_mail(
        &self,
        at: Instant,
        message: &Message,
        except: Option<ProcessId>,
    ) -> Vec<(Instant, Envelope)> {
        let frames = self.pubsub.frames(message, except).into_iter();
        frames
            .map(|(socket, frame)| (at, Envelope::Socket(socket, SocketMessage::Send(frame))))
            .collect()
    }
}
