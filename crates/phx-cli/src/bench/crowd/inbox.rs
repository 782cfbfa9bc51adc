//! The messages that a user's `wait` looks at.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use phx_tokio::{ByteString, Message, Payload};
use tokio::sync::Notify;

use crate::scenario::Pattern;

/// Messages of a user that no `wait` has taken; beyond it the oldest is dropped.
const MAX_MESSAGES: usize = 1_000;

/// Their bytes, beyond which the oldest is dropped as well; the latest is always kept.
const MAX_BYTES: usize = 1 << 20;

/// Messages in the order in which they came, over all channels of a user.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    held: Mutex<Held>,
    came: Notify,
}

/// The number of the first message that a search looks at, from 0. Searches of passes that run at the same time look at the same
/// messages.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place(u64);

#[derive(Debug, Default)]
struct Held {
    messages: VecDeque<Received>,
    bytes: usize,
    /// The number of the first of them.
    first: u64,
}

/// A message of the server.
#[derive(Clone, Debug)]
pub(super) struct Received {
    topic: ByteString,
    event: ByteString,
    pub(super) payload: Payload,
}

impl Inbox {
    /// Adds a message, unless it is a reply or one of the protocol.
    pub(super) fn add(&self, message: &Message) {
        if message.status.is_some() || message.event.starts_with("phx_") {
            return;
        }
        let received = Received {
            topic: message.topic.clone(),
            event: message.event.clone(),
            payload: message.payload.clone(),
        };
        self.with(|held| held.add(received));
        self.came.notify_waiters();
    }

    /// The place after all messages so far.
    pub(super) fn end(&self) -> Place {
        self.with(|held| held.end())
    }

    /// Waits for the next message from a place on that matches, and moves the place behind those that were looked at. Cancel-safe.
    pub(super) async fn find(&self, pattern: &Pattern, from: &mut Place) -> Received {
        loop {
            let mut came = pin!(self.came.notified());
            // From here on, so that no message comes unnoticed before the wait.
            came.as_mut().enable();
            if let Some(found) = self.with(|held| held.find(pattern, from)) {
                return found;
            }
            came.await;
        }
    }

    /// Drops messages before a place.
    pub(super) fn drop_before(&self, place: Place) {
        self.with(|held| while held.first < place.0 && held.drop_first() {});
    }

    fn with<T>(&self, f: impl FnOnce(&mut Held) -> T) -> T {
        f(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Held {
    fn add(&mut self, received: Received) {
        self.bytes = self.bytes.saturating_add(received.size());
        self.messages.push_back(received);
        while self.messages.len() > MAX_MESSAGES
            || (self.bytes > MAX_BYTES && self.messages.len() > 1)
        {
            self.drop_first();
        }
    }

    fn end(&self) -> Place {
        Place(self.first.saturating_add(self.messages.len() as u64))
    }

    /// Looks at messages up to the first that matches. The next search begins after it.
    fn find(&self, pattern: &Pattern, from: &mut Place) -> Option<Received> {
        let skipped = usize::try_from(from.0.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let found =
            self.messages.iter().enumerate().skip(skipped).find(|(_, it)| it.matches(pattern));
        *from = match found {
            Some((at, _)) => Place(self.first.saturating_add(at as u64).saturating_add(1)),
            None => self.end(),
        };
        found.map(|(_, received)| received.clone())
    }

    /// Returns false if there is none.
    fn drop_first(&mut self) -> bool {
        let Some(first) = self.messages.pop_front() else { return false };
        self.bytes = self.bytes.saturating_sub(first.size());
        self.first = self.first.saturating_add(1);
        true
    }
}

impl Received {
    fn size(&self) -> usize {
        let names = self.topic.len().saturating_add(self.event.len());
        names.saturating_add(self.payload.len()).saturating_add(size_of::<Received>())
    }

    fn matches(&self, pattern: &Pattern) -> bool {
        let same = |wanted: &Option<ByteString>, found: &ByteString| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        same(&pattern.topic, &self.topic)
            && same(&pattern.event, &self.event)
            && pattern.matches_payload(Some(&self.payload))
    }
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;
    use futures::FutureExt as _;
    use serde_json::json;

    use super::*;
    use crate::record::Kind;

    fn pattern(event: &'static str, n: Option<u64>) -> Pattern {
        let payload = n.map(|n| Payload::json(&json!({ "n": n })).unwrap());
        let event = Some(ByteString::from_static(event));
        Pattern { kind: Kind::Message, topic: None, event, payload }
    }

    fn message(event: &'static str, n: u64) -> Message {
        Message::new("room:a", event, Payload::json(&json!({ "n": n, "x": 1 })).unwrap())
    }

    #[test]
    fn a_message_is_found_once_and_not_those_before_it() {
        let inbox = Inbox::default();
        for n in 0..4 {
            inbox.add(&message("shout", n));
        }
        let mut place = Place::default();
        let mut find = |n| inbox.find(&pattern("shout", n), &mut place).now_or_never().is_some();
        assert!(find(Some(1)), "it came");
        assert!(!find(Some(0)), "it came before");
        inbox.add(&message("phx_close", 5));
        inbox.add(&message("shout", 6));
        assert!(find(None) && !find(None), "what a search looked at is gone");
    }

    #[test]
    fn what_waits_is_limited_in_number_and_bytes() {
        let inbox = Inbox::default();
        let used = measure(|| {
            for n in 0..10 * MAX_MESSAGES as u64 {
                inbox.add(&message("shout", n));
            }
        });
        assert!(used.bytes_max < 500 * MAX_MESSAGES as u64, "{used:?}");
        assert_eq!(inbox.with(|held| held.messages.len()), MAX_MESSAGES);
        let used = measure(|| {
            for _ in 0..10 {
                let large = format!("\"{}\"", "x".repeat(MAX_BYTES / 4));
                let large = Payload::from_json_text(large.into_boxed_str().into_string()).unwrap();
                inbox.add(&Message::new("room:a", "large", large));
            }
        });
        // Beside them one that is being made, in at most four copies.
        assert!(used.bytes_max < 2 * MAX_BYTES as u64 + 1_000, "{used:?}");
        let (count, bytes) = inbox.with(|held| (held.messages.len(), held.bytes));
        assert!(count <= 4 && bytes <= MAX_BYTES, "{count} {bytes}");
        let mut place = Place::default();
        assert!(inbox.find(&pattern("none", None), &mut place).now_or_never().is_none());
        inbox.drop_before(place);
        assert_eq!(inbox.with(|held| held.bytes), 0);
    }

    #[test]
    fn searches_from_different_places_find_the_same_message() {
        let inbox = Inbox::default();
        inbox.add(&message("shout", 1));
        let (mut first, mut second) = (Place::default(), inbox.end());
        let pattern = pattern("shout", None);
        let mut waiting = pin!(inbox.find(&pattern, &mut second));
        assert!(waiting.as_mut().now_or_never().is_none(), "it came before");
        inbox.add(&message("shout", 2));
        assert!(waiting.now_or_never().is_some());
        let mut found = || inbox.find(&pattern, &mut first).now_or_never().is_some();
        assert_eq!([found(), found(), found()], [true, true, false]);
    }
}
