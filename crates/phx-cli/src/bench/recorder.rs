//! The recorder of samples: each step that was performed, with its times and its outcome.
//!
//! Users record on many threads. A sample goes into the buffer of a shard, which has a lock of its own, and a full buffer is
//! counted in one go, so that threads don't wait for each other.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use phx_tokio::{Escaped, JoinCause, JoinError, PushCause, PushError, Status};
use tokio::time::Instant;

/// Kinds of errors, over all steps, beyond which further ones are counted together: statuses are the server's words.
pub(super) const MAX_KINDS: usize = 64;

/// Characters of a status that make a kind.
const MAX_STATUS: usize = 64;

/// Samples of a shard that aren't counted yet.
const MAX_BUFFERED: usize = 1_024;

/// The name that further kinds of errors are counted under.
const OTHER: &str = "other";

/// Largest latency in microseconds: an hour. Longer ones count as this.
pub(super) const LONGEST: u64 = 3_600_000_000;

/// Latencies in microseconds, to three digits; its memory grows with the largest.
#[expect(clippy::expect_used, reason = "the number of digits is a proper one")]
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("3 <= 5")
}

fn count(latency: Duration, to: &mut Histogram<u64>) {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    // It fails for none up to the largest.
    let _ = to.record(micros.clamp(1, LONGEST));
}

/// A step that samples are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StepName {
    /// The name in reports, such as `push echo`. It holds no value of a variable.
    pub(super) name: String,
    /// True if its latency is that of a reply to a push, and counts in the figures over all steps.
    pub(super) is_push: bool,
}

/// One step as it was performed.
#[derive(Debug)]
pub(super) struct StepSample {
    /// The step's place in the recorder's list.
    pub(super) step: usize,
    /// When the load's schedule wanted the step. Without a schedule it is the same as `sent`.
    pub(super) due: Instant,
    /// When the step really began.
    pub(super) sent: Instant,
    /// The time from `sent` to the outcome.
    pub(super) latency: Duration,
    /// Bytes of the server's answer.
    pub(super) bytes: usize,
    /// Why it failed, if it did. The latency of a failed step isn't counted.
    pub(super) error: Option<ErrorClass>,
}

/// Class of a failure: a word of this program, or the status of a reply, cut and escaped. It holds no payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ErrorClass(Cow<'static, str>);

impl ErrorClass {
    pub(super) const fn new(word: &'static str) -> Self {
        ErrorClass(Cow::Borrowed(word))
    }

    /// A reply with another status than ok.
    pub(super) fn replied(status: &Status) -> Self {
        let status = Escaped::short(status.as_str(), MAX_STATUS);
        ErrorClass(Cow::Owned(format!("replied {status}")))
    }

    /// An answer to an HTTP request with another status than was wanted.
    pub(super) fn answered(status: u16) -> Self {
        ErrorClass(Cow::Owned(format!("answered {status}")))
    }

    /// A join that failed.
    pub(super) fn of_join(failed: &JoinError) -> Self {
        ErrorClass::new(match &failed.cause {
            JoinCause::Rejected { .. } => "rejected",
            JoinCause::ReplyDropped { .. } => "reply too large",
            JoinCause::Crashed => "crashed",
            JoinCause::TimedOut => "timed out",
            JoinCause::InvalidState(_) => "refused locally",
            _ => "failed",
        })
    }

    /// A push without a reply.
    pub(super) fn of_push(failed: &PushError) -> Self {
        match &failed.cause {
            PushCause::ReplyDropped { status, .. } if *status != Status::Ok => {
                ErrorClass::replied(status)
            }
            PushCause::ReplyDropped { .. } => ErrorClass::new("reply too large"),
            PushCause::TimedOut => ErrorClass::new("timed out"),
            PushCause::NotSent => ErrorClass::new("not sent"),
            PushCause::Disconnected => ErrorClass::new("disconnected"),
            PushCause::ChannelCrashed => ErrorClass::new("channel crashed"),
            PushCause::ChannelClosed => ErrorClass::new("channel closed"),
            PushCause::InvalidState(_) => ErrorClass::new("refused locally"),
            _ => ErrorClass::new("failed"),
        }
    }
}

/// Samples of a load's steps.
#[derive(Debug)]
pub(super) struct Recorder {
    steps: Vec<StepName>,
    shards: Vec<Mutex<Vec<Timed>>>,
    counted: Mutex<Counted>,
}

/// A sample that succeeded, until it is counted.
#[derive(Clone, Copy, Debug)]
struct Timed {
    step: usize,
    since_due: Duration,
    since_sent: Duration,
    bytes: usize,
}

/// The figures since they were taken last.
#[derive(Debug)]
struct Counted {
    windows: Vec<Window>,
    /// All kinds of errors so far, by step.
    kinds: BTreeSet<(usize, Cow<'static, str>)>,
}

/// The figures of one step, or of several, in a span of time.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Microseconds from when the step was due to its outcome: what a user waits for.
    pub(super) latencies: Histogram<u64>,
    /// Microseconds from when it was sent: they hide that a generator or a server that stalls sends later.
    pub(super) uncorrected: Histogram<u64>,
    /// Bytes of the answers.
    pub(super) bytes: u64,
    /// Failures by the name of their class.
    pub(super) errors: BTreeMap<String, u64>,
}

impl Recorder {
    /// A recorder with this number of shards: more than the number of threads are no use.
    pub(super) fn new(steps: Vec<StepName>, shards: usize) -> Self {
        let windows = steps.iter().map(|_| Window::new()).collect();
        Recorder {
            steps,
            shards: (0..shards.max(1)).map(|_| Mutex::default()).collect(),
            counted: Mutex::new(Counted { windows, kinds: BTreeSet::new() }),
        }
    }

    pub(super) fn steps(&self) -> &[StepName] {
        &self.steps
    }

    /// Records a sample in the shard with this number; numbers beyond the last begin again at the first.
    pub(super) fn record(&self, shard: usize, sample: StepSample) {
        let StepSample { step, due, sent, latency, bytes, error } = sample;
        if let Some(class) = error {
            return locked(&self.counted).fail(step, class);
        }
        let Some(shard) = self.shards.get(shard % self.shards.len().max(1)) else { return };
        let since_due = latency.saturating_add(sent.saturating_duration_since(due));
        let mut buffer = locked(shard);
        buffer.push(Timed { step, since_due, since_sent: latency, bytes });
        if buffer.len() >= MAX_BUFFERED {
            locked(&self.counted).succeed(&mut buffer);
        }
    }

    /// Takes the figures of each step since the last call, in the order of the steps.
    pub(super) fn take(&self) -> Vec<Window> {
        let fresh = self.steps.iter().map(|_| Window::new()).collect();
        for shard in &self.shards {
            let mut buffer = locked(shard);
            locked(&self.counted).succeed(&mut buffer);
        }
        std::mem::replace(&mut locked(&self.counted).windows, fresh)
    }
}

impl Counted {
    fn succeed(&mut self, samples: &mut Vec<Timed>) {
        for Timed { step, since_due, since_sent, bytes } in samples.drain(..) {
            let Some(window) = self.windows.get_mut(step) else { continue };
            count(since_due, &mut window.latencies);
            count(since_sent, &mut window.uncorrected);
            window.bytes = window.bytes.saturating_add(bytes as u64);
        }
    }

    fn fail(&mut self, step: usize, class: ErrorClass) {
        let key = (step, class.0);
        let is_counted = self.kinds.len() < MAX_KINDS || self.kinds.contains(&key);
        if let Some(window) = self.windows.get_mut(step) {
            window.count(if is_counted { &key.1 } else { OTHER }, 1);
        }
        if is_counted {
            self.kinds.insert(key);
        }
    }
}

impl Window {
    pub(super) fn new() -> Self {
        Window {
            latencies: histogram(),
            uncorrected: histogram(),
            bytes: 0,
            errors: BTreeMap::new(),
        }
    }

    pub(super) fn failures(&self) -> u64 {
        self.errors.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    pub(super) fn add(&mut self, other: &Window) {
        self.add_latencies(other);
        self.add_errors(other);
    }

    /// Adds the figures of a step to those of all steps, which have the latencies of pushes alone.
    pub(super) fn add_step(&mut self, step: &StepName, window: &Window) {
        if step.is_push {
            self.add(window);
        } else {
            self.add_errors(window);
        }
    }

    /// Adds what succeeded.
    pub(super) fn add_latencies(&mut self, other: &Window) {
        // Sums grow as needed.
        let _ = self.latencies.add(&other.latencies);
        let _ = self.uncorrected.add(&other.uncorrected);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    pub(super) fn add_errors(&mut self, other: &Window) {
        for (name, count) in &other.errors {
            self.count(name, *count);
        }
    }

    pub(super) fn count(&mut self, name: &str, more: u64) {
        match self.errors.get_mut(name) {
            Some(count) => *count = count.saturating_add(more),
            None => drop(self.errors.insert(name.to_owned(), more)),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;

    use super::*;

    fn recorder(names: &[&str]) -> Recorder {
        let steps = names.iter().map(|name| StepName { name: (*name).to_owned(), is_push: true });
        Recorder::new(steps.collect(), 2)
    }

    fn sample(step: usize, error: Option<ErrorClass>) -> StepSample {
        let due = Instant::now();
        let latency = Duration::from_micros(100);
        StepSample { step, due, sent: due + Duration::from_micros(50), latency, bytes: 7, error }
    }

    #[test]
    fn a_latency_counts_from_when_it_was_due_and_from_when_it_was_sent() {
        let recorder = recorder(&["join", "push"]);
        for shard in 0..5 {
            recorder.record(shard, sample(1, None));
        }
        let windows = recorder.take();
        assert_eq!((windows[0].latencies.len(), windows[1].latencies.len()), (0, 5));
        assert_eq!((windows[1].latencies.max(), windows[1].uncorrected.max()), (150, 100));
        assert_eq!(windows[1].bytes, 35);
        assert_eq!(recorder.take()[1].latencies.len(), 0, "they are taken once");
    }

    #[test]
    fn no_sample_is_lost_between_buffers_and_counts() {
        let recorder = recorder(&["push"]);
        let mut taken = 0;
        let used = measure(|| {
            for number in 0..5 * MAX_BUFFERED {
                recorder.record(number, sample(0, None));
                if number % 777 == 0 {
                    taken += recorder.take()[0].latencies.len();
                }
            }
        });
        // Two shards' buffers, which exist twice while they grow, and the histograms of two windows.
        let buffers = 2 * MAX_BUFFERED * size_of::<Timed>();
        let histograms = measure(|| drop((Window::new(), Window::new()))).bytes_max;
        assert!(used.bytes_max < 2 * buffers as u64 + histograms, "{used:?}, {histograms}");
        taken += recorder.take()[0].latencies.len();
        assert_eq!(taken, 5 * MAX_BUFFERED as u64);
    }

    #[test]
    fn kinds_of_errors_are_limited_in_number_and_length() {
        let recorder = recorder(&["join", "push"]);
        let used = measure(|| {
            for number in 0..10_000 {
                let status = format!("{number}\n\u{1b}[2J{}", "long".repeat(1_000));
                let status = Status::from(status.as_str());
                recorder.record(number, sample(number % 2, Some(ErrorClass::replied(&status))));
                recorder.record(number, sample(1, Some(ErrorClass::new("timed out"))));
            }
        });
        // 64 characters of each kind, as a kind and as a count; and a status under way.
        assert!(used.bytes_max < 2 * 512 * MAX_KINDS as u64 + 16_000, "{used:?}");
        let windows = recorder.take();
        let kinds: usize = windows.iter().map(|window| window.errors.len()).sum();
        assert_eq!(kinds, MAX_KINDS + 2, "and the others of each step");
        assert_eq!(windows.iter().map(Window::failures).sum::<u64>(), 20_000, "none is lost");
        assert_eq!(windows[1].errors["timed out"], 10_000);
        let names = windows.iter().flat_map(|window| window.errors.keys());
        assert!(names.clone().all(|name| name.len() < 200 && !name.contains(['\n', '\u{1b}'])));
        recorder.record(0, sample(0, Some(ErrorClass::new("closed"))));
        assert_eq!(recorder.take()[0].errors["other"], 1, "the limit is that of the whole run");
    }
}
