//! Runtimes whose clock stands still while the machine sleeps, made to count that time.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use phx_proto::Instant;

use super::slept::Slept;
use super::{BoxFuture, Runtime, Timer};

/// How long a timer goes without a look at the clock. It costs an idle socket a few microseconds
/// each time, and is how late a machine that woke is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks are taken at multiples of this, so that those of many sockets wake the program together.
const LOOKS_AT: Duration = Duration::from_millis(100);

/// Timers go off at whole milliseconds of the runtime's clock, so that those of many sockets wake the
/// program together: with async-io, whose timers have the clock's own resolution, a thousand idle
/// sockets cost nearly twice as much otherwise.
const RESOLUTION: Duration = Duration::from_millis(1);

/// A runtime whose clock also counts the time that the machine sleeps; the adapters' are made of it.
///
/// On Linux, Android and Apple's systems the clocks and timers of async runtimes stand still while
/// the machine is suspended. A connection that the server gave up long ago would look alive for as
/// long again. This adds the time of the sleep to the runtime's clock, and a timer looks at that
/// clock every 5 s at the latest: what came due while the machine slept is noticed within 5 s after
/// it woke, or at the next call on a handle or the next frame, whichever comes first. A program that
/// hears of waking up needn't wait: [`reconnect_now`](crate::Socket::reconnect_now).
///
/// Timers go off at whole milliseconds of the runtime's clock, or a little later.
///
/// Less than a second of sleep isn't counted, so that the noise between two clocks isn't taken for
/// it. On Windows the runtimes' clocks count sleep themselves; on other systems nothing is added.
///
/// # Examples
///
/// ```
/// use phx_client::{Builder, CountsSleep, Runtime};
///
/// # fn doc(my_runtime: impl Runtime, builder: Builder) -> Builder {
/// builder.runtime(CountsSleep::new(my_runtime))
/// # }
/// ```
pub struct CountsSleep<R> {
    inner: Arc<Inner<R>>,
}

struct Inner<R> {
    runtime: R,
    slept: Source,
}

/// Who tells how long the machine has slept.
enum Source {
    System(Slept),
    Given(Box<dyn Fn() -> Duration + Send + Sync>),
}

impl<R: Runtime> CountsSleep<R> {
    /// Counts what the operating system tells, from now on.
    #[must_use]
    pub fn new(runtime: R) -> Self {
        let slept = Source::System(Slept::new());
        CountsSleep { inner: Arc::new(Inner { runtime, slept }) }
    }

    /// Counts what `slept` tells: how long the machine has slept so far. That never gets less. For
    /// systems that aren't known here, and for tests.
    #[must_use]
    pub fn with_slept(runtime: R, slept: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        let slept = Source::Given(Box::new(slept));
        CountsSleep { inner: Arc::new(Inner { runtime, slept }) }
    }

    fn reading(&self) -> Reading {
        // In this order: sleep that begins in between is counted.
        let awake = self.inner.runtime.now();
        let slept = match &self.inner.slept {
            Source::System(slept) => slept.so_far(awake),
            Source::Given(slept) => slept(),
        };
        Reading { awake, slept }
    }
}

impl<R: Runtime> Runtime for CountsSleep<R> {
    fn now(&self) -> Instant {
        self.reading().now()
    }

    fn timer(&self, deadline: Instant) -> Pin<Box<dyn Timer>> {
        let look = self.reading().next_look(deadline);
        let timer = self.inner.runtime.timer(look.awake);
        Box::pin(LookingTimer { runtime: self.clone(), deadline, timer, look: Some(look) })
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.inner.runtime.spawn(task);
    }
}

impl<R> Clone for CountsSleep<R> {
    fn clone(&self) -> Self {
        CountsSleep { inner: Arc::clone(&self.inner) }
    }
}

impl<R: fmt::Debug> fmt::Debug for CountsSleep<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CountsSleep").field(&self.inner.runtime).finish()
    }
}

/// A moment: in the runtime's own time, and what is to be added.
#[derive(Clone, Copy)]
struct Reading {
    awake: Instant,
    slept: Duration,
}

impl Reading {
    fn now(self) -> Instant {
        self.awake + self.slept
    }

    /// When a timer with this deadline has to look at the clock, if the machine doesn't sleep.
    fn next_look(self, deadline: Instant) -> Self {
        let wait = deadline.saturating_duration_since(self.now());
        let awake = if wait > LOOK_EVERY {
            rounded_down(self.awake + LOOK_EVERY, LOOKS_AT)
        } else {
            let last = RESOLUTION.saturating_sub(Duration::from_nanos(1));
            rounded_down(self.awake + wait + last, RESOLUTION)
        };
        Reading { awake, slept: self.slept }
    }
}

/// The last multiple of `step`, which is less than a second, that isn't after `at`.
fn rounded_down(at: Instant, step: Duration) -> Instant {
    let over = at.since_epoch().as_nanos() % step.as_nanos();
    let over = Duration::from_nanos(u64::try_from(over).unwrap_or_default());
    Instant::from_epoch(at.since_epoch().saturating_sub(over))
}

/// A timer that looks at the clock before its deadline, too.
struct LookingTimer<R> {
    runtime: CountsSleep<R>,
    deadline: Instant,
    timer: Pin<Box<dyn Timer>>,
    /// What the timer is set to; `None` once it has gone off.
    look: Option<Reading>,
}

impl<R: Runtime> Future for LookingTimer<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            let now = this.runtime.reading();
            if now.now() >= this.deadline {
                return Poll::Ready(());
            }
            // A timer that looks early enough anyway is left alone: moving it costs more than a
            // look. One from before a sleep would be late.
            let look = now.next_look(this.deadline);
            let kept =
                this.look.is_some_and(|kept| kept.awake <= look.awake && kept.slept == look.slept);
            if !kept {
                this.timer.as_mut().reset(look.awake);
                this.look = Some(look);
            }
            ready!(this.timer.as_mut().poll(cx));
            this.look = None;
        }
    }
}

impl<R: Runtime> Timer for LookingTimer<R> {
    /// The runtime's timer is moved when it is polled.
    fn reset(self: Pin<&mut Self>, deadline: Instant) {
        self.get_mut().deadline = deadline;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awake(nanos: u64) -> Reading {
        Reading { awake: Instant::from_epoch(Duration::from_nanos(nanos)), slept: Duration::ZERO }
    }

    fn look(now: u64, deadline: u64) -> Duration {
        awake(now).next_look(awake(deadline).awake).awake.since_epoch()
    }

    #[test]
    fn timers_of_one_millisecond_go_off_together_at_its_end() {
        assert_eq!(look(0, 0), Duration::ZERO);
        assert_eq!(look(17, 7_000_000), Duration::from_millis(7));
        for nanos in [7_000_001, 7_000_002, 7_500_000, 7_999_999, 8_000_000] {
            assert_eq!(look(17, nanos), Duration::from_millis(8), "{nanos}");
        }
    }

    #[test]
    fn looks_before_a_far_deadline_are_together_too_and_never_late() {
        let minute = 60_000_000_000;
        for nanos in [0, 1, 99_999_999] {
            assert_eq!(look(nanos, minute), LOOK_EVERY, "{nanos}");
        }
        assert_eq!(look(100_000_000, minute), LOOK_EVERY + LOOKS_AT);
        // A deadline that is nearer than a look.
        assert_eq!(look(0, 5_000_000_000), LOOK_EVERY);
        assert_eq!(look(0, 5_000_000_001), LOOK_EVERY);
        assert_eq!(look(1, 5_000_000_001), LOOK_EVERY + RESOLUTION);
    }

    #[test]
    fn the_end_of_time_is_no_problem() {
        let last = Instant::from_epoch(Duration::MAX);
        for now in [awake(0), Reading { awake: last, slept: Duration::MAX }] {
            assert!(now.next_look(last).awake <= last);
        }
    }
}
