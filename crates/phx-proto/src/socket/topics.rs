//! Owners of topics, and the channels that are leaving one.

use alloc::collections::BTreeMap;

use bytestring::ByteString;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::ChannelId;

/// The topics of a socket's channels.
#[derive(Debug, Default)]
pub(super) struct Topics {
    /// Channels that are being left or closed own none.
    // A fixed seed will do: peers look topics up, but only the user adds them.
    owners: HashMap<ByteString, ChannelId, FixedState>,
    /// The channels that are being left, by topic and join: the topic may be another's by now.
    // Ordered, so that the first of a topic is found without its join.
    leaving: BTreeMap<(ByteString, u64), ChannelId>,
}

impl Topics {
    #[inline]
    pub(super) fn owner(&self, topic: &str) -> Option<ChannelId> {
        self.owners.get(topic).copied()
    }

    pub(super) fn own(&mut self, topic: ByteString, channel: ChannelId) {
        self.owners.insert(topic, channel);
    }

    pub(super) fn free(&mut self, topic: &ByteString, channel: ChannelId) {
        // Another channel may own the topic by now.
        if self.owner(topic) == Some(channel) {
            self.owners.remove(topic);
        }
    }

    /// The channel frees its topic, and is known by its join until its leave is over.
    pub(super) fn leave(&mut self, topic: &ByteString, join_ref: u64, channel: ChannelId) {
        self.free(topic, channel);
        self.leaving.insert((topic.clone(), join_ref), channel);
    }

    pub(super) fn left(&mut self, topic: &ByteString, join_ref: u64) {
        self.leaving.remove(&(topic.clone(), join_ref));
    }

    /// The channel that is being left and was joined with this ref; of those without one, the channel that has been
    /// left first.
    pub(super) fn leaving(&self, topic: &ByteString, join_ref: Option<u64>) -> Option<ChannelId> {
        // Nearly always, and then no key has to be made.
        if self.leaving.is_empty() {
            return None;
        }
        let from = (topic.clone(), join_ref.unwrap_or_default());
        let ((first, number), channel) = self.leaving.range(from..).next()?;
        (first == topic && join_ref.is_none_or(|join_ref| join_ref == *number)).then_some(*channel)
    }
}
