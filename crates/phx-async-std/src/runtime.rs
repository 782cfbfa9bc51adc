//! async-std's clock, timers and tasks.

use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time;

use async_std::task;
use phx_client::{BoxFuture, CountsSleep, Instant, NoRuntime, Runtime, Timer};

/// async-std as the client needs it: a clock, timers and tasks.
///
/// Time is the standard library's; the time that the machine sleeps is [added](CountsSleep). Its epoch
/// is the moment at which the first value was made.
#[derive(Clone, Debug)]
pub struct AdapterRuntime(CountsSleep<AsyncStd>);

/// One for all sockets of the program, so that their timers go off [together](CountsSleep).
static EPOCH: LazyLock<time::Instant> = LazyLock::new(time::Instant::now);

/// What async-std itself gives.
#[derive(Clone, Debug)]
struct AsyncStd;

impl AdapterRuntime {
    /// The runtime: async-std has one for the whole program.
    ///
    /// # Errors
    ///
    /// None. Other adapters have some, and the same API.
    pub fn current() -> Result<Self, NoRuntime> {
        Ok(AdapterRuntime(CountsSleep::new(AsyncStd)))
    }
}

impl Runtime for AdapterRuntime {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self, deadline: Instant) -> Pin<Box<dyn Timer>> {
        self.0.timer(deadline)
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.0.spawn(task);
    }
}

impl Runtime for AsyncStd {
    fn now(&self) -> Instant {
        Instant::from_epoch(EPOCH.elapsed())
    }

    fn timer(&self, deadline: Instant) -> Pin<Box<dyn Timer>> {
        Box::pin(AdapterTimer(sleep_until(deadline)))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        drop(task::spawn(task));
    }
}

struct AdapterTimer(BoxFuture<()>);

/// async-std's timers can't be moved, so each deadline has one of its own.
fn sleep_until(deadline: Instant) -> BoxFuture<()> {
    Box::pin(task::sleep(deadline.saturating_duration_since(AsyncStd.now())))
}

impl Future for AdapterTimer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl Timer for AdapterTimer {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.0 = sleep_until(deadline);
    }
}
