//! Owners of topics, and the channels that are leaving one.

use alloc::boxed::Box;

use bytestring::ByteString;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;

use super::seq_map::SeqMap;
use crate::ChannelId;

/// The topics of a socket's channels.
#[derive(Debug, Default)]
pub(super) struct Topics {
    // A fixed seed will do: peers look topics up, but only the user adds them.
    topics: HashMap<ByteString, Topic, FixedState>,
}

/// The channels of a topic; there is at least one.
#[derive(Debug, Default)]
struct Topic {
    /// Channels that are being left or closed own none.
    owner: Option<ChannelId>,
    leaving: Option<Leaving>,
}

/// The channels of a topic that are being left, by the refs of their joins. A topic has another owner only after the one
/// before it is left, so that each ref is higher than the last.
#[derive(Debug)]
struct Leaving {
    join_ref: u64,
    channel: ChannelId,
    /// Those left after this one. Boxed: hardly ever is there one.
    later: Option<Box<SeqMap<ChannelId>>>,
}

impl Topics {
    #[inline]
    pub(super) fn owner(&self, topic: &str) -> Option<ChannelId> {
        self.topics.get(topic)?.owner
    }

    pub(super) fn own(&mut self, topic: &ByteString, channel: ChannelId) {
        self.topics.entry_ref(topic).or_default().owner = Some(channel);
    }

    pub(super) fn free(&mut self, topic: &ByteString, channel: ChannelId) {
        self.change(topic, |topic| topic.free(channel));
    }

    /// The channel frees its topic, and is known by its join until its leave is over.
    pub(super) fn leave(&mut self, topic: &ByteString, join_ref: u64, channel: ChannelId) {
        let topic = self.topics.entry_ref(topic).or_default();
        topic.free(channel);
        match &mut topic.leaving {
            Some(first) => first.later.get_or_insert_default().push(join_ref, channel),
            None => topic.leaving = Some(Leaving { join_ref, channel, later: None }),
        }
    }

    pub(super) fn left(&mut self, topic: &ByteString, join_ref: u64) {
        self.change(topic, |topic| topic.left(join_ref));
    }

    /// The channel that is being left and was joined with this ref; of those without one, the channel that has been
    /// left first.
    pub(super) fn leaving(&self, topic: &ByteString, join_ref: Option<u64>) -> Option<ChannelId> {
        let first = self.topics.get(topic)?.leaving.as_ref()?;
        match join_ref {
            Some(join_ref) if join_ref != first.join_ref => {
                first.later.as_ref()?.get(join_ref).copied()
            }
            _ => Some(first.channel),
        }
    }

    /// Changes a topic, and forgets it if no channel is left.
    fn change(&mut self, topic: &ByteString, change: impl FnOnce(&mut Topic)) {
        if let EntryRef::Occupied(mut entry) = self.topics.entry_ref(topic) {
            change(entry.get_mut());
            if let Topic { owner: None, leaving: None } = entry.get() {
                entry.remove();
            }
        }
    }
}

impl Topic {
    fn free(&mut self, channel: ChannelId) {
        // Another channel may own the topic by now.
        self.owner.take_if(|owner| *owner == channel);
    }

    fn left(&mut self, join_ref: u64) {
        let Some(first) = &mut self.leaving else { return };
        if first.join_ref != join_ref {
            first.later.as_mut().and_then(|later| later.remove(join_ref));
        } else if let Some(next) = first.later.as_mut().and_then(|later| later.pop_first()) {
            (first.join_ref, first.channel) = next;
        } else {
            self.leaving = None;
        }
    }
}
