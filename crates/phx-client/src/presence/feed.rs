//! The items of a stream of presence changes, and their queue.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Waker};

use phx_proto::{Payload, PresenceChange, PresenceError};

slotmap::new_key_type! {
    /// One stream of changes.
    pub(super) struct FeedKey;
}

/// Item of a stream of presence changes.
#[non_exhaustive]
pub enum PresenceItem<M, E> {
    /// A presence joined or left, or the list is in step with the server again.
    Change(PresenceChange<M, E>),
    /// The stream was too slow, and this many changes are missing here.
    Lagged(u64),
    /// A payload was refused; the list lacks its changes until the next join.
    Refused(Arc<PresenceError>),
    /// The transport lost messages; the list may lack changes until the next state, which the next join brings.
    Gap,
}

/// Capacity that stays when all items have been taken.
const KEPT: usize = 64;

/// The changes that a stream hasn't taken yet.
pub(super) struct Feed<M, E> {
    queue: VecDeque<PresenceItem<M, E>>,
    /// The bytes they hold. Data that several of them share counts for each.
    bytes: usize,
    waker: Option<Waker>,
}

/// Limits of a feed.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) items: usize,
    /// One item may be larger.
    pub(super) bytes: usize,
}

/// Items evicted from a feed. Drop them after the lock is released, since they hold values of the user's types.
pub(super) type Lost<M, E> = Vec<PresenceItem<M, E>>;

impl<M, E> Feed<M, E> {
    pub(super) fn new() -> Self {
        Feed { queue: VecDeque::new(), bytes: 0, waker: None }
    }

    pub(super) fn change(
        &mut self,
        limits: Limits,
        changes: &[PresenceChange<M, E>],
        lost: &mut Lost<M, E>,
    ) {
        // Those that would give way to the last ones at once aren't copied in the first place.
        let skipped = changes.len().saturating_sub(limits.items);
        for change in changes.iter().skip(skipped) {
            self.push(PresenceItem::Change(change.clone()));
        }
        self.shorten(limits, skipped, lost);
    }

    pub(super) fn refuse(
        &mut self,
        limits: Limits,
        error: &Arc<PresenceError>,
        lost: &mut Lost<M, E>,
    ) {
        self.push(PresenceItem::Refused(Arc::clone(error)));
        self.shorten(limits, 0, lost);
    }

    pub(super) fn mark_gap(&mut self, limits: Limits, lost: &mut Lost<M, E>) {
        // Several with nothing between them are one.
        if !matches!(self.queue.back(), Some(PresenceItem::Gap)) {
            self.push(PresenceItem::Gap);
            self.shorten(limits, 0, lost);
        }
    }

    fn push(&mut self, item: PresenceItem<M, E>) {
        self.bytes = self.bytes.saturating_add(item.size());
        self.queue.push_back(item);
    }

    pub(super) fn pop(&mut self) -> Option<PresenceItem<M, E>> {
        let Some(item) = self.queue.pop_front() else {
            self.queue.shrink_to(KEPT);
            return None;
        };
        self.bytes = self.bytes.saturating_sub(item.size());
        Some(item)
    }

    /// Registers a waker for the next item; returns the one before.
    pub(super) fn wait(&mut self, cx: &Context<'_>) -> Option<Waker> {
        self.waker.replace(cx.waker().clone())
    }

    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        self.waker.take()
    }

    /// Lets the oldest items give way, after `skipped` changes that never came in.
    fn shorten(&mut self, limits: Limits, skipped: usize, lost: &mut Lost<M, E>) {
        let mut count = u64::try_from(skipped).unwrap_or(u64::MAX);
        while self.queue.len() > limits.items || (self.bytes > limits.bytes && self.queue.len() > 1)
        {
            let Some(item) = self.pop() else { break };
            let more = if let PresenceItem::Lagged(more) = item { more } else { 1 };
            count = count.saturating_add(more);
            lost.push(item);
        }
        if count > 0 {
            self.queue.push_front(PresenceItem::Lagged(count));
        }
    }
}

impl<M, E> PresenceItem<M, E> {
    /// The bytes of what came from the server.
    fn size(&self) -> usize {
        match self {
            PresenceItem::Change(PresenceChange::Joined { key, before, joined }) => {
                let before = before.as_ref().map_or(0, |before| before.size());
                key.len().saturating_add(before).saturating_add(joined.size())
            }
            PresenceItem::Change(PresenceChange::Left { key, after, left }) => {
                key.len().saturating_add(after.size()).saturating_add(left.size())
            }
            PresenceItem::Change(_) | PresenceItem::Lagged(_) | PresenceItem::Gap => 0,
            PresenceItem::Refused(error) => error.payload().map_or(0, Payload::len),
        }
    }
}

impl<M, E> fmt::Debug for PresenceItem<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PresenceItem::Change(change) => f.debug_tuple("Change").field(change).finish(),
            PresenceItem::Lagged(count) => f.debug_tuple("Lagged").field(count).finish(),
            PresenceItem::Refused(_) => f.write_str("Refused(..)"),
            PresenceItem::Gap => f.write_str("Gap"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_many_changes_is_given_back_once_all_are_taken() {
        let mut feed = Feed::<(), ()>::new();
        (0..5_000).for_each(|_| feed.push(PresenceItem::Lagged(1)));
        while feed.pop().is_some() {}
        assert!(feed.queue.capacity() <= KEPT, "{}", feed.queue.capacity());
    }

    #[test]
    fn no_more_changes_are_copied_under_the_lock_than_a_stream_holds() {
        let mut feed = Feed::<(), ()>::new();
        let limits = Limits { items: 10, bytes: usize::MAX };
        let mut lost = Vec::new();
        feed.change(limits, &[PresenceChange::Synced], &mut lost);
        feed.change(limits, &vec![PresenceChange::Synced; 100_000], &mut lost);
        assert!(feed.queue.capacity() <= KEPT, "{}", feed.queue.capacity());
        assert_eq!(lost.len(), 1, "what had come before");
        assert!(matches!(feed.pop(), Some(PresenceItem::Lagged(99_991))));
        assert_eq!(feed.queue.len(), 10);
        feed.change(limits, &vec![PresenceChange::Synced; 3], &mut lost);
        assert!(matches!(feed.pop(), Some(PresenceItem::Lagged(3))));
    }
}
