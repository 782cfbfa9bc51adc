//! Runtime with a clock that jumps from one event to the next.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::panic::Location;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use futures::future::{Either, select};
use phx_client::{BoxFuture, Runtime};
use phx_proto::Instant;

use super::exchange::Exchange;
use super::link::Link;
use super::tasks::{Main, Spawned, Tasks};
use super::timers::Clock;
use crate::Server;
use crate::network::{MAX_ROUNDS, stuck};

/// Virtual time: it runs a test and everything that the test starts, on one thread, and moves the clock to the next
/// timer whenever all of it waits.
///
/// It begins at [`Instant::EPOCH`], and continues from one [`run`](Self::run) to the next. Tasks run in the order
/// in which they were woken, so equal programs give equal runs. Dropping it drops all tasks that haven't ended, as
/// a runtime's shutdown does.
///
/// It doesn't wait for other threads: the test must work in its future and in tasks of the
/// [`runtime`](Self::runtime).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use phx_testing::in_memory::VirtualTime;
///
/// let time = VirtualTime::new();
/// time.run(time.sleep(Duration::from_secs(1_800)));
/// assert_eq!(time.now().since_epoch(), Duration::from_secs(1_800));
/// ```
pub struct VirtualTime {
    runtime: VirtualRuntime,
    limit: Duration,
    tasks: RefCell<Tasks>,
    /// Links that are described when a run can't go on.
    links: RefCell<Vec<Weak<Exchange>>>,
}

impl VirtualTime {
    /// Creates a clock at [`Instant::EPOCH`], without tasks.
    #[must_use]
    pub fn new() -> Self {
        VirtualTime {
            runtime: VirtualRuntime::default(),
            limit: Duration::from_secs(3_600),
            tasks: RefCell::new(Tasks::new()),
            links: RefCell::default(),
        }
    }

    /// Sets the largest virtual time that one [`run`](Self::run) may take. Default: 1 h.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Creates a link to a server that runs in this time.
    #[must_use]
    pub fn link(&self, server: Server) -> Link {
        let link = Link::new(server, self.runtime());
        self.links.borrow_mut().push(Arc::downgrade(link.exchange()));
        link
    }

    /// Returns the runtime, for a builder that wasn't made by a link, and to spawn tasks.
    #[must_use]
    pub fn runtime(&self) -> VirtualRuntime {
        self.runtime.clone()
    }

    /// Returns the virtual time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.runtime.now()
    }

    /// Waits until `duration` has passed.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + use<> {
        self.runtime.sleep(duration)
    }

    /// Waits for `future`, which must be done within `within`. `what` names it in the panic's text.
    ///
    /// # Panics
    ///
    /// If `future` isn't done by then. The text has `what`, the caller's place, and the state of the links.
    #[track_caller]
    pub fn wait_for<F: Future>(
        &self,
        what: &str,
        within: Duration,
        future: F,
    ) -> impl Future<Output = F::Output> {
        let caller = Location::caller();
        async move {
            match select(pin!(future), pin!(self.sleep(within))).await {
                Either::Left((output, _)) => output,
                Either::Right(((), _)) => {
                    let waited = format!("waited {within:?} for {what}, at {caller}");
                    fail(&self.report(&waited))
                }
            }
        }
    }

    /// Runs a future to its end, and tasks beside it. It returns after all other events of the moment at which the
    /// future is done.
    ///
    /// # Panics
    ///
    /// If the future isn't done within the [limit](Self::with_limit), or waits while no timer is set; if events
    /// repeat without time passing; if a task panics; and if it is called from within a run.
    #[track_caller]
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let Ok(mut tasks) = self.tasks.try_borrow_mut() else {
            fail("a run of virtual time was started from within a run");
        };
        let future = pin!(future);
        let mut main = Main::new(future);
        let end = self.now() + self.limit;
        loop {
            if let Some(output) = self.settle(&mut tasks, &mut main) {
                return output;
            }
            match self.runtime.clock.next() {
                Some(next) if next <= end => self.runtime.clock.move_to(next),
                Some(_) => fail(&self.report(&format!(
                    "the test isn't done after {:?} of virtual time, and {} tasks wait",
                    self.limit,
                    tasks.len()
                ))),
                None => fail(&self.report(&format!(
                    "the test waits for something that can't happen any more: no timer is set, \
                     and {} tasks wait",
                    tasks.len()
                ))),
            }
        }
    }

    /// Runs all that was woken, until nothing is: what happens at this moment.
    fn settle<F: Future>(&self, tasks: &mut Tasks, main: &mut Main<'_, F>) -> Option<F::Output> {
        let mut output = None;
        for _ in 0..MAX_ROUNDS {
            let mut ran = false;
            if output.is_none()
                && let Some(polled) = main.run()
            {
                ran = true;
                if let Poll::Ready(ready) = polled {
                    output = Some(ready);
                }
            }
            ran |= tasks.run(&self.runtime.spawned);
            if !ran {
                return output;
            }
        }
        stuck(self.now())
    }

    /// The failure, its time, and the state of the links.
    fn report(&self, what: &str) -> String {
        let mut report = format!("{what}; the clock is at {:?}", self.now().since_epoch());
        for exchange in self.links.borrow().iter().filter_map(Weak::upgrade) {
            // Writing to a string doesn't fail.
            let _ = write!(report, "{exchange}");
        }
        report
    }
}

/// Tasks that were never polled hold the runtime, which holds them.
impl Drop for VirtualTime {
    fn drop(&mut self) {
        drop(self.runtime.spawned.take());
    }
}

impl Default for VirtualTime {
    fn default() -> Self {
        VirtualTime::new()
    }
}

impl fmt::Debug for VirtualTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualTime")
            .field("now", &self.now())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// The [`Runtime`] of a [`VirtualTime`]. Its tasks run during that one's runs.
#[derive(Clone, Debug, Default)]
pub struct VirtualRuntime {
    clock: Arc<Clock>,
    spawned: Arc<Spawned>,
}

impl VirtualRuntime {
    /// Waits until `duration` has passed.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + use<> {
        self.clock.timer(self.now() + duration)
    }
}

impl Runtime for VirtualRuntime {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn timer(&self, deadline: Instant) -> BoxFuture<()> {
        Box::pin(self.clock.timer(deadline))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.spawned.push(task);
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "documented: a test that can't go on must not hang")]
fn fail(why: &str) -> ! {
    panic!("{why}")
}
