//! Routing of messages to streams.

use std::sync::Arc;

use phx_proto::Instant;

use super::content::{Content, Other};
use super::deferred::Deferred;
use super::mailbox::{Mailbox, Mailboxes};
use crate::messages::item::Wanted;

/// Streams with their filters, in the order in which they were made. Each message is compared with all of them:
/// there are only those that the program itself has made.
#[derive(Default)]
pub(crate) struct Streams(Vec<(Wanted, Arc<Mailbox>)>);

impl Streams {
    pub(crate) fn add(&mut self, wanted: Wanted, mailbox: &Arc<Mailbox>) {
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

    /// Delivers something to the streams that want it.
    #[inline]
    pub(crate) fn deliver(
        &self,
        now: Instant,
        content: Content,
        mailboxes: &mut Mailboxes,
        deferred: &mut Deferred,
    ) {
        let mut last: Option<&Arc<Mailbox>> = None;
        for (wanted, mailbox) in &self.0 {
            if wants(wanted, &content)
                && let Some(before) = last.replace(mailbox)
            {
                before.deliver(now, content.clone(), mailboxes, deferred);
            }
        }
        match last {
            Some(last) => last.deliver(now, content, mailboxes, deferred),
            None => deferred.drop_content(content),
        }
    }

    /// Returns true if some streams want replies.
    pub(crate) fn want_incoming(&self) -> bool {
        self.0.iter().any(|(wanted, _)| matches!(wanted, Wanted::Incoming))
    }

    /// Returns the streams that want this topic, which no channel has.
    pub(crate) fn of(&self, topic: &str) -> impl Iterator<Item = &Arc<Mailbox>> {
        let wants =
            move |wanted: &Wanted| matches!(wanted, Wanted::Topics(filter) if filter.wants(topic));
        self.0.iter().filter(move |(wanted, _)| wants(wanted)).map(|(_, mailbox)| mailbox)
    }

    /// Notes in all streams that an open connection ended.
    pub(crate) fn interrupt(&self) {
        self.all().for_each(|mailbox| mailbox.interrupt());
    }

    /// Notes that a connection opened: streams of the previous one may have missed messages.
    pub(crate) fn resume(&self, deferred: &mut Deferred) {
        self.all().for_each(|mailbox| mailbox.resume(deferred));
    }
}

/// Returns true if a stream with this filter receives `content`.
#[inline]
fn wants(wanted: &Wanted, content: &Content) -> bool {
    match content {
        Content::Message { event, .. } => match wanted {
            Wanted::Event(wanted) => wanted == event,
            Wanted::EventPrefix(prefix) => event.starts_with(&**prefix),
            Wanted::Messages | Wanted::Incoming => true,
            Wanted::Topics(_) => false,
        },
        Content::Other(other) => match (&**other, wanted) {
            (Other::Incoming(_), Wanted::Incoming) => true,
            (Other::Topic(message), Wanted::Topics(filter)) => filter.wants(&message.topic),
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::task::{Context, Poll, Waker};

    use phx_proto::Payload;

    use super::*;
    use crate::messages::item::{Incoming, StreamOverflow, TopicFilter};

    fn mailboxes() -> [Arc<Mailbox>; 4] {
        std::array::from_fn(|_| Mailbox::new(1, 1, StreamOverflow::Wait))
    }

    /// Returns true if `found` yields exactly `those`.
    fn are<'a>(found: impl Iterator<Item = &'a Arc<Mailbox>>, those: &[&Arc<Mailbox>]) -> bool {
        found.map(Arc::as_ptr).eq(those.iter().map(|those| Arc::as_ptr(those)))
    }

    /// Checks that `content` is delivered to exactly those `of` the four mailboxes that `these` marks.
    fn get(streams: &Streams, of: &[Arc<Mailbox>; 4], these: [bool; 4], content: Content) -> bool {
        streams.deliver(
            Instant::EPOCH,
            content,
            &mut Mailboxes::default(),
            &mut Deferred::default(),
        );
        let cx = Context::from_waker(Waker::noop());
        let taken = |mailbox: &Arc<Mailbox>| mailbox.poll_take(&mut VecDeque::new(), &cx);
        of.each_ref().map(|mailbox| taken(mailbox) == Poll::Ready(true)) == these
    }

    #[test]
    fn a_message_finds_the_streams_of_its_event_and_those_of_all_events() {
        let four = mailboxes();
        let [leaves, all, joins, incoming] = &four;
        let mut streams = Streams::default();
        streams.add(Wanted::Event("leave".into()), leaves);
        streams.add(Wanted::Messages, all);
        streams.add(Wanted::Event("join".into()), joins);
        streams.add(Wanted::Incoming, incoming);
        let of = |event: &str| Content::Message { event: event.into(), payload: Payload::empty() };
        assert!(get(&streams, &four, [true, true, false, true], of("leave")));
        assert!(get(&streams, &four, [false, true, true, true], of("join")));
        assert!(get(&streams, &four, [false, true, false, true], of("other")));
        let joined = Incoming::Joined { response: Ok(Payload::empty()), rejoined: false };
        assert!(get(&streams, &four, [false, false, false, true], Content::incoming(joined)));
        assert!(streams.want_incoming());
        streams.remove(all);
        assert!(are(streams.all(), &[leaves, joins, incoming]));
    }

    #[test]
    fn a_message_finds_the_streams_of_its_prefixes() {
        let four = mailboxes();
        let [broadcasts, cursors, all, incoming] = &four;
        let mut streams = Streams::default();
        streams.add(Wanted::EventPrefix("broadcast:".into()), broadcasts);
        streams.add(Wanted::EventPrefix("broadcast:cursor".into()), cursors);
        streams.add(Wanted::EventPrefix("".into()), all);
        streams.add(Wanted::Incoming, incoming);
        let of = |event: &str| Content::Message { event: event.into(), payload: Payload::empty() };
        assert!(get(&streams, &four, [true, true, true, true], of("broadcast:cursors")));
        assert!(get(&streams, &four, [true, false, true, true], of("broadcast:")));
        assert!(get(&streams, &four, [false, false, true, true], of("broadcast")));
        let joined = Incoming::Joined { response: Ok(Payload::empty()), rejoined: false };
        assert!(get(&streams, &four, [false, false, false, true], Content::incoming(joined)));
    }

    #[test]
    fn a_topic_finds_its_streams_and_those_of_its_prefixes() {
        let [exact, long, everything, other] = &mailboxes();
        let mut streams = Streams::default();
        streams.add(Wanted::Topics(TopicFilter::topic("room:a")), exact);
        streams.add(Wanted::Topics(TopicFilter::prefix("room:")), long);
        streams.add(Wanted::Topics(TopicFilter::prefix("")), everything);
        streams.add(Wanted::Topics(TopicFilter::prefix("user:")), other);
        assert!(are(streams.of("room:a"), &[exact, long, everything]));
        assert!(are(streams.of("room:b"), &[long, everything]));
        assert!(are(streams.of("r\u{f6}om"), &[everything]));
        assert!(are(streams.of(""), &[everything]));
    }
}
