//! What the client keeps of each channel beside the core's own state.

use std::any::Any;
use std::slice;
use std::sync::{Arc, Weak};

use phx_proto::{
    ByteString, ChannelCloseCause, ChannelId, ChannelState, Payload, PayloadDropped, PushId,
};
use slotmap::{KeyData, SecondaryMap};

use super::hooks::ChannelHooks;
use super::mailbox::MailboxKey;
use super::watch::Watch;
use crate::channel::ChannelFailure;
use crate::messages::wanted::Wanted;
use crate::runtime::BoxFuture;

/// Makes a channel's params, anew for every join. `None`: they couldn't be made.
pub(crate) type ParamsFunction = Arc<dyn Fn() -> BoxFuture<Option<Payload>> + Send + Sync>;

slotmap::new_key_type! {
    /// A [`ChannelId`]'s index and generation.
    struct Key;
}

fn key(id: ChannelId) -> Key {
    KeyData::from_ffi(id.as_u64()).into()
}

/// The entries of all channels.
pub(crate) struct ChannelEntries(SecondaryMap<Key, (ChannelId, ChannelEntry)>);

impl ChannelEntries {
    pub(crate) fn new() -> Self {
        ChannelEntries(SecondaryMap::with_capacity(1))
    }

    pub(crate) fn insert(&mut self, id: ChannelId, entry: ChannelEntry) {
        self.0.insert(key(id), (id, entry));
    }

    pub(crate) fn remove(&mut self, id: ChannelId) -> Option<ChannelEntry> {
        self.0.remove(key(id)).map(|(_, entry)| entry)
    }

    pub(crate) fn get(&self, id: ChannelId) -> Option<&ChannelEntry> {
        self.0.get(key(id)).map(|(_, entry)| entry)
    }

    pub(crate) fn get_mut(&mut self, id: ChannelId) -> Option<&mut ChannelEntry> {
        self.0.get_mut(key(id)).map(|(_, entry)| entry)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (ChannelId, &mut ChannelEntry)> {
        self.0.values_mut().map(|(id, entry)| (*id, entry))
    }
}

/// One channel: its handle, its streams and its hooks. There are many, and each message looks into
/// one: what most of them never have is in a box.
pub(crate) struct ChannelEntry {
    pub(crate) hooks: Option<Box<ChannelHooks>>,
    pub(crate) streams: Streams,
    pub(crate) status: Watch<ChannelState>,
    /// Lets another part of the program find the channel by its topic.
    /// It holds the socket, so that its type is unknown here.
    pub(crate) handle: Weak<dyn Any + Send + Sync>,
    pub(crate) params: Option<ParamsFunction>,
    /// The last call of `join`: its reply is the join's, and no push's.
    pub(crate) join_call: Option<PushId>,
    /// The response to the last join.
    pub(crate) response: Option<Result<Payload, PayloadDropped>>,
    pub(crate) closed: Option<Box<ChannelCloseCause>>,
    /// Why it isn't joined, until it is or is closed.
    pub(crate) failure: Option<Box<ChannelFailure>>,
    /// How many failures there were.
    pub(crate) failures: u32,
    /// Ends that came before a join of a user, and are reported after it.
    pub(crate) overtaken_ends: u32,
}

impl ChannelEntry {
    pub(crate) fn new(params: Option<ParamsFunction>) -> Self {
        ChannelEntry {
            hooks: None,
            streams: Streams::default(),
            status: Watch::new(ChannelState::New),
            handle: Weak::<()>::new(),
            params,
            join_call: None,
            response: None,
            closed: None,
            failure: None,
            failures: 0,
            overtaken_ends: 0,
        }
    }

    /// Whether it is never joined again: it was replaced, or nobody drives the socket any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(
            self.closed.as_deref(),
            Some(ChannelCloseCause::Replaced | ChannelCloseCause::Stopped)
        )
    }

    /// Bytes of the join's response.
    pub(super) fn response_len(&self) -> usize {
        self.response.as_ref().and_then(|response| response.as_ref().ok()).map_or(0, Payload::len)
    }

    /// Bytes of what the server sent with the failure.
    pub(super) fn failure_len(&self) -> usize {
        self.failure.as_ref().map_or(0, |failure| failure.answer_len())
    }

    /// Bytes of what the server sent with the end.
    pub(super) fn cause_len(&self) -> usize {
        self.closed.as_ref().map_or(0, |cause| cause.answer_len())
    }

    /// Bytes of all that the server answered.
    pub(super) fn answer_len(&self) -> usize {
        let ends = self.cause_len().saturating_add(self.failure_len());
        self.response_len().saturating_add(ends)
    }
}

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
    pub(crate) fn of(&self, event: &str) -> &[MailboxKey] {
        match self.find(event) {
            Ok(index) => self.by_event.get(index).map_or(&[], |(_, keys)| keys.as_slice()),
            Err(_) => self.everything.as_slice(),
        }
    }

    /// All of them; some more than once.
    pub(crate) fn all(&self) -> impl Iterator<Item = MailboxKey> {
        let lists = self.by_event.iter().map(|(_, keys)| keys);
        lists.chain([&self.everything]).flat_map(Keys::as_slice).copied()
    }

    /// The streams that want replies.
    pub(crate) fn incoming(&self) -> &[MailboxKey] {
        self.incoming.as_slice()
    }

    /// Adds a stream.
    pub(crate) fn add(&mut self, wanted: &Wanted, key: MailboxKey) {
        let event = match wanted {
            Wanted::Event(event) => event,
            Wanted::Messages | Wanted::Incoming => {
                self.everything.push(key);
                self.by_event.iter_mut().for_each(|(_, keys)| keys.push(key));
                if let Wanted::Incoming = wanted {
                    self.incoming.push(key);
                }
                return;
            }
        };
        match self.find(event) {
            Ok(index) => {
                if let Some((_, keys)) = self.by_event.get_mut(index) {
                    keys.push(key);
                }
            }
            Err(index) => {
                let mut keys = self.everything.clone();
                keys.push(key);
                if self.by_event.is_empty() {
                    // Most channels have streams of one event.
                    self.by_event.reserve_exact(1);
                }
                self.by_event.insert(index, (event.clone(), keys));
            }
        }
    }

    /// Removes what was added.
    pub(crate) fn remove(&mut self, wanted: &Wanted, key: MailboxKey) {
        let event = match wanted {
            Wanted::Event(event) => event,
            Wanted::Messages | Wanted::Incoming => {
                self.everything.remove(key);
                self.incoming.remove(key);
                self.by_event.iter_mut().for_each(|(_, keys)| keys.remove(key));
                return;
            }
        };
        let everything = self.everything.as_slice().len();
        if let Ok(index) = self.find(event)
            && let Some((_, keys)) = self.by_event.get_mut(index)
        {
            keys.remove(key);
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

/// Keys, with a place for one that costs no memory of its own.
#[derive(Clone)]
pub(super) enum Keys {
    One(MailboxKey),
    Any(Vec<MailboxKey>),
}

impl Keys {
    pub(super) fn as_slice(&self) -> &[MailboxKey] {
        match self {
            Keys::One(key) => slice::from_ref(key),
            Keys::Any(keys) => keys,
        }
    }

    pub(super) fn push(&mut self, key: MailboxKey) {
        match self {
            Keys::Any(keys) if keys.is_empty() => *self = Keys::One(key),
            Keys::Any(keys) => keys.push(key),
            Keys::One(first) => *self = Keys::Any(vec![*first, key]),
        }
    }

    pub(super) fn remove(&mut self, key: MailboxKey) {
        match self {
            Keys::One(one) if *one == key => *self = Keys::default(),
            Keys::One(_) => {}
            Keys::Any(keys) => keys.retain(|&other| other != key),
        }
    }
}

impl Default for Keys {
    fn default() -> Self {
        Keys::Any(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use slotmap::SlotMap;

    use super::*;

    fn keys() -> [MailboxKey; 4] {
        let mut made = SlotMap::with_key();
        std::array::from_fn(|_| made.insert(()))
    }

    #[test]
    fn a_message_finds_the_streams_of_its_event_and_those_of_all_events() {
        let [first, second, third, fourth] = keys();
        let [joins, leaves] = ["join", "leave"].map(|event| Wanted::Event(event.into()));
        let mut streams = Streams::default();
        streams.add(&leaves, first);
        streams.add(&Wanted::Messages, second);
        streams.add(&joins, third);
        streams.add(&joins, fourth);
        assert_eq!(streams.of("leave"), [first, second]);
        assert_eq!(streams.of("join"), [second, third, fourth]);
        assert_eq!(streams.of("other"), [second]);
        let mut all: Vec<_> = streams.all().collect();
        all.sort();
        all.dedup();
        assert_eq!(all, [first, second, third, fourth]);
    }

    #[test]
    fn removed_streams_leave_nothing_behind() {
        let [first, second, third, _] = keys();
        let event = Wanted::Event("event".into());
        let mut streams = Streams::default();
        streams.add(&event, first);
        streams.add(&Wanted::Messages, second);
        streams.add(&event, third);
        streams.remove(&event, first);
        assert_eq!(streams.of("event"), [second, third]);
        streams.remove(&Wanted::Messages, second);
        assert_eq!(streams.of("event"), [third]);
        streams.remove(&event, third);
        assert_eq!(streams.of("event"), []);
        assert_eq!(streams.all().count(), 0);
        assert!(streams.by_event.is_empty());
    }
}
