//! Counts of a soak's traffic, and waits until there is none.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use phx_client::{ByteString, CloseCause, Closed, Payload, PushCause, PushError, TransportKind};
use serde::Deserialize;

use crate::ledger::Ledger;
use crate::ledger::deliveries::Deliveries;

/// Time limit for a reconnect, a rejoin and the outcome of every push.
const PATIENCE: Duration = Duration::from_secs(30);

/// The stats of all channels.
#[derive(Default)]
pub(super) struct Stats {
    state: Mutex<State>,
    /// Notified at each change.
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) channels: Vec<Page>,
    pub(super) reconnects: u64,
    /// Number of times that sockets on long-poll were asked to try a WebSocket.
    pub(super) retries: u64,
    /// Ends of connections and attempts by cause.
    closes: Counts,
}

/// Phase of the clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// They push.
    #[default]
    Busy,
    /// They only wait for the outcomes of their pushes.
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
    /// Number of pushes without an outcome.
    pub(super) waiting: u64,
    outcomes: Counts,
    /// The first unexpected outcome.
    surprise: Option<String>,
    /// Number of pushes that were answered with ok and not handled.
    unhandled: u64,
    pub(super) deliveries: Deliveries,
    /// Life of the last join.
    pub(super) life: u64,
    transports: Transports,
}

/// Transports over which the messages of one channel came.
#[derive(Debug, Default)]
struct Transports {
    last: Option<TransportKind>,
    to_long_poll: u64,
    to_web_socket: u64,
}

impl Transports {
    fn note(&mut self, kind: TransportKind) {
        match (self.last.replace(kind), kind) {
            (Some(TransportKind::WebSocket), TransportKind::LongPoll) => self.to_long_poll += 1,
            (Some(TransportKind::LongPoll), TransportKind::WebSocket) => self.to_web_socket += 1,
            _ => {}
        }
    }
}

const OK: &str = "ok";

/// Name of all unexpected outcomes.
const OTHERWISE: &str = "otherwise";

/// Name of the outcome of pushes to a channel that had crashed.
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

    /// Notes the transport over which the first message of a life has come.
    pub(super) fn heard_over(&mut self, kind: TransportKind) {
        self.transports.note(kind);
    }

    /// Returns the number of messages of the current life that are missing.
    fn missing(&self, ledger: &Ledger) -> u64 {
        let pushed = ledger.lock().life(self.life).map(|life| life.pushed);
        pushed.unwrap_or_default().saturating_sub(self.deliveries.last_of(self.life))
    }
}

/// Returns true for Phoenix's reply to a push on a topic that isn't joined: the channel has crashed, and the client
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
    /// Switches of channels whose messages went on to come over the other transport.
    pub(super) to_long_poll: u64,
    pub(super) to_web_socket: u64,
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

    /// Changes the record of a channel.
    pub(super) fn change<T>(&self, page: usize, change: impl FnOnce(&mut Page) -> T) -> Option<T> {
        let changed = self.lock().channels.get_mut(page).map(change);
        self.changed.notify_all();
        changed
    }

    /// Asks sockets on long-poll to try a WebSocket.
    pub(super) fn retry_web_sockets(&self) {
        self.lock().retries += 1;
    }

    /// Adds the record of a channel.
    pub(super) fn open(&self, topic: ByteString, deliveries: Deliveries) -> usize {
        let mut state = self.lock();
        state.channels.push(Page { topic, deliveries, ..Page::default() });
        state.channels.len() - 1
    }

    /// Waits until all channels have received a message.
    pub(super) fn wait_for_channels(&self, count: usize) -> anyhow::Result<()> {
        let there = |state: &State| {
            state.channels.iter().filter(|page| page.deliveries.received > 0).count() == count
        };
        self.wait("the channels don't come", there)
    }

    /// Stops the clients' pushes and then the server's messages, and waits until all of them have arrived. The
    /// [`sum`](Stats::sum) counts those that haven't by then as lost.
    pub(super) fn quiet(&self, ledger: &Ledger) -> anyhow::Result<()> {
        self.lock().phase = Phase::Quiet;
        let settled = |state: &State| state.channels.iter().all(|page| page.waiting == 0);
        self.wait("pushes have no outcome", settled)?;
        ledger.lock().is_paused = true;
        let come = |state: &State| state.channels.iter().all(|page| page.missing(ledger) == 0);
        // The sum counts the missing messages.
        let _ = self.wait("messages don't come", come);
        Ok(())
    }

    pub(super) fn go_on(&self, ledger: &Ledger) {
        self.lock().phase = Phase::Busy;
        ledger.lock().is_paused = false;
    }

    /// Returns the number of channels whose last join was over long-poll.
    pub(super) fn over_long_poll(&self) -> usize {
        let state = self.lock();
        let is_long_poll = |page: &&Page| page.transports.last == Some(TransportKind::LongPoll);
        state.channels.iter().filter(is_long_poll).count()
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
            sum.to_long_poll += page.transports.to_long_poll;
            sum.to_web_socket += page.transports.to_web_socket;
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

    /// Returns the number of failures that the last line doesn't show.
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
