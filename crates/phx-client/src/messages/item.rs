//! Filters and items of message streams, and their overflow policies.

use phx_proto::{ByteString, Payload, PayloadDropped, PayloadError, RequestId, Status};

/// Item of a stream of messages.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamItem<T> {
    /// A message.
    Message(T),
    /// Messages may be missing here: the channel was rejoined (a topic without a channel: the socket
    /// reconnected), or a frame of this topic came that isn't a message.
    Gap,
    /// The stream was too slow, and this many messages are missing here.
    Lagged(u64),
    /// A message that isn't a `T`. The error holds its payload; the stream goes on.
    Malformed(PayloadError),
}

impl<T> StreamItem<T> {
    /// Returns the message, if the item is one.
    pub fn message(self) -> Option<T> {
        match self {
            StreamItem::Message(message) => Some(message),
            StreamItem::Gap | StreamItem::Lagged(_) | StreamItem::Malformed(_) => None,
        }
    }
}

/// Undecoded message of any event, from [`Channel::messages`](crate::Channel::messages).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelMessage {
    /// Name of the event.
    pub event: ByteString,
    /// Payload of the message.
    pub payload: Payload,
}

/// Message on a topic without a channel of the socket, from
/// [`Socket::topic_messages`](crate::Socket::topic_messages).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicMessage {
    /// Topic of the message.
    pub topic: ByteString,
    /// Name of the event.
    pub event: ByteString,
    /// Payload of the message.
    pub payload: Payload,
}

/// Message, reply or join from the server to a channel, in the order of the wire, from
/// [`Channel::incoming`](crate::Channel::incoming).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incoming {
    /// The server accepted a join or rejoin.
    #[non_exhaustive]
    Joined {
        /// The response, or an error if the client dropped it, see
        /// [`SocketBuilder::max_answer_bytes`](crate::SocketBuilder::max_answer_bytes).
        response: Result<Payload, PayloadDropped>,
        /// True if the channel had been joined before; then a [`StreamItem::Gap`] comes before this item.
        rejoined: bool,
    },
    /// A server push or broadcast.
    Message(ChannelMessage),
    /// A reply to a push that still waited for it.
    #[non_exhaustive]
    Reply {
        /// The push, see [`Push::id`](crate::Push::id).
        push: RequestId,
        /// Status of the reply: `ok`, `error` or a custom one.
        status: Status,
        /// The response, or an error if the client dropped it, see
        /// [`SocketBuilder::max_answer_bytes`](crate::SocketBuilder::max_answer_bytes).
        response: Result<Payload, PayloadDropped>,
    },
}

/// Policy of a full stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamOverflow {
    /// The client stops reading from the transport until the stream is half empty: the server feels it, and so do
    /// all other streams of this socket. Pushes and heartbeats still go out.
    ///
    /// A stream that takes nothing for [`stall_after`](crate::SocketBuilder::stall_after) (5 s) is considered
    /// abandoned: it no longer holds back reading, loses its oldest messages, and yields [`StreamItem::Lagged`]
    /// when it is read again. The same happens to every full stream if the reply to a heartbeat couldn't be read
    /// for three quarters of [`heartbeat_limit`](crate::SocketBuilder::heartbeat_limit) (22.5 s), so that a slow
    /// stream never costs the connection. A stream that is read in time loses nothing.
    ///
    /// While reading is held back the client doesn't read replies to pushes either: a program that takes messages
    /// and waits for replies in turn should use separate tasks for the two.
    #[default]
    Wait,
    /// The oldest message is dropped; the stream yields [`StreamItem::Lagged`] in its place.
    DropOldest,
    /// The new message is dropped; the stream yields [`StreamItem::Lagged`] in its place.
    DropNewest,
}

/// Capacity and overflow policy of a stream of messages, given when it is made.
///
/// # Examples
///
/// ```no_run
/// use phx_client::{Channel, StreamOptions, StreamOverflow};
/// use serde_json::Value;
///
/// # fn doc(room: Channel) {
/// let latest = StreamOptions::new().capacity(1).overflow(StreamOverflow::DropOldest);
/// let positions = room.on_with::<Value>("position", latest);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "options do nothing until a stream is made with them"]
pub struct StreamOptions {
    pub(crate) capacity: Option<usize>,
    pub(crate) overflow: StreamOverflow,
}

impl StreamOptions {
    /// Returns the socket's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of messages that the stream holds; 0 counts as 1. Default: the builder's
    /// [`stream_capacity`](crate::SocketBuilder::stream_capacity).
    pub fn capacity(mut self, messages: usize) -> Self {
        self.capacity = Some(messages);
        self
    }

    /// Sets the overflow policy. Default: [`StreamOverflow::Wait`].
    pub fn overflow(mut self, overflow: StreamOverflow) -> Self {
        self.overflow = overflow;
        self
    }
}

/// Filter of a stream.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// The messages of one event.
    Event(ByteString),
    /// The messages of all events that start with this.
    EventPrefix(ByteString),
    /// The messages of all events.
    Messages,
    /// Messages and replies.
    Incoming,
    /// The messages of topics without a channel.
    Topics(TopicFilter),
}

/// Filter for topics without a channel, see [`Socket::topic_messages`](crate::Socket::topic_messages).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TopicFilter(Rule);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Rule {
    Topic(ByteString),
    Prefix(ByteString),
}

impl TopicFilter {
    /// Creates a filter for this topic alone.
    #[must_use]
    pub fn topic(topic: impl Into<ByteString>) -> Self {
        TopicFilter(Rule::Topic(topic.into()))
    }

    /// Creates a filter for every topic that starts with `prefix`; an empty one matches all topics.
    #[must_use]
    pub fn prefix(prefix: impl Into<ByteString>) -> Self {
        TopicFilter(Rule::Prefix(prefix.into()))
    }

    pub(crate) fn wants(&self, topic: &str) -> bool {
        match &self.0 {
            Rule::Topic(wanted) => **wanted == *topic,
            Rule::Prefix(prefix) => topic.starts_with(&**prefix),
        }
    }

    /// The topic or the prefix.
    pub(crate) fn text(&self) -> &ByteString {
        match &self.0 {
            Rule::Topic(text) | Rule::Prefix(text) => text,
        }
    }
}
