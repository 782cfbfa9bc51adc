//! The mailboxes of all streams of a socket, and those of them that hold back reading.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use phx_proto::Instant;
use slotmap::SlotMap;

use super::mailbox::{Content, Entry, Mailbox, MailboxKey, Taken};
use super::waiting::OldWaker;

/// The mailboxes of a socket's streams.
#[derive(Default)]
pub(crate) struct Mailboxes {
    all: SlotMap<MailboxKey, Mailbox>,
    /// Those that hold back reading, and perhaps some that are gone.
    holding: Vec<MailboxKey>,
}

impl Mailboxes {
    pub(crate) fn insert(&mut self, mailbox: Mailbox) -> MailboxKey {
        self.all.insert(mailbox)
    }

    pub(crate) fn remove(&mut self, key: MailboxKey) -> Option<Mailbox> {
        self.all.remove(key)
    }

    /// Changes a mailbox's rules; `change` says whether it holds back reading from now on.
    pub(crate) fn change(&mut self, key: MailboxKey, change: impl FnOnce(&mut Mailbox) -> bool) {
        let starts_holding = self.all.get_mut(key).is_some_and(change);
        if starts_holding && !self.holding.contains(&key) {
            self.holding.push(key);
        }
    }

    /// Delivers to these, and gives the wakers of those who wait for it.
    #[inline]
    pub(crate) fn deliver(
        &mut self,
        keys: &[MailboxKey],
        now: Instant,
        content: Content,
        wakers: &mut Vec<Waker>,
    ) {
        let Some((last, others)) = keys.split_last() else {
            return;
        };
        for key in others {
            self.deliver_to(*key, now, content.clone(), wakers);
        }
        self.deliver_to(*last, now, content, wakers);
    }

    #[inline]
    pub(crate) fn deliver_to(
        &mut self,
        key: MailboxKey,
        now: Instant,
        content: Content,
        wakers: &mut Vec<Waker>,
    ) {
        let Some(mailbox) = self.all.get_mut(key) else {
            return;
        };
        if mailbox.deliver(now, content) {
            self.holding.push(key);
        }
        if let Some(waker) = mailbox.take_waker() {
            wakers.push(waker);
        }
    }

    /// Tells a mailbox that messages may have been missed.
    pub(crate) fn mark_gap(&mut self, key: MailboxKey, wakers: &mut Vec<Waker>) {
        if let Some(mailbox) = self.all.get_mut(key) {
            mailbox.mark_gap();
            wakers.extend(mailbox.take_waker());
        }
    }

    /// Ends a mailbox, after what it holds.
    pub(crate) fn end(&mut self, key: MailboxKey, wakers: &mut Vec<Waker>) {
        if let Some(mailbox) = self.all.get_mut(key) {
            mailbox.end();
            wakers.extend(mailbox.take_waker());
        }
    }

    pub(crate) fn end_all(&mut self, wakers: &mut Vec<Waker>) {
        for (_, mailbox) in &mut self.all {
            mailbox.end();
            wakers.extend(mailbox.take_waker());
        }
    }

    /// As [`Mailbox::was_full`].
    pub(crate) fn was_full(&self, key: MailboxKey) -> bool {
        self.all.get(key).is_some_and(Mailbox::was_full)
    }

    /// The next entry, as [`Mailbox::poll`] has it. If there is none yet, the task that polls waits for
    /// it, and the waker before its own is given.
    pub(crate) fn poll(
        &mut self,
        key: MailboxKey,
        now: Option<Instant>,
        more: &mut VecDeque<Entry>,
        cx: &Context<'_>,
    ) -> (Poll<Option<Entry>>, Taken, Option<OldWaker>) {
        let Some(mailbox) = self.all.get_mut(key) else {
            return (Poll::Ready(None), Taken::Indifferent, None);
        };
        let (entry, taken) = mailbox.poll(now, more);
        let old = entry.is_pending().then(|| mailbox.wait(cx));
        self.keep_list(key, taken);
        (entry, taken, old)
    }

    /// An entry was taken of those that were polled before.
    pub(crate) fn note_taken(&mut self, key: MailboxKey, now: Instant) -> Taken {
        let taken = self.all.get_mut(key).map_or(Taken::Indifferent, |it| it.note_taken(now));
        self.keep_list(key, taken);
        taken
    }

    fn keep_list(&mut self, key: MailboxKey, taken: Taken) {
        match taken {
            Taken::Indifferent => {}
            Taken::Released => self.holding.retain(|&other| other != key),
            Taken::HoldsBack => self.holding.push(key),
        }
    }

    /// Whether some mailbox may hold back reading.
    pub(crate) fn hold_back(&self) -> bool {
        !self.holding.is_empty()
    }

    /// Whether reading is held back, and until when at the latest. Mailboxes that have given nothing
    /// for `stall_after` hold nobody back any more; with `force` none does.
    pub(crate) fn held_until(
        &mut self,
        now: Instant,
        stall_after: Duration,
        force: bool,
    ) -> Option<Instant> {
        let mut earliest: Option<Instant> = None;
        let all = &mut self.all;
        self.holding.retain(|&key| {
            let Some(mailbox) = all.get_mut(key) else {
                return false;
            };
            let Some(since) = mailbox.holding_since() else {
                return false;
            };
            let until = since + stall_after;
            if force || now >= until {
                mailbox.stall();
                return false;
            }
            earliest = Some(earliest.map_or(until, |earliest| earliest.min(until)));
            true
        });
        earliest
    }
}
