//! The streams of topics that no channel has.

use std::collections::{BTreeMap, HashMap};
use std::task::Waker;

use foldhash::fast::FixedState;
use phx_proto::ByteString;

use super::channels::Keys;
use super::mailbox::MailboxKey;
use super::mailboxes::Mailboxes;
use crate::messages::wanted::{Rule, TopicFilter};

/// Finds the streams that want a topic with one look-up for the topic and one for each length that a
/// prefix has, however many streams there are.
///
/// The topics are those of this program's own filters, so a peer can't choose them to collide.
#[derive(Default)]
pub(crate) struct TopicStreams {
    topics: HashMap<ByteString, Keys, FixedState>,
    prefixes: HashMap<ByteString, Keys, FixedState>,
    /// How many prefixes have each length.
    lengths: BTreeMap<usize, usize>,
    /// Streams that were there when an open connection ended: they get a gap when the next one opens.
    interrupted: Vec<MailboxKey>,
}

impl TopicStreams {
    pub(crate) fn add(&mut self, filter: &TopicFilter, key: MailboxKey) {
        match &filter.0 {
            Rule::Topic(topic) => self.topics.entry(topic.clone()).or_default().push(key),
            Rule::Prefix(prefix) => {
                let keys = self.prefixes.entry(prefix.clone()).or_default();
                if keys.as_slice().is_empty() {
                    *self.lengths.entry(prefix.len()).or_default() += 1;
                }
                keys.push(key);
            }
        }
    }

    /// Removes what was added.
    pub(crate) fn remove(&mut self, filter: &TopicFilter, key: MailboxKey) {
        self.interrupted.retain(|&other| other != key);
        let text = filter.text();
        let streams = match &filter.0 {
            Rule::Topic(_) => &mut self.topics,
            Rule::Prefix(_) => &mut self.prefixes,
        };
        let Some(keys) = streams.get_mut(text) else {
            return;
        };
        keys.remove(key);
        if !keys.as_slice().is_empty() {
            return;
        }
        streams.remove(text);
        if let Rule::Prefix(_) = filter.0
            && let Some(count) = self.lengths.get_mut(&text.len())
        {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&text.len());
            }
        }
    }

    /// The streams that want this topic.
    pub(crate) fn of<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = MailboxKey> + 'a {
        let prefixes = self.lengths.keys().filter_map(|&len| self.prefixes.get(topic.get(..len)?));
        self.topics.get(topic).into_iter().chain(prefixes).flat_map(Keys::as_slice).copied()
    }

    /// An open connection ended.
    pub(crate) fn interrupt(&mut self) {
        self.interrupted.clear();
        let all = self.topics.values().chain(self.prefixes.values());
        self.interrupted.extend(all.flat_map(Keys::as_slice));
        // So that the streams' tasks are always woken in the same order.
        self.interrupted.sort_unstable();
    }

    /// A connection opened: streams that saw the one before may have missed something.
    pub(crate) fn resume(&mut self, mailboxes: &mut Mailboxes, wakers: &mut Vec<Waker>) {
        for key in std::mem::take(&mut self.interrupted) {
            mailboxes.mark_gap(key, wakers);
        }
    }
}

#[cfg(test)]
mod tests {
    use slotmap::SlotMap;

    use super::*;

    #[test]
    fn a_topic_finds_its_streams_and_those_of_its_prefixes() {
        let mut made = SlotMap::with_key();
        let keys: [MailboxKey; 5] = std::array::from_fn(|_| made.insert(()));
        let [exact, short, long, everything, other] = keys;
        let filters = [
            (TopicFilter::topic("room:a"), exact),
            (TopicFilter::prefix("ro"), short),
            (TopicFilter::prefix("room:"), long),
            (TopicFilter::prefix(""), everything),
            (TopicFilter::prefix("user:"), other),
        ];
        let mut streams = TopicStreams::default();
        for (filter, key) in &filters {
            streams.add(filter, *key);
        }
        let of = |streams: &TopicStreams, topic: &str| streams.of(topic).collect::<Vec<_>>();
        assert_eq!(of(&streams, "room:a"), [exact, everything, short, long]);
        assert_eq!(of(&streams, "room:b"), [everything, short, long]);
        assert_eq!(of(&streams, "r\u{f6}om"), [everything]);
        assert_eq!(of(&streams, ""), [everything]);
        for (filter, key) in &filters {
            streams.remove(filter, *key);
        }
        assert_eq!(of(&streams, "room:a"), []);
        assert!(streams.topics.is_empty() && streams.prefixes.is_empty());
        assert!(streams.lengths.is_empty());
    }
}
