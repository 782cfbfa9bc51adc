//! Streams of messages: of a channel, or of topics without one.

use std::any::type_name;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::stream::{FusedStream, Stream};
use phx_proto::{ByteString, Payload};
use serde::de::DeserializeOwned;

use self::item::{
    ChannelMessage, Incoming, StreamItem, StreamOptions, TopicFilter, TopicMessage, Wanted,
};
use crate::channel::Channel;
use crate::log::undecodable;
use crate::shared::{Content, Deferred, Entry, Mailbox, Other, Shared, State, Streams};
use crate::socket::Socket;

pub(crate) mod item;

/// Stream of messages: server pushes and broadcasts.
///
/// Made by [`Channel::on`], [`Channel::on_raw`], [`Channel::messages`] and [`Channel::incoming`], and, for topics
/// without a channel, by [`Socket::topic_messages`]. It yields the messages that arrive after it was made, ends
/// when its channel is left or closed for good (not when the socket disconnects: it may connect again), and keeps
/// the channel (and the socket) until it is dropped. Dropping it is the `off` of other clients.
///
/// # When messages come faster than they are taken
///
/// A stream holds as many messages as its [`StreamOptions`] say, of at most
/// [`stream_bytes`](crate::SocketBuilder::stream_bytes) together, and up to 63 more that it has taken together with
/// the last one. [`StreamOverflow`](crate::StreamOverflow) says what happens when it is full; by default no message
/// is lost as long as the stream is read at all, see [`StreamOverflow::Wait`](crate::StreamOverflow::Wait).
///
/// # Examples
///
/// ```no_run
/// use phx_client::{Channel, StreamItem};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct NewMsg {
///     body: String,
/// }
///
/// # async fn doc(room: Channel) {
/// let mut messages = room.on::<NewMsg>("new_msg");
/// while let Some(item) = messages.next().await {
///     match item {
///         StreamItem::Message(message) => println!("{}", message.body),
///         StreamItem::Gap => println!("(rejoined: something may be missing here)"),
///         StreamItem::Lagged(count) => println!("(too slow: {count} messages lost)"),
///         StreamItem::Malformed(error) => println!("(not a NewMsg: {error})"),
///         _ => {}
///     }
/// }
/// # }
/// ```
#[must_use = "a stream that is dropped takes nothing"]
pub struct Messages<T> {
    source: Source,
    mailbox: Arc<Mailbox>,
    decode: Decode<T>,
    /// Entries taken from the mailbox together with the last one, so that its lock is taken once for many.
    taken: VecDeque<Entry>,
    ended: bool,
}

/// Converts the content of a mailbox to an item; `None` for content that this kind of stream never gets.
type Decode<T> = fn(Content) -> Option<StreamItem<T>>;

/// Source of a stream's messages.
enum Source {
    Channel { channel: Channel, wanted: Wanted },
    Topics { socket: Socket, filter: TopicFilter },
}

impl Source {
    fn shared(&self) -> &Shared {
        match self {
            Source::Channel { channel, .. } => channel.shared(),
            Source::Topics { socket, .. } => socket.shared(),
        }
    }

    /// Returns the topic or the filter's text.
    fn topic(&self) -> &ByteString {
        match self {
            Source::Channel { channel, .. } => channel.topic(),
            Source::Topics { filter, .. } => filter.text(),
        }
    }

    /// Returns the event of a stream of one event.
    fn event(&self) -> Option<&str> {
        match self {
            Source::Channel { wanted: Wanted::Event(event), .. } => Some(event),
            Source::Channel { .. } | Source::Topics { .. } => None,
        }
    }

    /// The streams among which this one is; `None` if the channel is gone.
    fn streams<'a>(&self, state: &'a mut State) -> Option<&'a mut Streams> {
        match self {
            Source::Channel { channel, .. } => {
                state.channels.get_mut(channel.id()).map(|entry| &mut entry.streams)
            }
            Source::Topics { .. } => Some(&mut state.topics),
        }
    }

    fn wanted(&self) -> Wanted {
        match self {
            Source::Channel { wanted, .. } => wanted.clone(),
            Source::Topics { filter, .. } => Wanted::Topics(filter.clone()),
        }
    }

    /// Returns true if no more messages can come.
    fn is_over(&self, state: &State) -> bool {
        let is_closed = match self {
            Source::Channel { channel, .. } => {
                state.channels.get(channel.id()).is_none_or(|entry| entry.closed.is_some())
            }
            Source::Topics { .. } => false,
        };
        is_closed || state.is_driver_gone()
    }
}

impl<T> Messages<T> {
    fn of_channel(
        channel: &Channel,
        wanted: Wanted,
        options: StreamOptions,
        decode: Decode<T>,
    ) -> Self {
        Messages::new(Source::Channel { channel: channel.clone(), wanted }, options, decode)
    }

    fn new(source: Source, options: StreamOptions, decode: Decode<T>) -> Self {
        let shared = source.shared();
        let settings = &shared.settings;
        let capacity = options.capacity.unwrap_or(settings.stream_capacity).max(1);
        let mailbox = Mailbox::new(capacity, settings.stream_bytes, options.overflow);
        let mut state = shared.lock();
        if let Some(streams) = source.streams(&mut state) {
            streams.add(source.wanted(), &mailbox);
        }
        if source.is_over(&state) {
            mailbox.end(&mut Deferred::default());
        }
        drop(state);
        Messages { source, mailbox, decode, taken: VecDeque::new(), ended: false }
    }

    /// Returns the next item; `None` when the channel is closed for good.
    ///
    /// Cancel-safe: dropping the future loses nothing. The same as `StreamExt::next` of the futures
    /// crate, without the import.
    pub async fn next(&mut self) -> Option<StreamItem<T>> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    /// Returns a stream of the messages only. It skips gaps, losses and messages that aren't a `T`, each with a
    /// warning to `tracing`; [`Values::skipped`] counts the messages that weren't a `T`.
    pub fn values(self) -> Values<T> {
        Values { messages: self, skipped: 0 }
    }

    fn poll_item(&mut self, cx: &Context<'_>) -> Poll<Option<StreamItem<T>>> {
        loop {
            let mut entry = self.taken.pop_front();
            if self.mailbox.was_full() {
                entry = self.take_of_full(entry);
            }
            let item = match entry {
                Some(Entry::Content(content)) => (self.decode)(content),
                Some(Entry::Gap) => Some(StreamItem::Gap),
                Some(Entry::Lagged(count)) => Some(StreamItem::Lagged(count)),
                None if self.ended => return Poll::Ready(None),
                None => {
                    self.ended = !ready!(self.mailbox.poll_take(&mut self.taken, cx));
                    None
                }
            };
            if item.is_some() {
                return Poll::Ready(item);
            }
        }
    }

    /// Records that the stream is being read, since it may hold back reading.
    #[cold]
    fn take_of_full(&self, taken: Option<Entry>) -> Option<Entry> {
        let shared = self.source.shared();
        // Clocks aren't looked at under the lock.
        let now = shared.runtime.now();
        let mut state = shared.lock();
        let (entry, changed) = self.mailbox.take_of_full(taken, now, &mut state.mailboxes);
        drop(state);
        if changed {
            shared.driver.wake();
        }
        entry
    }
}

/// Streams of a channel's messages.
impl Channel {
    /// Returns a stream of the messages of one event, each decoded as a `T`.
    ///
    /// The stream receives messages that arrive after this call. Those that the server sends right after a join may
    /// arrive earlier: to receive them all, create the channel with
    /// [`ChannelBuilder::create`](crate::ChannelBuilder::create), call this, and then [`join`](Self::join).
    pub fn on<T: DeserializeOwned>(&self, event: impl Into<ByteString>) -> Messages<T> {
        self.on_with(event, StreamOptions::new())
    }

    /// As [`on`](Self::on), with options for its capacity and overflow.
    pub fn on_with<T: DeserializeOwned>(
        &self,
        event: impl Into<ByteString>,
        options: StreamOptions,
    ) -> Messages<T> {
        Messages::of_channel(self, Wanted::Event(event.into()), options, decode)
    }

    /// Returns a stream of the undecoded messages of one event, including binary ones, from this call on, as with
    /// [`on`](Self::on).
    pub fn on_raw(&self, event: impl Into<ByteString>) -> Messages<Payload> {
        self.on_raw_with(event, StreamOptions::new())
    }

    /// As [`on_raw`](Self::on_raw), with options for its capacity and overflow.
    pub fn on_raw_with(
        &self,
        event: impl Into<ByteString>,
        options: StreamOptions,
    ) -> Messages<Payload> {
        Messages::of_channel(self, Wanted::Event(event.into()), options, raw)
    }

    /// Returns a stream of the undecoded messages of all events whose names start with `prefix`, from this call on, as
    /// with [`on`](Self::on).
    pub fn on_prefix(&self, prefix: impl Into<ByteString>) -> Messages<ChannelMessage> {
        self.on_prefix_with(prefix, StreamOptions::new())
    }

    /// As [`on_prefix`](Self::on_prefix), with options for its capacity and overflow.
    pub fn on_prefix_with(
        &self,
        prefix: impl Into<ByteString>,
        options: StreamOptions,
    ) -> Messages<ChannelMessage> {
        Messages::of_channel(self, Wanted::EventPrefix(prefix.into()), options, any)
    }

    /// Returns a stream of the messages of all events, from this call on, as with [`on`](Self::on).
    pub fn messages(&self) -> Messages<ChannelMessage> {
        self.messages_with(StreamOptions::new())
    }

    /// As [`messages`](Self::messages), with options for its capacity and overflow.
    pub fn messages_with(&self, options: StreamOptions) -> Messages<ChannelMessage> {
        Messages::of_channel(self, Wanted::Messages, options, any)
    }

    /// Returns a stream of messages and replies, in the order in which the server sent them, from this call on, as
    /// with [`on`](Self::on): for programs that apply them one after another, as a LiveView's renderer applies
    /// diffs.
    ///
    /// It also yields the replies that the futures of joins and pushes get. The client drops a reply to a push that
    /// has timed out, was cancelled or has been answered already.
    pub fn incoming(&self) -> Messages<Incoming> {
        self.incoming_with(StreamOptions::new())
    }

    /// As [`incoming`](Self::incoming), with options for its capacity and overflow.
    pub fn incoming_with(&self, options: StreamOptions) -> Messages<Incoming> {
        Messages::of_channel(self, Wanted::Incoming, options, incoming)
    }
}

impl Socket {
    /// Returns a stream of the messages on topics without a channel of this socket: broadcasts to the whole
    /// connection, such as the data of Absinthe's subscriptions, whose topics must not be joined.
    ///
    /// A stream made with [`TopicFilter::prefix`] before a push receives everything that the server sends right
    /// behind the reply. It is bounded and holds back reading as a channel's streams do, yields a
    /// [`StreamItem::Gap`] when the socket has reconnected (the client must subscribe again on the new connection),
    /// and ends with the socket's driver. Messages on a topic go only to its channel while it has one.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use phx_client::{Channel, Socket, StreamItem, TopicFilter};
    /// use serde_json::json;
    ///
    /// # async fn doc(socket: Socket, control: Channel) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut data = socket.topic_messages(TopicFilter::prefix("__absinthe__:"));
    /// let query = json!({ "query": "subscription { postAdded { title } }" });
    /// control.push("doc", &query).acknowledged().await?;
    /// while let Some(item) = data.next().await {
    ///     match item {
    ///         StreamItem::Message(message) => println!("{} {:?}", message.topic, message.payload),
    ///         StreamItem::Gap => println!("reconnected: subscribe again"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn topic_messages(&self, filter: TopicFilter) -> Messages<TopicMessage> {
        self.topic_messages_with(filter, StreamOptions::new())
    }

    /// As [`topic_messages`](Self::topic_messages), with options for its capacity and overflow.
    pub fn topic_messages_with(
        &self,
        filter: TopicFilter,
        options: StreamOptions,
    ) -> Messages<TopicMessage> {
        Messages::new(Source::Topics { socket: self.clone(), filter }, options, decode_topic)
    }
}

/// Decodes for [`Channel::on`].
fn decode<T: DeserializeOwned>(content: Content) -> Option<StreamItem<T>> {
    match content {
        Content::Message { payload, .. } => Some(match payload.decode() {
            Ok(message) => StreamItem::Message(message),
            Err(error) => StreamItem::Malformed(error),
        }),
        Content::Other(_) => None,
    }
}

/// Leaves the payload alone, for [`Channel::on_raw`].
fn raw(content: Content) -> Option<StreamItem<Payload>> {
    match content {
        Content::Message { payload, .. } => Some(StreamItem::Message(payload)),
        Content::Other(_) => None,
    }
}

/// Keeps the event, for [`Channel::messages`].
fn any(content: Content) -> Option<StreamItem<ChannelMessage>> {
    match content {
        Content::Message { event, payload } => {
            Some(StreamItem::Message(ChannelMessage { event, payload }))
        }
        Content::Other(_) => None,
    }
}

/// Keeps replies too, for [`Channel::incoming`].
fn incoming(content: Content) -> Option<StreamItem<Incoming>> {
    match content {
        Content::Message { event, payload } => {
            Some(StreamItem::Message(Incoming::Message(ChannelMessage { event, payload })))
        }
        Content::Other(other) => match *other {
            Other::Incoming(incoming) => Some(StreamItem::Message(incoming)),
            Other::Topic(_) => None,
        },
    }
}

/// Keeps the topic, for [`Socket::topic_messages`].
fn decode_topic(content: Content) -> Option<StreamItem<TopicMessage>> {
    match content {
        Content::Other(other) => match *other {
            Other::Topic(message) => Some(StreamItem::Message(message)),
            Other::Incoming(_) => None,
        },
        Content::Message { .. } => None,
    }
}

impl<T> Stream for Messages<T> {
    type Item = StreamItem<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(cx)
    }
}

impl<T> FusedStream for Messages<T> {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

/// Stops taking. The channel's last handle or stream also leaves the channel.
impl<T> Drop for Messages<T> {
    fn drop(&mut self) {
        let shared = self.source.shared();
        let mut state = shared.lock();
        if let Some(streams) = self.source.streams(&mut state) {
            streams.remove(&self.mailbox);
        }
        drop(state);
        if self.mailbox.close() {
            shared.driver.wake();
        }
    }
}

impl<T> fmt::Debug for Messages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut messages = f.debug_struct("Messages");
        match &self.source {
            Source::Channel { channel, wanted } => {
                messages.field("topic", channel.topic()).field("wanted", wanted)
            }
            Source::Topics { filter, .. } => messages.field("topics", filter),
        };
        messages.finish_non_exhaustive()
    }
}

/// Stream of messages without notices, see [`Messages::values`].
#[derive(Debug)]
#[must_use = "a stream that is dropped takes nothing"]
pub struct Values<T> {
    messages: Messages<T>,
    /// Number of messages that weren't a `T`.
    skipped: u64,
}

impl<T> Values<T> {
    /// Returns the number of messages skipped so far because they weren't a `T`.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Returns the next message; `None` when the channel is closed for good. Cancel-safe.
    pub async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_value(cx)).await
    }

    #[cold]
    fn lacks(&self, payload: Option<&Payload>, why: impl FnOnce() -> String) {
        let source = &self.messages.source;
        source.shared().settings.log.lacks(source.topic(), source.event(), payload, why);
    }

    fn poll_value(&mut self, cx: &Context<'_>) -> Poll<Option<T>> {
        loop {
            let Some(item) = ready!(self.messages.poll_item(cx)) else {
                return Poll::Ready(None);
            };
            match item {
                StreamItem::Message(message) => return Poll::Ready(Some(message)),
                StreamItem::Gap => self.lacks(None, || "messages may be missing".to_owned()),
                StreamItem::Lagged(count) => {
                    self.lacks(None, || format!("{count} messages lost: the stream is too slow"));
                }
                StreamItem::Malformed(error) => {
                    self.skipped = self.skipped.saturating_add(1);
                    self.lacks(error.payload(), || {
                        let (wanted, why) = (type_name::<T>(), undecodable(&error));
                        format!("skipped a message that isn't a `{wanted}`: {why}")
                    });
                }
            }
        }
    }
}

impl<T> Stream for Values<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_value(cx)
    }
}

impl<T> FusedStream for Values<T> {
    fn is_terminated(&self) -> bool {
        self.messages.ended
    }
}
