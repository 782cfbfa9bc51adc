//! Counts of the traffic of a soak, and when it is quiet.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use phx_client::{ByteString, CloseCause, Closed, Payload, PushCause, PushError};
use serde::Deserialize;

use crate::ledger::Ledger;
use crate::ledger::deliveries::Deliveries;

/// Time limit for a reconnect, a rejoin and the outcome of every push.
const PATIENCE: Duration = Duration::from_secs(30);

/// The stats of all channels.
#[derive(Default)]
pub(super) struct Stats {
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
    closes: Counts,
}

/// The phase of the clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// They push.
    #[default]
    Busy,
    /// Users wait for the outcomes of their pushes.
    Quiet,
    /// They leave.
    Over,
}

impl State {
    pub(super) fn note_closed(&mut self, closed: &Closed) {
        let cause = match (&closed.cause, closed.was_open) {
            (CloseCause::Frame { .. }, _) => "closed by the server",
            (CloseCause::HeartbeatTimedOut, _) => "silent",
            (CloseCause::Suspended, _) => "slept",
            (CloseCause::Disconnected, _) => "disconnected",
            (CloseCause::ConnectTimedOut, _) => "attempts without an answer",
            (CloseCause::UpgradeRejected(_), _) => "attempts refused",
            (_, false) => "attempts that failed",
            (_, true) => "lost",
        };
        *self.closes.entry(cause).or_default() += 1;
    }
}

/// Count of each kind of outcome, by its description.
type Counts = BTreeMap<&'static str, u64>;

/// Record of one channel.
#[derive(Debug, Default)]
pub(super) struct Page {
    topic: ByteString,
    pub(super) sent: u64,
    /// Pushes without an outcome yet.
    pub(super) waiting: u64,
    outcomes: Counts,
    /// The first unexpected outcome.
    surprise: Option<String>,
    /// Pushes that were answered with ok and not handled.
    unhandled: u64,
    pub(super) deliveries: Deliveries,
    /// The life of the last join's answer.
    pub(super) life: u64,
}

const OK: &str = "ok";

/// Name of all unexpected outcomes.
const OTHERWISE: &str = "otherwise";

/// The channel had crashed when they came.
const CRASHED: &str = "on a crashed channel";

impl Page {
    /// Counts the outcome of push `n`.
    pub(super) fn done(&mut self, n: u64, outcome: &Result<(), PushError>, ledger: &Ledger) {
        self.waiting -= 1;
        let outcome = match outcome {
            Ok(()) => {
                let stats = ledger.lock();
                let is_handled = stats.topic(&self.topic).is_some_and(|it| it.handled.contains(n));
                self.unhandled += u64::from(!is_handled);
                OK
            }
            Err(PushError { cause: PushCause::Disconnected, .. }) => "disconnected",
            Err(
                PushError { cause: PushCause::TimedOut, .. }
                | PushError { cause: PushCause::NotSent, .. },
            ) => "timed out",
            Err(
                PushError { cause: PushCause::ChannelCrashed, .. }
                | PushError { cause: PushCause::ChannelClosed, .. },
            ) => CRASHED,
            Err(PushError { cause: PushCause::Rejected { response, .. }, .. })
                if is_unmatched(response) =>
            {
                CRASHED
            }
            Err(failed) => {
                self.surprise
                    .get_or_insert_with(|| format!("push {n} on {}: {failed:?}", self.topic));
                OTHERWISE
            }
        };
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    /// Returns the number of messages of the present life that haven't come.
    fn missing(&self, ledger: &Ledger) -> u64 {
        let pushed = ledger.lock().life(self.life).map(|life| life.pushed);
        pushed.unwrap_or_default().saturating_sub(self.deliveries.last_of(self.life))
    }
}

/// Phoenix's reply to a push for a topic that isn't joined: its channel has crashed, and the client
/// doesn't know yet.
fn is_unmatched(response: &Payload) -> bool {
    #[derive(Deserialize)]
    struct Response<'a> {
        reason: &'a str,
    }
    response.decode::<Response<'_>>().is_ok_and(|response| response.reason == "unmatched topic")
}

/// Sum of all records.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) reconnects: u64,
    outcomes: Counts,
    out_of_order: u64,
    without_outcome: u64,
    gaps: u64,
    closes: Counts,
    surprise: Option<String>,
}

impl Stats {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a channel's page.
    pub(super) fn change<T>(&self, page: usize, change: impl FnOnce(&mut Page) -> T) -> Option<T> {
        let changed = self.lock().channels.get_mut(page).map(change);
        self.changed.notify_all();
        changed
    }

    /// Adds the record of a channel.
    pub(super) fn open(&self, topic: ByteString) -> usize {
        let mut state = self.lock();
        state.channels.push(Page { topic, ..Page::default() });
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
    /// come. What hasn't by then is lost: the [`sum`](Stats::sum) counts it.
    pub(super) fn quiet(&self, ledger: &Ledger) -> anyhow::Result<()> {
        self.lock().phase = Phase::Quiet;
        let settled = |state: &State| state.channels.iter().all(|page| page.waiting == 0);
        self.wait("pushes have no outcome", settled)?;
        ledger.lock().is_paused = true;
        let come = |state: &State| state.channels.iter().all(|page| page.missing(ledger) == 0);
        // The sum counts what is missing.
        let _ = self.wait("messages don't come", come);
        Ok(())
    }

    pub(super) fn go_on(&self, ledger: &Ledger) {
        self.lock().phase = Phase::Busy;
        ledger.lock().is_paused = false;
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
        let mut sum = Sum { reconnects: state.reconnects, ..Sum::default() };
        sum.closes.clone_from(&state.closes);
        for topic in ledger.lock().topics() {
            sum.doubled += topic.doubled;
            sum.out_of_order += topic.out_of_order;
        }
        for page in &state.channels {
            sum.sent += page.sent;
            for (outcome, count) in &page.outcomes {
                *sum.outcomes.entry(outcome).or_default() += count;
            }
            sum.surprise = sum.surprise.or_else(|| page.surprise.clone());
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
    pub(super) fn acked(&self) -> u64 {
        self.outcomes.get(OK).copied().unwrap_or_default()
    }

    /// Failures that the last line doesn't have.
    pub(super) fn other_failures(&self) -> u64 {
        let otherwise = self.outcomes.get(OTHERWISE).copied().unwrap_or_default();
        otherwise + self.out_of_order + self.without_outcome
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pushes: {}, {} without an outcome, {} handled out of order; gaps: {}",
            in_words(&self.outcomes),
            self.without_outcome,
            self.out_of_order,
            self.gaps
        )?;
        if let Some(surprise) = &self.surprise {
            write!(f, "\nunexpected: {surprise}")?;
        }
        write!(f, "\nconnections: {}", in_words(&self.closes))
    }
}

fn in_words(counts: &Counts) -> String {
    let words: Vec<_> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    words.join(", ")
}
