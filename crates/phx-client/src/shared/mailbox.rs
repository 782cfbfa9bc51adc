//! The messages that a stream hasn't taken yet, and what to do when they pile up.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use phx_proto::{ByteString, Instant, Payload};

use super::waiting::OldWaker;
use crate::messages::WhenSlow;

slotmap::new_key_type! {
    /// One stream's mailbox.
    pub(crate) struct MailboxKey;
}

/// What a stream holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Message { event: ByteString, payload: Payload },
    Gap,
    Lagged(u64),
}

/// Entries that a stream takes at a time, at the most.
const MAX_TAKEN: usize = 32;

/// A stream's bounded queue. It never holds more messages than its capacity; markers between them
/// merge, so there are never more than twice as many entries and a few.
pub(crate) struct Mailbox {
    queue: VecDeque<Entry>,
    messages: usize,
    capacity: usize,
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
    pub(crate) fn new(capacity: usize) -> Self {
        Mailbox {
            queue: VecDeque::new(),
            messages: 0,
            capacity: capacity.max(1),
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
        let full = self.messages >= self.capacity && self.when_slow == WhenSlow::Wait;
        let holds = full && !self.ended;
        let starts = holds && self.holding_since().is_none();
        if !holds {
            self.hold = Hold::No;
        } else if starts {
            self.hold = Hold::Since(now);
        }
        starts
    }

    /// Takes a message in. True if reading is to be held back from now on.
    pub(crate) fn deliver(&mut self, now: Instant, event: ByteString, payload: Payload) -> bool {
        if self.ended {
            return false;
        }
        if self.messages >= self.capacity {
            if self.when_slow == WhenSlow::DropNewest {
                self.note_lost_at_end();
                return false;
            }
            // With `Wait` this is a stalled stream, or a message that was on its way already.
            self.drop_oldest();
        }
        self.queue.push_back(Entry::Message { event, payload });
        self.messages += 1;
        let fills = self.messages >= self.capacity
            && self.when_slow == WhenSlow::Wait
            && self.hold == Hold::No;
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

    /// The next entry, and what taking it means for reading. Those after it go to `more`, as many as
    /// fit, unless the mailbox holds back reading: then each counts by itself.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        more: &mut VecDeque<Entry>,
    ) -> (Poll<Option<Entry>>, Taken) {
        let Some(entry) = self.queue.pop_front() else {
            let poll = if self.ended { Poll::Ready(None) } else { Poll::Pending };
            return (poll, Taken::Indifferent);
        };
        self.count_taken(&entry);
        let taken = self.note_taken(now);
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
        if matches!(entry, Entry::Message { .. }) {
            self.messages -= 1;
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
        let roomy = self.messages <= self.capacity / 2;
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
        self.queue.iter_mut().rev().take_while(|entry| !matches!(entry, Entry::Message { .. }))
    }

    /// Loses the oldest message, and says so where it stood.
    fn drop_oldest(&mut self) {
        let mut lost = 0_u64;
        let mut gap = false;
        while let Some(entry) = self.queue.pop_front() {
            match entry {
                Entry::Gap => gap = true,
                Entry::Lagged(more) => lost = lost.saturating_add(more),
                Entry::Message { .. } => {
                    lost = lost.saturating_add(1);
                    self.messages -= 1;
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
