//! Which messages a stream wants.

use phx_proto::ByteString;

/// What a stream wants of its channel.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// The messages of one event.
    Event(ByteString),
    /// The messages of all events.
    Messages,
    /// These, and replies.
    Incoming,
}

/// Which topics without a channel a stream wants, see
/// [`Socket::topic_messages`](crate::Socket::topic_messages).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TopicFilter(pub(crate) Rule);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rule {
    Topic(ByteString),
    Prefix(ByteString),
}

impl TopicFilter {
    /// This topic alone.
    #[must_use]
    pub fn topic(topic: impl Into<ByteString>) -> Self {
        TopicFilter(Rule::Topic(topic.into()))
    }

    /// Every topic that starts with `prefix`; all topics if it is empty.
    #[must_use]
    pub fn prefix(prefix: impl Into<ByteString>) -> Self {
        TopicFilter(Rule::Prefix(prefix.into()))
    }

    /// The topic or the prefix.
    pub(crate) fn text(&self) -> &ByteString {
        match &self.0 {
            Rule::Topic(text) | Rule::Prefix(text) => text,
        }
    }
}
