//! Streams of a channel's messages.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::{FusedStream, Stream};
use phx_proto::{ByteString, Instant, Payload, PayloadError};
use serde::de::DeserializeOwned;

use crate::channel::Channel;
use crate::shared::{Entry, Mailbox, MailboxKey, Taken};

/// A stream of a channel's messages: server pushes and broadcasts.
///
/// Made by [`Channel::on`], [`Channel::on_raw`] and [`Channel::messages`]. It sees what comes after
/// it was made, ends when the channel is left or closed for good (not when the socket disconnects:
/// it may connect again), and keeps the channel (and the socket) until it is dropped. Dropping it is
/// the `off` of other clients.
///
/// # When messages come faster than they are taken
///
/// A stream holds [`capacity`](Self::capacity) messages, of
/// [`stream_bytes`](crate::Builder::stream_bytes) together, and beside these up to 31 that it has taken
/// together with the last one. [`WhenSlow`] says what happens when it is
/// full; by default nothing is lost as long as the stream is read at all, see [`WhenSlow::Wait`].
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
    channel: Channel,
    key: MailboxKey,
    event: Option<ByteString>,
    decode: fn(ByteString, Payload) -> StreamItem<T>,
    /// Taken from the mailbox together with one that was given, so that the lock is taken once.
    taken: VecDeque<Entry>,
    ended: bool,
}

/// What a stream of messages yields.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamItem<T> {
    /// A message.
    Message(T),
    /// The channel was rejoined: messages that the server sent in the meantime are lost.
    Gap,
    /// The stream was too slow, and this many messages are missing here.
    Lagged(u64),
    /// A message that isn't a `T`. The error holds its payload; the stream goes on.
    Malformed(PayloadError),
}

impl<T> StreamItem<T> {
    /// The message, if this is one.
    pub fn message(self) -> Option<T> {
        match self {
            StreamItem::Message(message) => Some(message),
            StreamItem::Gap | StreamItem::Lagged(_) | StreamItem::Malformed(_) => None,
        }
    }
}

/// A message of any event, undecoded: what [`Channel::messages`] yields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelMessage {
    /// The event's name.
    pub event: ByteString,
    /// The payload.
    pub payload: Payload,
}

/// What happens when a stream is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenSlow {
    /// Nothing is read from the transport until the stream has been read by half: the server feels
    /// it, and so do all the other streams of this socket. Pushes and heartbeats still go out.
    ///
    /// A stream that takes nothing for
    /// [`stall_after`](crate::Builder::stall_after) (5 s) is taken for forgotten: it holds nobody
    /// back any more, loses its oldest messages, and says so by [`StreamItem::Lagged`] when it is
    /// read again. The same happens to whatever is full if the reply to a heartbeat couldn't be read
    /// for three quarters of the heartbeat timeout, so that a slow stream never costs the connection.
    ///
    /// Replies to pushes aren't read either meanwhile: who takes messages and waits for replies in
    /// turns should give the two their own tasks.
    #[default]
    Wait,
    /// The oldest message gives way; the stream says [`StreamItem::Lagged`] in its place.
    DropOldest,
    /// The new message is dropped; the stream says [`StreamItem::Lagged`] in its place.
    DropNewest,
}

impl<T> Messages<T> {
    pub(crate) fn new(
        channel: Channel,
        event: Option<ByteString>,
        decode: fn(ByteString, Payload) -> StreamItem<T>,
    ) -> Self {
        let shared = channel.shared();
        let mut state = shared.lock();
        let settings = &shared.settings;
        let mut mailbox = Mailbox::new(settings.stream_capacity, settings.stream_bytes);
        let closed = state.channels.get(channel.id()).is_none_or(|entry| entry.closed.is_some());
        if closed || state.stopped {
            mailbox.end();
        }
        let key = state.mailboxes.insert(mailbox);
        if let Some(entry) = state.channels.get_mut(channel.id()) {
            entry.streams.add(event.as_ref(), key);
        }
        drop(state);
        Messages { channel, key, event, decode, taken: VecDeque::new(), ended: false }
    }

    /// The same stream with room for this many messages (at least 1). Default: the builder's
    /// [`stream_capacity`](crate::Builder::stream_capacity).
    pub fn capacity(self, messages: usize) -> Self {
        self.change(|mailbox, now| mailbox.set_capacity(now, messages));
        self
    }

    /// The same stream with this rule for when it is full. Default: [`WhenSlow::Wait`].
    pub fn when_slow(self, when_slow: WhenSlow) -> Self {
        self.change(|mailbox, now| mailbox.set_when_slow(now, when_slow));
        self
    }

    /// The next item; `None` when the channel is closed for good.
    ///
    /// Cancel-safe: dropping the future loses nothing. The same as `StreamExt::next` of the futures
    /// crate, without the import.
    pub async fn next(&mut self) -> Option<StreamItem<T>> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    /// Only the messages. Gaps, losses and what isn't a `T` are skipped, and told to `tracing` at
    /// the level of a warning.
    pub fn values(self) -> Values<T> {
        Values { messages: self }
    }

    fn change(&self, change: impl FnOnce(&mut Mailbox, Instant) -> bool) {
        self.channel.shared().call(|state, now, _| {
            state.mailboxes.change(self.key, |mailbox| change(mailbox, now));
        });
    }

    fn poll_item(&mut self, cx: &Context<'_>) -> Poll<Option<StreamItem<T>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(entry) = self.taken.pop_front() {
            if self.channel.shared().is_reading_held() {
                self.note_taken();
            }
            return Poll::Ready(Some(self.item(entry)));
        }
        let shared = self.channel.shared();
        let mut state = shared.lock();
        // Only a stream that was full has to know the time, and clocks aren't looked at under the lock.
        let mut now = None;
        if state.mailboxes.was_full(self.key) {
            drop(state);
            now = Some(shared.runtime.now());
            state = shared.lock();
        }
        let (entry, taken, old) = state.mailboxes.poll(self.key, now, &mut self.taken, cx);
        drop(state);
        drop(old);
        if taken != Taken::Indifferent {
            shared.wake_driver();
        }
        let Some(entry) = std::task::ready!(entry) else {
            self.ended = true;
            return Poll::Ready(None);
        };
        Poll::Ready(Some(self.item(entry)))
    }

    /// Shows that the stream is alive, for someone holds back reading: perhaps this one.
    fn note_taken(&self) {
        let shared = self.channel.shared();
        let now = shared.runtime.now();
        let mut state = shared.lock();
        let taken = state.mailboxes.note_taken(self.key, now);
        drop(state);
        if taken != Taken::Indifferent {
            shared.wake_driver();
        }
    }

    fn item(&self, entry: Entry) -> StreamItem<T> {
        match entry {
            Entry::Message { event, payload } => (self.decode)(event, payload),
            Entry::Gap => StreamItem::Gap,
            Entry::Lagged(count) => StreamItem::Lagged(count),
        }
    }
}

/// Decodes for [`Channel::on`].
#[expect(clippy::needless_pass_by_value, reason = "one signature with `raw` and `any`")]
pub(crate) fn decode<T: DeserializeOwned>(_: ByteString, payload: Payload) -> StreamItem<T> {
    match payload.decode() {
        Ok(message) => StreamItem::Message(message),
        Err(error) => StreamItem::Malformed(error),
    }
}

/// Leaves the payload alone, for [`Channel::on_raw`].
pub(crate) fn raw(_: ByteString, payload: Payload) -> StreamItem<Payload> {
    StreamItem::Message(payload)
}

/// Keeps the event, for [`Channel::messages`].
pub(crate) fn any(event: ByteString, payload: Payload) -> StreamItem<ChannelMessage> {
    StreamItem::Message(ChannelMessage { event, payload })
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
        let shared = self.channel.shared();
        let mut state = shared.lock();
        if let Some(entry) = state.channels.get_mut(self.channel.id()) {
            entry.streams.remove(self.event.as_ref(), self.key);
        }
        let mailbox = state.mailboxes.remove(self.key);
        drop(state);
        if mailbox.is_some_and(|mailbox| mailbox.holding_since().is_some()) {
            shared.wake_driver();
        }
    }
}

impl<T> fmt::Debug for Messages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages")
            .field("topic", self.channel.topic())
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

/// The messages of a stream without its notices, see [`Messages::values`].
#[derive(Debug)]
#[must_use = "a stream that is dropped takes nothing"]
pub struct Values<T> {
    messages: Messages<T>,
}

impl<T> Values<T> {
    /// The next message; `None` when the channel is closed for good. Cancel-safe.
    pub async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_value(cx)).await
    }

    fn poll_value(&mut self, cx: &Context<'_>) -> Poll<Option<T>> {
        loop {
            let Some(item) = std::task::ready!(self.messages.poll_item(cx)) else {
                return Poll::Ready(None);
            };
            let topic = self.messages.channel.topic();
            match item {
                StreamItem::Message(message) => return Poll::Ready(Some(message)),
                StreamItem::Gap => {
                    tracing::warn!(target: "phx_client::channel", %topic, "messages may have been missed before a rejoin");
                }
                StreamItem::Lagged(count) => {
                    tracing::warn!(target: "phx_client::channel", %topic, count, "messages lost: the stream is too slow");
                }
                // The error's text could quote the payload.
                StreamItem::Malformed(_) => {
                    tracing::warn!(target: "phx_client::channel", %topic, "skipped a message of another shape");
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
