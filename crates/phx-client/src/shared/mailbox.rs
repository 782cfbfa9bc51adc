//! The messages that a stream hasn't taken yet, and the handling of overflow.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::task::{Context, Poll};
use std::time::Duration;

use phx_proto::Instant;

use super::content::Content;
use super::deferred::Deferred;
use crate::messages::item::StreamOverflow;

/// Entry of a stream's mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Content(Content),
    Gap,
    Lagged(u64),
}

/// Largest number of entries that a stream takes at a time, equal to the number of frames read at a time. Capacity
/// for this many stays when all have been taken.
const MAX_TAKEN: usize = 64;

/// A stream's bounded queue, with a separate lock: the driver fills it and the stream empties it,
/// without waiting for anything else. No foreign code runs under the lock, and no other lock is taken.
pub(crate) struct Mailbox {
    queue: Mutex<Queue>,
    /// True from when the mailbox was full until it is emptied by half: in between, every take counts as a sign of
    /// life. The stream reads it without the lock, for items that it took before: a stale value only delays that
    /// sign by one message.
    was_full: AtomicBool,
}

/// It never holds more messages than its capacity, nor more than one beyond its bytes; markers
/// between them merge, so there are never more than twice as many entries and a few.
struct Queue {
    entries: VecDeque<Entry>,
    messages: usize,
    capacity: usize,
    /// Total size of the messages in bytes.
    bytes: usize,
    max_bytes: usize,
    overflow: StreamOverflow,
    hold: Backpressure,
    waker: Option<Waker>,
    /// An open connection ended, and no other has opened since.
    interrupted: bool,
    ended: bool,
}

/// Effect of a full mailbox on reading from the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backpressure {
    /// The mailbox isn't full, or never holds back reading.
    No,
    /// The mailbox was full, and hasn't been half emptied since. Holds the time of the last take.
    Since(Instant),
    /// The stream has taken nothing for `stall_after`; the mailbox drops its oldest messages until the stream takes
    /// one.
    Stalled,
}

impl Mailbox {
    /// Creates a mailbox for this many messages and bytes, 1 or more of each.
    pub(crate) fn new(capacity: usize, max_bytes: usize, overflow: StreamOverflow) -> Arc<Self> {
        let queue = Queue {
            entries: VecDeque::new(),
            messages: 0,
            capacity,
            bytes: 0,
            max_bytes,
            overflow,
            hold: Backpressure::No,
            waker: None,
            interrupted: false,
            ended: false,
        };
        Arc::new(Mailbox { queue: Mutex::new(queue), was_full: AtomicBool::new(false) })
    }

    /// A panic can't come between two changes of the queue, so poisoning is ignored.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if the stream must take through [`take_of_full`](Self::take_of_full).
    #[inline]
    pub(crate) fn was_full(&self) -> bool {
        self.was_full.load(Ordering::Relaxed)
    }

    /// Moves all entries to `taken`, which is empty; `false` if no more will come.
    pub(crate) fn poll_take(&self, taken: &mut VecDeque<Entry>, cx: &Context<'_>) -> Poll<bool> {
        let mut queue = self.lock();
        if queue.entries.is_empty() {
            queue.entries.shrink_to(MAX_TAKEN);
            taken.shrink_to(MAX_TAKEN);
            if queue.ended {
                return Poll::Ready(false);
            }
            let old = queue.waker.replace(cx.waker().clone());
            drop(queue);
            // The waker may hold the last reference to a task and the handles in it.
            drop(old);
            return Poll::Pending;
        }
        if queue.entries.len() <= MAX_TAKEN {
            std::mem::swap(&mut queue.entries, taken);
            (queue.messages, queue.bytes) = (0, 0);
        } else {
            taken.extend((0..MAX_TAKEN).map_while(|_| queue.pop()));
        }
        Poll::Ready(true)
    }

    /// Returns the next entry of a mailbox that was full, unless it was `taken` before, and true if the driver must
    /// check whether reading can continue. The caller holds the lock under which the driver delivers, so that a
    /// stalled stream loses nothing between its first sign of life and the next message.
    pub(crate) fn take_of_full(
        self: &Arc<Self>,
        taken: Option<Entry>,
        now: Instant,
        mailboxes: &mut Mailboxes,
    ) -> (Option<Entry>, bool) {
        let mut queue = self.lock();
        let entry = taken.or_else(|| queue.pop());
        let changed = queue.note_taken(now);
        self.was_full.store(queue.hold != Backpressure::No, Ordering::Relaxed);
        if changed && queue.hold != Backpressure::No {
            mailboxes.holding.push(Arc::clone(self));
        }
        (entry, changed)
    }

    /// Adds a message, and wakes the stream's task.
    #[inline]
    pub(super) fn deliver(
        self: &Arc<Self>,
        now: Instant,
        content: Content,
        mailboxes: &mut Mailboxes,
        deferred: &mut Deferred,
    ) {
        let mut queue = self.lock();
        if queue.ended {
            return deferred.drop_content(content);
        }
        if queue.is_full() && !queue.makes_room(deferred) {
            deferred.drop_content(content);
        } else {
            queue.bytes = queue.bytes.saturating_add(content.size());
            queue.messages += 1;
            queue.entries.push_back(Entry::Content(content));
            if queue.is_full()
                && queue.overflow == StreamOverflow::Wait
                && queue.hold == Backpressure::No
            {
                queue.hold = Backpressure::Since(now);
                self.was_full.store(true, Ordering::Relaxed);
                mailboxes.holding.push(Arc::clone(self));
            }
        }
        deferred.wake(queue.waker.take());
    }

    /// Marks that messages may be missing.
    pub(crate) fn mark_gap(&self, deferred: &mut Deferred) {
        let mut queue = self.lock();
        queue.mark_gap();
        deferred.wake(queue.waker.take());
    }

    /// Notes that an open connection ended.
    pub(super) fn interrupt(&self) {
        self.lock().interrupted = true;
    }

    /// Marks a gap if this has seen the end of a connection: now that the next one is open.
    pub(super) fn resume(&self, deferred: &mut Deferred) {
        if std::mem::take(&mut self.lock().interrupted) {
            self.mark_gap(deferred);
        }
    }

    /// Ends the stream after the entries that it holds.
    pub(crate) fn end(&self, deferred: &mut Deferred) {
        let mut queue = self.lock();
        queue.end();
        deferred.wake(queue.waker.take());
    }

    /// Empties and ends it, since its stream is gone. True if it has held back reading.
    pub(crate) fn close(&self) -> bool {
        let mut queue = self.lock();
        let held = matches!(queue.hold, Backpressure::Since(_));
        queue.end();
        let content = (std::mem::take(&mut queue.entries), queue.waker.take());
        drop(queue);
        // The waker may hold the last reference to a task and the handles in it.
        drop(content);
        held
    }
}

/// The streams of a socket that hold back reading.
#[derive(Default)]
pub(crate) struct Mailboxes {
    /// May include streams that no longer hold back reading.
    holding: Vec<Arc<Mailbox>>,
}

impl Mailboxes {
    /// Returns true if some mailbox may hold back reading.
    pub(crate) fn hold_back(&self) -> bool {
        !self.holding.is_empty()
    }

    /// Returns until when at the latest reading is held back, if it is. Mailboxes that have given nothing for
    /// `stall_after` no longer hold back reading; with `force` none does.
    pub(crate) fn held_until(
        &mut self,
        now: Instant,
        stall_after: Duration,
        force: bool,
    ) -> Option<Instant> {
        let mut earliest: Option<Instant> = None;
        self.holding.retain(|mailbox| {
            let mut queue = mailbox.lock();
            let Backpressure::Since(since) = queue.hold else {
                return false;
            };
            let until = since + stall_after;
            if force || now >= until {
                queue.hold = Backpressure::Stalled;
                return false;
            }
            earliest = Some(earliest.map_or(until, |earliest| earliest.min(until)));
            true
        });
        earliest
    }
}

impl Queue {
    /// Drops messages for a new one; `false` if the new one must be dropped.
    #[cold]
    fn makes_room(&mut self, deferred: &mut Deferred) -> bool {
        if self.overflow == StreamOverflow::DropNewest {
            self.note_lost_at_end();
            return false;
        }
        // With `Wait` this is a stalled stream, or a message that was on its way already.
        while self.is_full() {
            self.drop_oldest(deferred);
        }
        true
    }

    fn mark_gap(&mut self) {
        if !self.ended && !self.last_notices().any(|entry| *entry == Entry::Gap) {
            self.entries.push_back(Entry::Gap);
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.hold = Backpressure::No;
    }

    #[inline]
    fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        if let Entry::Content(content) = &entry {
            self.note_gone(content.size());
        }
        Some(entry)
    }

    /// Records that the stream was read. True if it stops holding back reading, or, after it had stalled, begins again.
    fn note_taken(&mut self, now: Instant) -> bool {
        // Reading goes on when half is taken, so that it doesn't stop and start at every message.
        let roomy = self.messages <= self.capacity / 2 && self.bytes <= self.max_bytes / 2;
        let before = self.hold;
        if before != Backpressure::No {
            self.hold = if roomy { Backpressure::No } else { Backpressure::Since(now) };
        }
        match before {
            Backpressure::No => false,
            Backpressure::Since(_) => roomy,
            // The stream is alive, and loses nothing from here on.
            Backpressure::Stalled => !roomy,
        }
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.messages >= self.capacity || self.bytes >= self.max_bytes
    }

    #[inline]
    fn note_gone(&mut self, size: usize) {
        self.messages -= 1;
        self.bytes = self.bytes.saturating_sub(size);
    }

    fn note_lost_at_end(&mut self) {
        for notice in self.last_notices() {
            if let Entry::Lagged(lost) = notice {
                *lost = lost.saturating_add(1);
                return;
            }
        }
        self.entries.push_back(Entry::Lagged(1));
    }

    /// The notices after the last message: at most one of each kind, so that they don't pile up
    /// in a stream that is never read.
    fn last_notices(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut().rev().take_while(|entry| !matches!(entry, Entry::Content(_)))
    }

    /// Drops the oldest message, and puts a notice in its place.
    fn drop_oldest(&mut self, deferred: &mut Deferred) {
        let mut lost = 0_u64;
        let mut gap = false;
        while let Some(entry) = self.entries.pop_front() {
            match entry {
                Entry::Gap => gap = true,
                Entry::Lagged(more) => lost = lost.saturating_add(more),
                Entry::Content(content) => {
                    lost = lost.saturating_add(1);
                    self.note_gone(content.size());
                    deferred.drop_content(content);
                    break;
                }
            }
        }
        if gap && self.entries.front() != Some(&Entry::Gap) {
            self.entries.push_front(Entry::Gap);
        }
        if lost > 0 {
            self.entries.push_front(Entry::Lagged(lost));
        }
    }
}

#[cfg(test)]
mod tests {
    use phx_proto::Payload;

    use super::*;

    fn message(payload: Payload) -> Content {
        Content::Message { event: "n".into(), payload }
    }

    const SECOND: Duration = Duration::from_secs(1);

    /// A mailbox that gets thousands of messages of 1 to 64 bytes and notices, is read now and then,
    /// and stalls in between. Returns the most entries, messages and bytes that it held.
    fn flooded(overflow: StreamOverflow, read_every: u32) -> (usize, usize, usize) {
        let mailbox = Mailbox::new(8, 256, overflow);
        let (mut mailboxes, mut deferred) = (Mailboxes::default(), Deferred::default());
        let mut now = Instant::EPOCH;
        let mut most = (0, 0, 0);
        for number in 0..10_000_u32 {
            now = now + SECOND;
            let payload = Payload::binary(vec![0; (number % 64) as usize]);
            mailbox.deliver(now, message(payload), &mut mailboxes, &mut deferred);
            if number % 5 == 0 {
                mailbox.mark_gap(&mut deferred);
            }
            if number % 7 == 0 {
                mailboxes.held_until(now, SECOND, true);
            }
            if read_every > 0 && number % read_every == 0 {
                let _ = mailbox.take_of_full(None, now, &mut mailboxes);
            }
            let counted = |entry: &Entry| match entry {
                Entry::Content(content) => Some(content.size()),
                _ => None,
            };
            let queue = mailbox.lock();
            let sizes: Vec<_> = queue.entries.iter().filter_map(counted).collect();
            assert_eq!(queue.messages, sizes.len());
            assert_eq!(queue.bytes, sizes.iter().sum::<usize>());
            most.0 = most.0.max(queue.entries.len());
            most.1 = most.1.max(queue.messages);
            most.2 = most.2.max(queue.bytes);
        }
        most
    }

    #[test]
    fn a_flood_never_fills_it_beyond_its_limits() {
        for overflow in
            [StreamOverflow::Wait, StreamOverflow::DropOldest, StreamOverflow::DropNewest]
        {
            for read_every in [0, 1, 2, 10] {
                let (entries, messages, bytes) = flooded(overflow, read_every);
                assert!(messages <= 8, "{overflow:?}: {messages} messages");
                assert!(entries <= 3 * 8 + 2, "{overflow:?}: {entries} entries");
                assert!(bytes < 256 + 65, "{overflow:?}: {bytes} bytes");
            }
        }
    }

    #[test]
    fn bytes_hold_back_reading_as_messages_do() {
        let (mailbox, mut mailboxes) =
            (Mailbox::new(100, 10, StreamOverflow::Wait), Mailboxes::default());
        let (now, deferred) = (Instant::EPOCH, &mut Deferred::default());
        let sized = |size| message(Payload::binary(vec![0; size]));
        mailbox.deliver(now, sized(3), &mut mailboxes, deferred);
        assert!(!mailboxes.hold_back());
        mailbox.deliver(now, sized(20), &mut mailboxes, deferred);
        assert_eq!(mailboxes.held_until(now, SECOND, false), Some(now + SECOND));
        let (entry, changed) = mailbox.take_of_full(None, now, &mut mailboxes);
        assert!(entry.is_some() && !changed);
        let (entry, changed) = mailbox.take_of_full(None, now, &mut mailboxes);
        assert!(entry.is_some() && changed);
        assert_eq!(mailboxes.held_until(now, SECOND, false), None);
        assert!(!mailboxes.hold_back());
    }

    #[test]
    fn the_room_of_a_flood_is_given_back_once_all_is_taken() {
        let mailbox = Mailbox::new(10_000, usize::MAX, StreamOverflow::Wait);
        let mut mailboxes = Mailboxes::default();
        for _ in 0..5_000 {
            let content = message(Payload::empty());
            mailbox.deliver(Instant::EPOCH, content, &mut mailboxes, &mut Deferred::default());
        }
        let (mut taken, cx) = (VecDeque::new(), Context::from_waker(Waker::noop()));
        let mut count = 0;
        while mailbox.poll_take(&mut taken, &cx) == Poll::Ready(true) {
            assert!(taken.len() <= MAX_TAKEN);
            count += taken.drain(..).len();
        }
        assert_eq!(count, 5_000);
        for capacity in [mailbox.lock().entries.capacity(), taken.capacity()] {
            assert!(capacity <= MAX_TAKEN, "{capacity}");
        }
    }
}
