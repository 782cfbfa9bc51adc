//! The messages that a stream hasn't taken yet, and what to do when they pile up.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use phx_proto::{ByteString, Instant, Payload, PayloadDropped};

use super::waiting::OldWaker;
use crate::messages::item::{Incoming, TopicMessage, WhenSlow};

slotmap::new_key_type! {
    /// One stream's mailbox.
    pub(crate) struct MailboxKey;
}

/// What a stream holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Content(Content),
    Gap,
    Lagged(u64),
}

/// Something that the server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A message of the stream's channel: nearly all there is.
    Message { event: ByteString, payload: Payload },
    /// What only some streams get. It is larger, and comes seldom.
    Other(Box<Other>),
}

/// What only some streams get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Other {
    Incoming(Incoming),
    Topic(TopicMessage),
}

impl Content {
    pub(crate) fn incoming(incoming: Incoming) -> Self {
        Content::Other(Box::new(Other::Incoming(incoming)))
    }

    pub(crate) fn topic(message: TopicMessage) -> Self {
        Content::Other(Box::new(Other::Topic(message)))
    }

    /// The bytes that it counts as.
    fn size(&self) -> usize {
        match self {
            Content::Message { event, payload } => event.len().saturating_add(payload.len()),
            Content::Other(other) => other.size(),
        }
    }
}

impl Other {
    fn size(&self) -> usize {
        match self {
            Other::Incoming(Incoming::Joined { response, .. }) => len(response),
            Other::Incoming(Incoming::Reply { status, response, .. }) => {
                status.as_str().len().saturating_add(len(response))
            }
            Other::Incoming(Incoming::Message(message)) => {
                message.event.len().saturating_add(message.payload.len())
            }
            Other::Topic(TopicMessage { topic, event, payload }) => {
                topic.len().saturating_add(event.len()).saturating_add(payload.len())
            }
        }
    }
}

/// Entries that a stream takes at a time, at the most.
const MAX_TAKEN: usize = 32;

/// Room for so many entries stays when all have been taken: as many as are read at a time.
const KEPT: usize = 64;

/// A stream's bounded queue. It never holds more messages than its capacity, nor more than one
/// beyond its bytes; markers between them merge, so there are never more than twice as many entries
/// and a few.
pub(crate) struct Mailbox {
    queue: VecDeque<Entry>,
    messages: usize,
    capacity: usize,
    /// What the messages hold.
    bytes: usize,
    max_bytes: usize,
    when_slow: WhenSlow,
    hold: Hold,
    waker: Option<Waker>,
    ended: bool,
}

/// What a full mailbox means to the one who reads from the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// There is room, or the policy asks nobody to wait.
    No,
    /// It was filled, and not emptied by half since; the moment is when it last gave something.
    Since(Instant),
    /// It has given nothing for too long, and loses its oldest until it gives something.
    Stalled,
}

/// What taking an entry means to the one who reads from the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Indifferent,
    /// The mailbox holds back reading no more.
    Released,
    /// The mailbox, which had stalled, holds back reading again.
    HoldsBack,
}

impl Mailbox {
    /// A mailbox with room for this many messages and bytes, 1 or more of each.
    pub(crate) fn new(capacity: usize, max_bytes: usize) -> Self {
        Mailbox {
            queue: VecDeque::new(),
            messages: 0,
            capacity,
            bytes: 0,
            max_bytes,
            when_slow: WhenSlow::default(),
            hold: Hold::No,
            waker: None,
            ended: false,
        }
    }

    /// Takes another capacity. With [`WhenSlow::Wait`] messages over it are kept, and reading is
    /// held back; otherwise the oldest are lost. True if reading is to be held back from now on.
    pub(crate) fn set_capacity(&mut self, now: Instant, capacity: usize) -> bool {
        self.capacity = capacity.max(1);
        while self.when_slow != WhenSlow::Wait && self.messages > self.capacity {
            self.drop_oldest();
        }
        self.reconsider(now)
    }

    /// Takes another policy. True if reading is to be held back from now on.
    pub(crate) fn set_when_slow(&mut self, now: Instant, when_slow: WhenSlow) -> bool {
        self.when_slow = when_slow;
        self.reconsider(now)
    }

    /// What being full means after the rules have changed.
    fn reconsider(&mut self, now: Instant) -> bool {
        let holds = self.is_full() && self.when_slow == WhenSlow::Wait && !self.ended;
        let starts = holds && self.holding_since().is_none();
        if !holds {
            self.hold = Hold::No;
        } else if starts {
            self.hold = Hold::Since(now);
        }
        starts
    }

    /// Takes a message in. True if reading is to be held back from now on.
    pub(crate) fn deliver(&mut self, now: Instant, content: Content) -> bool {
        if self.ended {
            return false;
        }
        if self.is_full() && self.when_slow == WhenSlow::DropNewest {
            self.note_lost_at_end();
            return false;
        }
        // With `Wait` this is a stalled stream, or a message that was on its way already.
        while self.is_full() {
            self.drop_oldest();
        }
        self.bytes = self.bytes.saturating_add(content.size());
        self.queue.push_back(Entry::Content(content));
        self.messages += 1;
        let fills = self.is_full() && self.when_slow == WhenSlow::Wait && self.hold == Hold::No;
        if fills {
            self.hold = Hold::Since(now);
        }
        fills
    }

    pub(crate) fn mark_gap(&mut self) {
        if !self.ended && !self.last_notices().any(|entry| *entry == Entry::Gap) {
            self.queue.push_back(Entry::Gap);
        }
    }

    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.hold = Hold::No;
    }

    /// Who waits for the next entry; gives the waker before this one.
    pub(crate) fn wait(&mut self, cx: &Context<'_>) -> OldWaker {
        OldWaker(self.waker.replace(cx.waker().clone()))
    }

    /// Whether it was filled, and not emptied by half since: then it matters when something is taken.
    pub(crate) fn was_full(&self) -> bool {
        self.hold != Hold::No
    }

    /// The next entry, and what taking it means for reading. Those after it go to `more`, as many as
    /// fit, unless the mailbox holds back reading: then each counts by itself. The time is needed if the
    /// mailbox [was full](Self::was_full).
    pub(crate) fn poll(
        &mut self,
        now: Option<Instant>,
        more: &mut VecDeque<Entry>,
    ) -> (Poll<Option<Entry>>, Taken) {
        let Some(entry) = self.queue.pop_front() else {
            self.queue.shrink_to(KEPT);
            let poll = if self.ended { Poll::Ready(None) } else { Poll::Pending };
            return (poll, Taken::Indifferent);
        };
        self.count_taken(&entry);
        debug_assert!(now.is_some() || !self.was_full(), "a time is needed");
        let taken = now.map_or(Taken::Indifferent, |now| self.note_taken(now));
        if self.hold == Hold::No {
            for _ in 0..self.queue.len().min(MAX_TAKEN - 1) {
                if let Some(entry) = self.queue.pop_front() {
                    self.count_taken(&entry);
                    more.push_back(entry);
                }
            }
        }
        (Poll::Ready(Some(entry)), taken)
    }

    fn count_taken(&mut self, entry: &Entry) {
        if let Entry::Content(content) = entry {
            self.note_gone(content.size());
        }
    }

    pub(crate) fn holding_since(&self) -> Option<Instant> {
        match self.hold {
            Hold::Since(since) => Some(since),
            Hold::No | Hold::Stalled => None,
        }
    }

    pub(crate) fn stall(&mut self) {
        self.hold = Hold::Stalled;
    }

    pub(crate) fn take_waker(&mut self) -> Option<Waker> {
        self.waker.take()
    }

    /// An entry was taken, from here or of those that were taken before.
    pub(crate) fn note_taken(&mut self, now: Instant) -> Taken {
        // Reading goes on when half is taken, so that it doesn't stop and start at every message.
        let roomy = self.messages <= self.capacity / 2 && self.bytes <= self.max_bytes / 2;
        match self.hold {
            Hold::No => Taken::Indifferent,
            Hold::Since(_) if roomy => {
                self.hold = Hold::No;
                Taken::Released
            }
            Hold::Stalled if roomy => {
                self.hold = Hold::No;
                Taken::Indifferent
            }
            Hold::Since(_) => {
                self.hold = Hold::Since(now);
                Taken::Indifferent
            }
            // It is alive after all, and loses nothing from here on.
            Hold::Stalled => {
                self.hold = Hold::Since(now);
                Taken::HoldsBack
            }
        }
    }

    fn is_full(&self) -> bool {
        self.messages >= self.capacity || self.bytes >= self.max_bytes
    }

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
        self.queue.push_back(Entry::Lagged(1));
    }

    /// The notices after the last message: one of each kind at the most, so that they don't pile up
    /// in a stream that is never read.
    fn last_notices(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.queue.iter_mut().rev().take_while(|entry| !matches!(entry, Entry::Content(_)))
    }

    /// Loses the oldest message, and says so where it stood.
    fn drop_oldest(&mut self) {
        let mut lost = 0_u64;
        let mut gap = false;
        while let Some(entry) = self.queue.pop_front() {
            match entry {
                Entry::Gap => gap = true,
                Entry::Lagged(more) => lost = lost.saturating_add(more),
                Entry::Content(content) => {
                    lost = lost.saturating_add(1);
                    self.note_gone(content.size());
                    break;
                }
            }
        }
        if gap && self.queue.front() != Some(&Entry::Gap) {
            self.queue.push_front(Entry::Gap);
        }
        if lost > 0 {
            self.queue.push_front(Entry::Lagged(lost));
        }
    }
}

fn len(response: &Result<Payload, PayloadDropped>) -> usize {
    response.as_ref().map_or(0, Payload::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: Payload) -> Content {
        Content::Message { event: "n".into(), payload }
    }

    const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

    /// A mailbox that gets thousands of messages of 1 to 64 bytes and notices, is read now and then,
    /// and stalls in between. Returns the most entries, messages and bytes that it held.
    fn flooded(when_slow: WhenSlow, read_every: u32) -> (usize, usize, usize) {
        let mut mailbox = Mailbox::new(8, 256);
        let mut now = Instant::EPOCH;
        mailbox.set_when_slow(now, when_slow);
        let mut most = (0, 0, 0);
        for number in 0..10_000_u32 {
            now = now + SECOND;
            let payload = Payload::binary(vec![0; (number % 64) as usize]);
            mailbox.deliver(now, message(payload));
            if number % 5 == 0 {
                mailbox.mark_gap();
            }
            if number % 7 == 0 && mailbox.holding_since().is_some() {
                mailbox.stall();
            }
            if read_every > 0 && number % read_every == 0 {
                let _ = mailbox.poll(Some(now), &mut VecDeque::new());
            }
            let counted = |entry: &Entry| match entry {
                Entry::Content(content) => Some(content.size()),
                _ => None,
            };
            let sizes: Vec<_> = mailbox.queue.iter().filter_map(counted).collect();
            assert_eq!(mailbox.messages, sizes.len());
            assert_eq!(mailbox.bytes, sizes.iter().sum::<usize>());
            most.0 = most.0.max(mailbox.queue.len());
            most.1 = most.1.max(mailbox.messages);
            most.2 = most.2.max(mailbox.bytes);
        }
        most
    }

    #[test]
    fn a_flood_never_fills_it_beyond_its_limits() {
        for when_slow in [WhenSlow::Wait, WhenSlow::DropOldest, WhenSlow::DropNewest] {
            for read_every in [0, 1, 2, 10] {
                let (entries, messages, bytes) = flooded(when_slow, read_every);
                assert!(messages <= 8, "{when_slow:?}: {messages} messages");
                assert!(entries <= 3 * 8 + 2, "{when_slow:?}: {entries} entries");
                assert!(bytes < 256 + 65, "{when_slow:?}: {bytes} bytes");
            }
        }
    }

    #[test]
    fn bytes_hold_back_reading_as_messages_do() {
        let mut mailbox = Mailbox::new(100, 10);
        let now = Instant::EPOCH;
        let sized = |size| message(Payload::binary(vec![0; size]));
        assert!(!mailbox.deliver(now, sized(3)));
        assert!(mailbox.deliver(now, sized(20)), "one of any size, and then no more");
        assert_eq!(mailbox.holding_since(), Some(now));
        let (_, taken) = mailbox.poll(Some(now), &mut VecDeque::new());
        assert_eq!(taken, Taken::Indifferent);
        let (_, taken) = mailbox.poll(Some(now), &mut VecDeque::new());
        assert_eq!(taken, Taken::Released);
    }

    #[test]
    fn the_room_of_a_flood_is_given_back_once_all_is_taken() {
        let (mut mailbox, now) = (Mailbox::new(10_000, usize::MAX), Instant::EPOCH);
        for _ in 0..5_000 {
            assert!(!mailbox.deliver(now, message(Payload::empty())));
        }
        let mut taken = VecDeque::new();
        while mailbox.poll(Some(now), &mut taken).0.is_ready() {}
        assert!(mailbox.queue.capacity() <= KEPT, "{}", mailbox.queue.capacity());
    }
}
