//! The states of sockets and channels as streams.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::Stream;
use phx_proto::{ChannelId, ChannelState, ConnectionState};

use crate::channel::Channel;
use crate::shared::{Shared, WatchKey};

/// What a socket's connection is doing, as a stream: the present state first, then every change.
///
/// States that came and went while nobody looked are skipped, so the stream holds one state at the
/// most. It doesn't keep the socket: it ends when the socket's last handle is gone.
#[must_use = "a stream that is dropped shows nothing"]
pub struct SocketStatus {
    shared: Arc<Shared>,
    key: WatchKey,
    shown: Option<ConnectionState>,
}

/// What a channel is doing, as a stream: the present state first, then every change.
///
/// States that came and went while nobody looked are skipped, so the stream holds one state at the
/// most. It doesn't keep the channel: it ends after
/// [`Closed`](ChannelState::Closed), or when the channel's last handle is gone.
#[must_use = "a stream that is dropped shows nothing"]
pub struct ChannelStatus {
    shared: Arc<Shared>,
    channel: ChannelId,
    key: Option<WatchKey>,
    shown: Option<ChannelState>,
}

impl SocketStatus {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let key = shared.lock().connection.watch();
        SocketStatus { shared: Arc::clone(shared), key, shown: None }
    }

    /// The next state; `None` when the socket is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<ConnectionState> {
        poll_fn(|cx| self.poll_state(cx)).await
    }

    fn poll_state(&mut self, cx: &Context<'_>) -> Poll<Option<ConnectionState>> {
        let mut state = self.shared.lock();
        let current = state.connection.current();
        if self.shown != Some(current) {
            self.shown = Some(current);
            return Poll::Ready(Some(current));
        }
        if state.is_over() {
            return Poll::Ready(None);
        }
        let old = state.connection.wait(self.key, cx);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl ChannelStatus {
    pub(crate) fn new(channel: &Channel) -> Self {
        let shared = Arc::clone(channel.shared());
        let key = {
            let mut state = shared.lock();
            state.channels.get_mut(channel.id()).map(|entry| entry.status.watch())
        };
        ChannelStatus { shared, channel: channel.id(), key, shown: None }
    }

    /// The next state; `None` when the channel is closed or gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<ChannelState> {
        poll_fn(|cx| self.poll_state(cx)).await
    }

    pub(crate) fn poll_state(&mut self, cx: &Context<'_>) -> Poll<Option<ChannelState>> {
        let mut state = self.shared.lock();
        let stopped = state.is_over();
        let (Some(key), Some(entry)) = (self.key, state.channels.get_mut(self.channel)) else {
            return Poll::Ready(None);
        };
        let current = entry.status.current();
        if self.shown != Some(current) {
            self.shown = Some(current);
            return Poll::Ready(Some(current));
        }
        if stopped || current == ChannelState::Closed {
            return Poll::Ready(None);
        }
        let old = entry.status.wait(key, cx);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Stream for SocketStatus {
    type Item = ConnectionState;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_state(cx)
    }
}

impl Stream for ChannelStatus {
    type Item = ChannelState;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_state(cx)
    }
}

impl Drop for SocketStatus {
    fn drop(&mut self) {
        let old = self.shared.lock().connection.unwatch(self.key);
        drop(old);
    }
}

impl Drop for ChannelStatus {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let old = match (self.key, state.channels.get_mut(self.channel)) {
            (Some(key), Some(entry)) => Some(entry.status.unwatch(key)),
            _ => None,
        };
        drop(state);
        drop(old);
    }
}

impl fmt::Debug for SocketStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketStatus").field("shown", &self.shown).finish_non_exhaustive()
    }
}

impl fmt::Debug for ChannelStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelStatus").field("shown", &self.shown).finish_non_exhaustive()
    }
}
