//! Which streams a message goes to.

use std::collections::BTreeMap;
use std::slice;
use std::sync::Arc;
use std::task::Waker;

use phx_proto::ByteString;

use super::mailbox::Mailbox;
use crate::messages::item::{Rule, TopicFilter, Wanted};

/// The mailboxes of a channel's streams.
#[derive(Default)]
pub(crate) struct Streams {
    /// Those of each event, in the order of the names. Those of all events are in every list, so that
    /// a message finds its streams with one look-up.
    by_event: Vec<(ByteString, Keys)>,
    /// Those of all events.
    everything: Keys,
    /// Those of these that want replies, too.
    incoming: Keys,
}

impl Streams {
    /// The streams that want messages of `event`.
    pub(crate) fn of(&self, event: &str) -> &[Arc<Mailbox>] {
        // Most channels have streams of one event, and then it needs no search.
        if let [(name, keys)] = &*self.by_event
            && **name == *event
        {
            return keys.as_slice();
        }
        match self.find(event) {
            Ok(index) => self.by_event.get(index).map_or(&[], |(_, keys)| keys.as_slice()),
            Err(_) => self.everything.as_slice(),
        }
    }

    /// All of them; some more than once.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Mailbox>> {
        let lists = self.by_event.iter().map(|(_, keys)| keys);
        lists.chain([&self.everything]).flat_map(Keys::as_slice)
    }

    /// The streams that want replies.
    pub(crate) fn incoming(&self) -> &[Arc<Mailbox>] {
        self.incoming.as_slice()
    }

    /// Adds a stream.
    pub(crate) fn add(&mut self, wanted: &Wanted, mailbox: &Arc<Mailbox>) {
        let event = match wanted {
            Wanted::Event(event) => event,
            Wanted::Messages | Wanted::Incoming => {
                self.everything.push(mailbox);
                self.by_event.iter_mut().for_each(|(_, keys)| keys.push(mailbox));
                if let Wanted::Incoming = wanted {
                    self.incoming.push(mailbox);
                }
                return;
            }
        };
        match self.find(event) {
            Ok(index) => {
                if let Some((_, keys)) = self.by_event.get_mut(index) {
                    keys.push(mailbox);
                }
            }
            Err(index) => {
                let mut keys = self.everything.clone();
                keys.push(mailbox);
                if self.by_event.is_empty() {
                    // Most channels have streams of one event.
                    self.by_event.reserve_exact(1);
                }
                self.by_event.insert(index, (event.clone(), keys));
            }
        }
    }

    /// Removes what was added.
    pub(crate) fn remove(&mut self, wanted: &Wanted, mailbox: &Arc<Mailbox>) {
        let event = match wanted {
            Wanted::Event(event) => event,
            Wanted::Messages | Wanted::Incoming => {
                self.everything.remove(mailbox);
                self.incoming.remove(mailbox);
                self.by_event.iter_mut().for_each(|(_, keys)| keys.remove(mailbox));
                return;
            }
        };
        let everything = self.everything.as_slice().len();
        if let Ok(index) = self.find(event)
            && let Some((_, keys)) = self.by_event.get_mut(index)
        {
            keys.remove(mailbox);
            if keys.as_slice().len() == everything {
                self.by_event.remove(index);
            }
        }
    }

    /// Where the list of `event` is, or belongs.
    fn find(&self, event: &str) -> Result<usize, usize> {
        self.by_event.binary_search_by(|(name, _)| (**name).cmp(event))
    }
}

/// Mailboxes, with a place for one that costs no memory of its own.
#[derive(Clone)]
enum Keys {
    One(Arc<Mailbox>),
    Any(Vec<Arc<Mailbox>>),
}

impl Keys {
    fn as_slice(&self) -> &[Arc<Mailbox>] {
        match self {
            Keys::One(mailbox) => slice::from_ref(mailbox),
            Keys::Any(mailboxes) => mailboxes,
        }
    }

    fn push(&mut self, mailbox: &Arc<Mailbox>) {
        let mailbox = Arc::clone(mailbox);
        match self {
            Keys::Any(mailboxes) if mailboxes.is_empty() => *self = Keys::One(mailbox),
            Keys::Any(mailboxes) => mailboxes.push(mailbox),
            Keys::One(first) => *self = Keys::Any(vec![Arc::clone(first), mailbox]),
        }
    }

    fn remove(&mut self, mailbox: &Arc<Mailbox>) {
        match self {
            Keys::One(one) if Arc::ptr_eq(one, mailbox) => *self = Keys::default(),
            Keys::One(_) => {}
            Keys::Any(mailboxes) => mailboxes.retain(|other| !Arc::ptr_eq(other, mailbox)),
        }
    }
}

impl Default for Keys {
    fn default() -> Self {
        Keys::Any(Vec::new())
    }
}

/// Finds the streams that want a topic with one look-up for the topic and one for each length that a
/// prefix has, however many streams there are.
#[derive(Default)]
pub(crate) struct TopicStreams {
    topics: BTreeMap<ByteString, Keys>,
    prefixes: BTreeMap<ByteString, Keys>,
    /// How many prefixes have each length.
    lengths: BTreeMap<usize, usize>,
}

impl TopicStreams {
    pub(crate) fn add(&mut self, filter: &TopicFilter, mailbox: &Arc<Mailbox>) {
        match &filter.0 {
            Rule::Topic(topic) => self.topics.entry(topic.clone()).or_default().push(mailbox),
            Rule::Prefix(prefix) => {
                let keys = self.prefixes.entry(prefix.clone()).or_default();
                if keys.as_slice().is_empty() {
                    *self.lengths.entry(prefix.len()).or_default() += 1;
                }
                keys.push(mailbox);
            }
        }
    }

    /// Removes what was added.
    pub(crate) fn remove(&mut self, filter: &TopicFilter, mailbox: &Arc<Mailbox>) {
        let text = filter.text();
        let streams = match &filter.0 {
            Rule::Topic(_) => &mut self.topics,
            Rule::Prefix(_) => &mut self.prefixes,
        };
        let Some(keys) = streams.get_mut(text) else {
            return;
        };
        keys.remove(mailbox);
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
    pub(crate) fn of<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = &'a Arc<Mailbox>> {
        let prefixes = self.lengths.keys().filter_map(|&len| self.prefixes.get(topic.get(..len)?));
        self.topics.get(topic).into_iter().chain(prefixes).flat_map(Keys::as_slice)
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Mailbox>> {
        self.topics.values().chain(self.prefixes.values()).flat_map(Keys::as_slice)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::item::WhenSlow;

    fn mailboxes<const N: usize>() -> [Arc<Mailbox>; N] {
        std::array::from_fn(|_| Mailbox::new(1, 1, WhenSlow::Wait))
    }

    /// Whether these are those.
    fn are<'a>(found: impl IntoIterator<Item = &'a Arc<Mailbox>>, those: &[&Arc<Mailbox>]) -> bool {
        let found: Vec<_> = found.into_iter().map(Arc::as_ptr).collect();
        found == those.iter().map(|those| Arc::as_ptr(those)).collect::<Vec<_>>()
    }

    #[test]
    fn a_message_finds_the_streams_of_its_event_and_those_of_all_events() {
        let [first, second, third, fourth] = &mailboxes();
        let [joins, leaves] = ["join", "leave"].map(|event| Wanted::Event(event.into()));
        let mut streams = Streams::default();
        streams.add(&leaves, first);
        streams.add(&Wanted::Messages, second);
        streams.add(&joins, third);
        streams.add(&joins, fourth);
        assert!(are(streams.of("leave"), &[first, second]));
        assert!(are(streams.of("join"), &[second, third, fourth]));
        assert!(are(streams.of("other"), &[second]));
        let mut all: Vec<_> = streams.all().map(Arc::as_ptr).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn removed_streams_leave_nothing_behind() {
        let [first, second, third, _] = &mailboxes();
        let event = Wanted::Event("event".into());
        let mut streams = Streams::default();
        streams.add(&event, first);
        streams.add(&Wanted::Messages, second);
        streams.add(&event, third);
        streams.remove(&event, first);
        assert!(are(streams.of("event"), &[second, third]));
        streams.remove(&Wanted::Messages, second);
        assert!(are(streams.of("event"), &[third]));
        streams.remove(&event, third);
        assert!(are(streams.of("event"), &[]));
        assert_eq!(streams.all().count(), 0);
        assert!(streams.by_event.is_empty());
    }

    #[test]
    fn a_topic_finds_its_streams_and_those_of_its_prefixes() {
        let [exact, short, long, everything, other] = &mailboxes();
        let filters = [
            (TopicFilter::topic("room:a"), exact),
            (TopicFilter::prefix("ro"), short),
            (TopicFilter::prefix("room:"), long),
            (TopicFilter::prefix(""), everything),
            (TopicFilter::prefix("user:"), other),
        ];
        let mut streams = TopicStreams::default();
        for (filter, mailbox) in &filters {
            streams.add(filter, mailbox);
        }
        assert!(are(streams.of("room:a"), &[exact, everything, short, long]));
        assert!(are(streams.of("room:b"), &[everything, short, long]));
        assert!(are(streams.of("r\u{f6}om"), &[everything]));
        assert!(are(streams.of(""), &[everything]));
        for (filter, mailbox) in &filters {
            streams.remove(filter, mailbox);
        }
        assert!(are(streams.of("room:a"), &[]));
        assert!(streams.topics.is_empty() && streams.prefixes.is_empty());
        assert!(streams.lengths.is_empty());
    }
}
