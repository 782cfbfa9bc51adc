//! The messages that a user's `wait` looks at.

use std::collections::VecDeque;
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

#[derive(Debug, Default)]
struct Held {
    messages: VecDeque<Received>,
    bytes: usize,
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
        self.came.notify_one();
    }

    /// Waits for the next message that matches; it and those before it are dropped. Cancel-safe.
    pub(super) async fn find(&self, pattern: &Pattern) -> Received {
        loop {
            if let Some(found) = self.with(|held| held.find(pattern)) {
                return found;
            }
            self.came.notified().await;
        }
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

    /// Takes messages up to the first that matches. All that don't match are dropped: the next search begins after them.
    fn find(&mut self, pattern: &Pattern) -> Option<Received> {
        while let Some(received) = self.drop_first() {
            if received.matches(pattern) {
                return Some(received);
            }
        }
        None
    }

    fn drop_first(&mut self) -> Option<Received> {
        let first = self.messages.pop_front()?;
        self.bytes = self.bytes.saturating_sub(first.size());
        Some(first)
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
        let find = |n| inbox.find(&pattern("shout", n)).now_or_never().is_some();
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
        assert!(inbox.find(&pattern("none", None)).now_or_never().is_none());
        assert_eq!(inbox.with(|held| held.bytes), 0);
    }
}
