//! What the clients of a soak have sent and got, and when they are quiet.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use phx_client::{ByteString, CloseCause, Closed, Payload, PushFailed};
use serde::Deserialize;

use crate::ledger::{Deliveries, Ledger};

/// Longer than it takes to reconnect, to rejoin and to be told the outcome of every push.
const PATIENCE: Duration = Duration::from_secs(30);

/// The books of all channels.
#[derive(Default)]
pub(super) struct Books {
    state: Mutex<State>,
    /// Something in them changed.
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) channels: Vec<Page>,
    pub(super) reconnects: u64,
    /// Ends of connections and attempts by cause.
    closes: BTreeMap<&'static str, u64>,
}

/// What the clients do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// They push.
    #[default]
    Busy,
    /// They wait for the outcomes of what they have pushed.
    Quiet,
    /// They leave.
    Over,
}

impl State {
    pub(super) fn note_closed(&mut self, closed: &Closed) {
        let cause = match (&closed.cause, closed.was_open) {
            (CloseCause::Frame { .. }, _) => "closed by the server",
            (CloseCause::HeartbeatTimedOut, _) => "silent",
            (CloseCause::Slept, _) => "slept",
            (CloseCause::Disconnected, _) => "disconnected",
            (CloseCause::ConnectTimedOut, _) => "attempts without an answer",
            (CloseCause::Refused(_), _) => "attempts refused",
            (_, false) => "attempts that failed",
            (_, true) => "lost",
        };
        *self.closes.entry(cause).or_default() += 1;
    }
}

/// One channel's part.
#[derive(Debug)]
pub(super) struct Page {
    topic: ByteString,
    pub(super) sent: u64,
    /// Pushes without an outcome yet.
    pub(super) waiting: u64,
    acked: u64,
    disconnected: u64,
    timed_out: u64,
    /// The channel had crashed when they came.
    crashed: u64,
    /// Any other outcome. None is to be expected.
    unexpected: u64,
    /// The first of those.
    surprise: Option<String>,
    /// Pushes that were answered with ok and not handled.
    unhandled: u64,
    pub(super) deliveries: Deliveries,
    /// The life that the last join's answer told.
    pub(super) life: u64,
}

impl Page {
    pub(super) fn new(topic: ByteString) -> Self {
        Page {
            topic,
            sent: 0,
            waiting: 0,
            acked: 0,
            disconnected: 0,
            timed_out: 0,
            crashed: 0,
            unexpected: 0,
            surprise: None,
            unhandled: 0,
            deliveries: Deliveries::default(),
            life: 0,
        }
    }

    /// Books the outcome of push `n`.
    pub(super) fn done(&mut self, n: u64, outcome: &Result<(), PushFailed>, ledger: &Ledger) {
        self.waiting -= 1;
        match outcome {
            Ok(()) => {
                self.acked += 1;
                let handled = ledger.with(&self.topic, |topic| topic.handled.contains(n));
                self.unhandled += u64::from(handled != Some(true));
            }
            Err(PushFailed::Disconnected) => self.disconnected += 1,
            Err(PushFailed::TimedOut | PushFailed::NotSent) => self.timed_out += 1,
            Err(PushFailed::ChannelCrashed | PushFailed::ChannelClosed) => self.crashed += 1,
            Err(PushFailed::Rejected { response, .. }) if is_unmatched(response) => {
                self.crashed += 1;
            }
            Err(failed) => {
                self.unexpected += 1;
                self.surprise
                    .get_or_insert_with(|| format!("push {n} on {}: {failed:?}", self.topic));
            }
        }
    }

    /// How many messages of the present life haven't come.
    fn missing(&self, ledger: &Ledger) -> u64 {
        let sent = ledger.with(&self.topic, |topic| topic.sent(self.life)).flatten();
        sent.unwrap_or_default().saturating_sub(self.deliveries.last_of(self.life))
    }
}

/// What Phoenix replies to a push for a topic that isn't joined: its channel has crashed, and the client
/// doesn't know yet.
fn is_unmatched(response: &Payload) -> bool {
    #[derive(Deserialize)]
    struct Response<'a> {
        reason: &'a str,
    }
    response.decode::<Response<'_>>().is_ok_and(|response| response.reason == "unmatched topic")
}

/// All books together.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    pub(super) sent: u64,
    pub(super) acked: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) reconnects: u64,
    disconnected: u64,
    timed_out: u64,
    crashed: u64,
    unexpected: u64,
    out_of_order: u64,
    without_outcome: u64,
    gaps: u64,
    closes: BTreeMap<&'static str, u64>,
    surprise: Option<String>,
}

impl Books {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a channel's page.
    pub(super) fn change<T>(&self, page: usize, change: impl FnOnce(&mut Page) -> T) -> Option<T> {
        let changed = self.lock().channels.get_mut(page).map(change);
        self.changed.notify_all();
        changed
    }

    /// Opens a page.
    pub(super) fn open(&self, topic: ByteString) -> usize {
        let mut state = self.lock();
        state.channels.push(Page::new(topic));
        state.channels.len() - 1
    }

    /// Waits until all channels have got something.
    pub(super) fn wait_for_channels(&self, count: usize) -> anyhow::Result<()> {
        let there = |state: &State| {
            state.channels.iter().filter(|page| page.deliveries.received > 0).count() == count
        };
        self.wait("the channels don't come", there)
    }

    /// Has the clients and then the server say nothing more, and waits until all that was said has
    /// come. What hasn't by then is lost: that is for the [`sum`](Books::sum) to tell.
    pub(super) fn quiet(&self, ledger: &Ledger) -> anyhow::Result<()> {
        self.lock().phase = Phase::Quiet;
        let told = |state: &State| state.channels.iter().all(|page| page.waiting == 0);
        self.wait("pushes have no outcome", told)?;
        ledger.pause(true);
        let come = |state: &State| state.channels.iter().all(|page| page.missing(ledger) == 0);
        // The sum tells what is missing.
        let _ = self.wait("messages don't come", come);
        Ok(())
    }

    pub(super) fn go_on(&self, ledger: &Ledger) {
        self.lock().phase = Phase::Busy;
        ledger.pause(false);
    }

    pub(super) fn finish(&self) {
        self.lock().phase = Phase::Over;
    }

    fn wait(&self, what: &'static str, until: impl Fn(&State) -> bool) -> anyhow::Result<()> {
        let waited = self.changed.wait_timeout_while(self.lock(), PATIENCE, |state| !until(state));
        let timeout = waited.ok().context("a client panicked")?.1;
        ensure!(!timeout.timed_out(), "{what} within {} s", PATIENCE.as_secs());
        Ok(())
    }

    pub(super) fn sum(&self, ledger: &Ledger) -> Sum {
        let state = self.lock();
        let (doubled, out_of_order) = ledger.faults();
        let mut sum = Sum { reconnects: state.reconnects, doubled, out_of_order, ..Sum::default() };
        sum.closes.clone_from(&state.closes);
        for page in &state.channels {
            sum.sent += page.sent;
            sum.acked += page.acked;
            sum.disconnected += page.disconnected;
            sum.timed_out += page.timed_out;
            if sum.surprise.is_none() {
                sum.surprise.clone_from(&page.surprise);
            }
            sum.crashed += page.crashed;
            sum.unexpected += page.unexpected;
            sum.without_outcome += page.waiting;
            sum.received += page.deliveries.received;
            sum.gaps += page.deliveries.gaps;
            sum.doubled += page.deliveries.doubled;
            sum.lost += page.deliveries.lost + page.unhandled + page.missing(ledger);
        }
        sum
    }
}

impl Sum {
    /// What must not be, and isn't told by the last line.
    pub(super) fn other_failures(&self) -> u64 {
        self.unexpected + self.out_of_order + self.without_outcome
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pushes: {} ok, {} disconnected, {} timed out, {} on a crashed channel, {} otherwise, {} \
             without an outcome, {} handled out of order; gaps: {}",
            self.acked,
            self.disconnected,
            self.timed_out,
            self.crashed,
            self.unexpected,
            self.without_outcome,
            self.out_of_order,
            self.gaps
        )?;
        if let Some(surprise) = &self.surprise {
            write!(f, "\nunexpected: {surprise}")?;
        }
        f.write_str("\nconnections:")?;
        for (at, (cause, count)) in self.closes.iter().enumerate() {
            write!(f, "{} {count} {cause}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
