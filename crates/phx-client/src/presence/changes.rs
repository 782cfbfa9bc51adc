//! The changes of a presence as a stream.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::stream::Stream;

use super::feed::{Feed, FeedKey, PresenceItem};
use super::{Listening, Presence, State};
use crate::status::ChannelStatus;

/// Stream of the changes of a [`Presence`] since the stream was made.
///
/// The stream holds up to [`stream_capacity`](crate::SocketBuilder::stream_capacity) changes and
/// [`stream_bytes`](crate::SocketBuilder::stream_bytes) bytes. When it is full, it drops the oldest and yields
/// [`PresenceItem::Lagged`]; the list itself stays correct. The stream ends when the channel is closed for good,
/// and keeps the channel until it is dropped.
#[must_use = "a stream that is dropped shows nothing"]
pub struct PresenceChanges<M, E> {
    listening: Arc<Listening>,
    state: Arc<State<M, E>>,
    key: FeedKey,
    status: ChannelStatus,
}

impl<M, E> Presence<M, E> {
    /// Returns a stream of the changes from now on.
    pub fn changes(&self) -> PresenceChanges<M, E> {
        let key = self.state.shown().feeds.insert(Feed::new());
        let (listening, state) = (Arc::clone(&self.listening), Arc::clone(&self.state));
        PresenceChanges { status: listening.channel.status(), listening, state, key }
    }
}

impl<M, E> PresenceChanges<M, E> {
    /// Returns the next item; `None` when the channel is closed for good. Cancel-safe.
    pub async fn next(&mut self) -> Option<PresenceItem<M, E>> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<PresenceItem<M, E>>> {
        let mut shown = self.state.shown();
        let Some(feed) = shown.feeds.get_mut(self.key) else { return Poll::Ready(None) };
        if let Some(item) = feed.pop() {
            return Poll::Ready(Some(item));
        }
        let old = feed.wait(cx);
        drop(shown);
        drop(old);
        // Nothing more will come once the channel is closed.
        while ready!(self.status.poll_state(cx)).is_some() {}
        // The last change may have come between the two looks.
        let mut shown = self.state.shown();
        let feed = shown.feeds.get_mut(self.key);
        Poll::Ready(feed.and_then(Feed::pop))
    }
}

impl<M, E> Stream for PresenceChanges<M, E> {
    type Item = PresenceItem<M, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(cx)
    }
}

impl<M, E> Drop for PresenceChanges<M, E> {
    fn drop(&mut self) {
        let feed = self.state.shown().feeds.remove(self.key);
        drop(feed);
    }
}

impl<M, E> fmt::Debug for PresenceChanges<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresenceChanges")
            .field("topic", self.listening.channel.topic())
            .finish_non_exhaustive()
    }
}
