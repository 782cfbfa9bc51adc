//! The states of sockets and channels as streams.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::Stream;
use phx_proto::{ChannelId, ChannelState, ConnectionState};

use crate::channel::{Channel, ChannelError};
use crate::shared::{Shared, WatchKey};
use crate::socket::Socket;

/// Stream of a socket's connection states: the present state first, then every change.
///
/// States between two polls are skipped, so the stream holds at most one state. It doesn't keep the socket alive:
/// it ends when the socket's last handle is dropped.
#[must_use = "a stream that is dropped shows nothing"]
pub struct SocketStatus {
    shared: Arc<Shared>,
    key: WatchKey,
    shown: Option<ConnectionState>,
}

/// Stream of a channel's states: the present state first, then every change.
///
/// States between two polls are skipped, so the stream holds at most one state. [`Errored`](ChannelState::Errored)
/// is yielded again if the channel has failed again since; [`failure`](Self::failure) has the cause. It doesn't
/// keep the channel: it ends after [`Closed`](ChannelState::Closed), or when the channel's last handle is dropped.
///
/// # Examples
///
/// ```no_run
/// use phx_client::{Channel, ChannelState};
///
/// # async fn doc(room: Channel) {
/// let mut status = room.status();
/// while let Some(state) = status.next().await {
///     match status.failure() {
///         Some(failure) => println!("{state:?}: {failure}"),
///         None => println!("{state:?}"),
///     }
/// }
/// # }
/// ```
#[must_use = "a stream that is dropped shows nothing"]
pub struct ChannelStatus {
    shared: Arc<Shared>,
    channel: ChannelId,
    key: Option<WatchKey>,
    /// The state shown last, and the number of failures at that time.
    shown: Option<(ChannelState, u32)>,
    /// The latest failure.
    failure: Option<Box<ChannelError>>,
    ended: bool,
}

impl Socket {
    /// Returns a stream of the connection's state: the present one first, then every change.
    pub fn status(&self) -> SocketStatus {
        let shared = Arc::clone(self.shared());
        let key = shared.lock().connection.watch();
        SocketStatus { shared, key, shown: None }
    }
}

impl SocketStatus {
    /// Returns the next state; `None` when the socket is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<ConnectionState> {
        poll_fn(|cx| self.poll_state(cx)).await
    }

    fn poll_state(&mut self, cx: &Context<'_>) -> Poll<Option<ConnectionState>> {
        let mut state = self.shared.lock();
        let current = state.connection_state();
        if self.shown != Some(current) {
            self.shown = Some(current);
            return Poll::Ready(Some(current));
        }
        if state.is_stop_reported() {
            return Poll::Ready(None);
        }
        let old = state.connection.wait(self.key, current, cx);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Channel {
    /// Returns a stream of the channel's state: the present one first, then every change.
    pub fn status(&self) -> ChannelStatus {
        let (shared, channel) = (Arc::clone(self.shared()), self.id());
        let key = shared.lock().channels.get_mut(channel).map(|entry| entry.watchers.watch());
        ChannelStatus { shared, channel, key, shown: None, failure: None, ended: false }
    }
}

impl ChannelStatus {
    /// Returns the next state; `None` when the channel is closed or gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<ChannelState> {
        poll_fn(|cx| self.poll_state(cx)).await
    }

    /// Returns the failure behind the state that came last: the cause of [`Errored`](ChannelState::Errored), or, in
    /// [`Joining`](ChannelState::Joining), of the previous attempt's failure. `None` if nothing failed since the
    /// channel was joined, or began to join.
    #[must_use]
    pub fn failure(&self) -> Option<&ChannelError> {
        self.failure.as_deref()
    }

    pub(crate) fn poll_state(&mut self, cx: &Context<'_>) -> Poll<Option<ChannelState>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let mut state = self.shared.lock();
        let (current, is_stopped) = (state.channel_state(self.channel), state.is_stop_reported());
        let (Some(key), Some(entry)) = (self.key, state.channels.get_mut(self.channel)) else {
            return Poll::Ready(None);
        };
        // The driver may learn the cause of this state later.
        let is_known = match current {
            ChannelState::Closed => entry.closed.is_some(),
            ChannelState::Errored => entry.is_errored,
            _ => true,
        };
        let now = (current, entry.failures);
        let is_news = self.shown.is_none_or(|(shown, failures)| {
            shown != current || (current == ChannelState::Errored && failures != entry.failures)
        });
        if is_known && is_news {
            self.shown = Some(now);
            self.failure.clone_from(&entry.failure);
            return Poll::Ready(Some(current));
        }
        if is_known && (is_stopped || current == ChannelState::Closed) {
            self.ended = true;
            return Poll::Ready(None);
        }
        let old = entry.watchers.wait(key, now, cx);
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
            (Some(key), Some(entry)) => Some(entry.watchers.unwatch(key)),
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
