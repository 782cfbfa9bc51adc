//! Delays before the next try: steps, exponential or a function, with seeded jitter.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use fastrand::Rng;

/// A schedule of delays between tries, with jitter.
///
/// Tries count from 1. With a jitter of `p` percent a delay of `d` becomes any value from
/// `d * (1 - p/100)` to `d * (1 + p/100)`, drawn from the socket's seed: thousands of clients whose
/// server restarts don't come back at the same moment. Jitter 0 gives the exact delays.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use phx_proto::Backoff;
///
/// let backoff = Backoff::steps([Duration::from_secs(1), Duration::from_secs(2)]);
/// assert_eq!(backoff.base_delay(1), Duration::from_secs(1));
/// assert_eq!(backoff.base_delay(7), Duration::from_secs(2));
/// ```
#[derive(Clone)]
pub struct Backoff {
    schedule: Delays,
    jitter_percent: u8,
}

#[derive(Clone)]
enum Delays {
    Steps(Cow<'static, [Duration]>),
    Exponential { first: Duration, factor: u32, max: Duration },
    Function(Arc<dyn Fn(u32) -> Duration + Send + Sync>),
}

/// A schedule as it was made, without its jitter; see [`Backoff::schedule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Schedule<'a> {
    /// These delays, then always the last.
    Steps(&'a [Duration]),
    /// `first`, then `factor` times the one before, up to `max`.
    #[non_exhaustive]
    Exponential {
        /// The first delay.
        first: Duration,
        /// The factor from one delay to the next.
        factor: u32,
        /// The longest delay.
        max: Duration,
    },
    /// A function of the caller.
    Function,
}

/// 1, 2, 5, then 10 s: phoenix.cr's reconnect and phoenix.js's rejoin schedule.
const PHOENIX_CR_STEPS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// phoenix.js's reconnect schedule.
const PHOENIX_JS_STEPS: [Duration; 10] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(150),
    Duration::from_millis(200),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(1000),
    Duration::from_millis(2000),
    Duration::from_millis(5000),
];

impl Backoff {
    /// The reconnect delays of phoenix.cr, the client for Crystal, without jitter: 1, 2, 5, then
    /// always 10 s.
    #[must_use]
    pub const fn phoenix_cr() -> Self {
        Backoff { schedule: Delays::Steps(Cow::Borrowed(&PHOENIX_CR_STEPS)), jitter_percent: 0 }
    }

    /// The reconnect delays of phoenix.js: 10, 50, 100, 150, 200, 250, 500, 1000, 2000, then always
    /// 5000 ms.
    #[must_use]
    pub const fn phoenix_js() -> Self {
        Backoff { schedule: Delays::Steps(Cow::Borrowed(&PHOENIX_JS_STEPS)), jitter_percent: 0 }
    }

    /// These delays, then always the last. No delays at all mean none: every retry at once.
    #[must_use]
    pub fn steps(steps: impl Into<alloc::vec::Vec<Duration>>) -> Self {
        Backoff { schedule: Delays::Steps(Cow::Owned(steps.into())), jitter_percent: 0 }
    }

    /// `first`, then `factor` times the one before, up to `max`. A factor of zero, or a `first` longer than `max`, is an
    /// error of [`Config::validate`](crate::Config::validate).
    #[must_use]
    pub const fn exponential(first: Duration, factor: u32, max: Duration) -> Self {
        Backoff { schedule: Delays::Exponential { first, factor, max }, jitter_percent: 0 }
    }

    /// The delay before try number `n`, from 1, for each `n`: the `reconnect_after_ms`
    /// of other clients.
    ///
    /// The function must be pure, or a session can't be replayed.
    pub fn function(delay: impl Fn(u32) -> Duration + Send + Sync + 'static) -> Self {
        Backoff { schedule: Delays::Function(Arc::new(delay)), jitter_percent: 0 }
    }

    /// The same schedule with a jitter of `percent` either way, up to 100: more is an error of
    /// [`Config::validate`](crate::Config::validate), and counts as 100 where that isn't called.
    #[must_use]
    pub fn with_jitter_percent(mut self, percent: u8) -> Self {
        self.jitter_percent = percent;
        self
    }

    /// The schedule as it was made.
    #[must_use]
    pub fn schedule(&self) -> Schedule<'_> {
        match &self.schedule {
            Delays::Steps(steps) => Schedule::Steps(steps),
            Delays::Exponential { first, factor, max } => {
                Schedule::Exponential { first: *first, factor: *factor, max: *max }
            }
            Delays::Function(_) => Schedule::Function,
        }
    }

    /// The jitter either way in percent, as it was given.
    #[must_use]
    pub const fn jitter_percent(&self) -> u8 {
        self.jitter_percent
    }

    /// Checks that the schedule can work; the error says what it must be.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.jitter_percent > 100 {
            return Err("a schedule with a jitter of 100 percent at the most");
        }
        match self.schedule {
            Delays::Exponential { factor: 0, .. } => Err("a schedule with a factor of 1 or more"),
            Delays::Exponential { first, max, .. } if first > max => {
                Err("a schedule whose first delay is no longer than its longest")
            }
            _ => Ok(()),
        }
    }

    /// The delay before try number `tries` (from 1), without jitter.
    #[must_use]
    pub fn base_delay(&self, tries: u32) -> Duration {
        let index = tries.saturating_sub(1);
        match &self.schedule {
            Delays::Steps(steps) => usize::try_from(index)
                .ok()
                .and_then(|index| steps.get(index))
                .or_else(|| steps.last())
                .copied()
                .unwrap_or_default(),
            Delays::Exponential { first, factor, max } => exponential(*first, *factor, *max, index),
            Delays::Function(delay) => delay(tries),
        }
    }

    /// The delay before try number `tries` (from 1), with jitter drawn from `rng`.
    pub(crate) fn delay(&self, tries: u32, rng: &mut Rng) -> Duration {
        self.delay_of(tries, Duration::ZERO, rng)
    }

    /// The same, but not before `asked_for` has passed. A time that a server asked of all clients at
    /// the same moment is spread by as much as the delay itself, and never shortened.
    pub(crate) fn delay_of(&self, tries: u32, asked_for: Duration, rng: &mut Rng) -> Duration {
        let base = self.base_delay(tries);
        // Nothing is drawn, so exact schedules don't depend on the seed.
        if self.jitter_percent == 0 {
            return base.max(asked_for);
        }
        // In thousandths of the base: exact for any duration, and the same on every platform.
        let spread = u32::from(self.jitter_percent.min(100)).saturating_mul(10);
        let earliest = 1000_u32.saturating_sub(spread);
        let factor = rng.u32(earliest..=1000_u32.saturating_add(spread));
        let jittered = thousandths(base, factor);
        let late_by = jittered.saturating_sub(thousandths(base, earliest));
        jittered.max(if asked_for.is_zero() {
            asked_for
        } else {
            asked_for.saturating_add(late_by)
        })
    }
}

fn thousandths(base: Duration, count: u32) -> Duration {
    let scaled = base.checked_mul(count).and_then(|scaled| scaled.checked_div(1000));
    scaled.unwrap_or(Duration::MAX)
}

/// `first` times `factor`, `index` times over, up to `max`.
fn exponential(first: Duration, factor: u32, max: Duration, index: u32) -> Duration {
    if factor <= 1 {
        // Without the loop below, which would run `index` times: up to four billion.
        return if factor == 1 || index == 0 { first.min(max) } else { Duration::ZERO };
    }
    let mut delay = first;
    for _ in 0..index {
        // It at least doubles, so this ends soon, unless it is zero.
        if delay >= max || delay.is_zero() {
            break;
        }
        delay = delay.saturating_mul(factor);
    }
    delay.min(max)
}

/// 1, 2, 5, then always 10 s, with a jitter of a quarter either way.
impl Default for Backoff {
    fn default() -> Self {
        Backoff::phoenix_cr().with_jitter_percent(25)
    }
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schedule {
            Delays::Steps(steps) => write!(f, "Backoff::steps({steps:?})")?,
            Delays::Exponential { first, factor, max } => {
                write!(f, "Backoff::exponential({first:?}, {factor}, {max:?})")?;
            }
            Delays::Function(_) => f.write_str("Backoff::function(..)")?,
        }
        write!(f, " ± {} %", self.jitter_percent)
    }
}
