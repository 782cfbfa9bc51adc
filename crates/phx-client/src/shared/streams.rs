//! Which streams a message goes to.

use std::sync::Arc;
use std::task::Waker;

use phx_proto::{ByteString, Instant, Payload};

use super::mailbox::{Content, Mailbox, Mailboxes};
use crate::messages::item::{TopicFilter, Wanted};

/// Streams with what they want, in the order in which they were made. A message is held against each:
/// there are few, and as many as the program itself has made.
pub(crate) struct Streams<W>(Vec<(W, Arc<Mailbox>)>);

impl<W> Streams<W> {
    pub(crate) fn add(&mut self, wanted: W, mailbox: &Arc<Mailbox>) {
        if self.0.is_empty() {
            // Most channels have one.
            self.0.reserve_exact(1);
        }
        self.0.push((wanted, Arc::clone(mailbox)));
    }

    pub(crate) fn remove(&mut self, mailbox: &Arc<Mailbox>) {
        self.0.retain(|(_, other)| !Arc::ptr_eq(other, mailbox));
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Mailbox>> {
        self.0.iter().map(|(_, mailbox)| mailbox)
    }

    #[inline]
    fn wanting(&self, wants: impl Fn(&W) -> bool) -> impl Iterator<Item = &Arc<Mailbox>> {
        self.0.iter().filter(move |(wanted, _)| wants(wanted)).map(|(_, mailbox)| mailbox)
    }
}

/// Those of a channel.
impl Streams<Wanted> {
    /// Delivers a message to those that want it, and gives the wakers of those who wait for it.
    #[inline]
    pub(crate) fn deliver(
        &self,
        mailboxes: &mut Mailboxes,
        now: Instant,
        (event, payload): (ByteString, Payload),
        wakers: &mut Vec<Waker>,
    ) {
        let mut last = None;
        for mailbox in self.of(&event) {
            if let Some(mailbox) = last.replace(mailbox) {
                let content = Content::Message { event: event.clone(), payload: payload.clone() };
                mailboxes.deliver_to(mailbox, now, content, wakers);
            }
        }
        if let Some(mailbox) = last {
            mailboxes.deliver_to(mailbox, now, Content::Message { event, payload }, wakers);
        }
    }

    #[inline]
    fn of(&self, event: &str) -> impl Iterator<Item = &Arc<Mailbox>> {
        self.wanting(move |wanted| wanted.wants(event))
    }

    /// The streams that want replies.
    pub(crate) fn incoming(&self) -> impl Iterator<Item = &Arc<Mailbox>> {
        self.wanting(|wanted| matches!(wanted, Wanted::Incoming))
    }
}

/// Those of topics that no channel has.
impl Streams<TopicFilter> {
    /// The streams that want this topic.
    pub(crate) fn of(&self, topic: &str) -> impl Iterator<Item = &Arc<Mailbox>> {
        self.wanting(move |filter| filter.wants(topic))
    }

    /// An open connection ended.
    pub(crate) fn interrupt(&self) {
        self.all().for_each(|mailbox| mailbox.interrupt());
    }

    /// A connection opened: streams that saw the one before may have missed something.
    pub(crate) fn resume(&self, wakers: &mut Vec<Waker>) {
        self.all().for_each(|mailbox| mailbox.resume(wakers));
    }
}

impl<W> Default for Streams<W> {
    fn default() -> Self {
        Streams(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::item::WhenSlow;

    fn mailboxes() -> [Arc<Mailbox>; 4] {
        std::array::from_fn(|_| Mailbox::new(1, 1, WhenSlow::Wait))
    }

    /// Whether these are those.
    fn are<'a>(found: impl Iterator<Item = &'a Arc<Mailbox>>, those: &[&Arc<Mailbox>]) -> bool {
        found.map(Arc::as_ptr).eq(those.iter().map(|those| Arc::as_ptr(those)))
    }

    #[test]
    fn a_message_finds_the_streams_of_its_event_and_those_of_all_events() {
        let [leaves, all, joins, incoming] = &mailboxes();
        let mut streams = Streams::default();
        streams.add(Wanted::Event("leave".into()), leaves);
        streams.add(Wanted::Messages, all);
        streams.add(Wanted::Event("join".into()), joins);
        streams.add(Wanted::Incoming, incoming);
        assert!(are(streams.of("leave"), &[leaves, all, incoming]));
        assert!(are(streams.of("join"), &[all, joins, incoming]));
        assert!(are(streams.of("other"), &[all, incoming]));
        assert!(are(streams.incoming(), &[incoming]));
        streams.remove(all);
        assert!(are(streams.all(), &[leaves, joins, incoming]));
    }

    #[test]
    fn a_topic_finds_its_streams_and_those_of_its_prefixes() {
        let [exact, long, everything, other] = &mailboxes();
        let mut streams = Streams::default();
        streams.add(TopicFilter::topic("room:a"), exact);
        streams.add(TopicFilter::prefix("room:"), long);
        streams.add(TopicFilter::prefix(""), everything);
        streams.add(TopicFilter::prefix("user:"), other);
        assert!(are(streams.of("room:a"), &[exact, long, everything]));
        assert!(are(streams.of("room:b"), &[long, everything]));
        assert!(are(streams.of("r\u{f6}om"), &[everything]));
        assert!(are(streams.of(""), &[everything]));
    }
}
